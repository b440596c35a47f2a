//! A camera's battery and clock, where it has them. The clock is only ever set where the profile says so.

use jiff::Timestamp;
use jiff::tz::{Offset, TimeZone};

use super::PtpError;
use super::property::PropDesc;
use super::reader::{DatasetReader, PtpDate, PtpString};
use super::session::{DATASET_MAX, PtpSession, Query};
use super::wire::{op, prop};
use crate::model::{CameraClock, ClockMethod, Escaped};

/// Seconds by which a clock may be wrong before it is set.
const CLOCK_TOLERANCE: i64 = 2;

/// Percent; `None` when the device has no battery or doesn't give its level.
pub(super) fn battery(session: &mut PtpSession) -> Result<Option<u8>, PtpError> {
    if !session.info().properties.contains(&prop::BATTERY_LEVEL)
        || !session.supports(op::GET_DEVICE_PROP_DESC)
    {
        return Ok(None);
    }
    let bytes = session.read(Query {
        operation: op::GET_DEVICE_PROP_DESC,
        parameters: &[u32::from(prop::BATTERY_LEVEL)],
        what: "the battery's level",
        limit: DATASET_MAX,
    })?;
    Ok(PropDesc::parse(&bytes)?.percent())
}

/// Compares the camera's clock with the station's; `None` when the device has none. `zone`: the camera's, if configured.
pub(super) fn clock(
    session: &mut PtpSession,
    zone: Option<&TimeZone>,
    set: bool,
) -> Result<Option<CameraClock>, PtpError> {
    if !session.info().properties.contains(&prop::DATE_TIME)
        || !session.supports(op::GET_DEVICE_PROP_VALUE)
    {
        return Ok(None);
    }
    let (clock, date) = read_clock(session, zone)?;
    let off = clock
        .ahead_seconds
        .is_none_or(|ahead| ahead.abs() > CLOCK_TOLERANCE);
    if !set || !off {
        return Ok(Some(clock));
    }
    let done = set_clock(session, zone, date.and_then(|date| date.offset));
    // The clock is read again, because the device's answer proves nothing.
    let good = done.is_ok()
        && read_clock(session, zone)?
            .0
            .ahead_seconds
            .is_some_and(|ahead| ahead.abs() <= CLOCK_TOLERANCE);
    if let Err(error) = done {
        if matches!(error, PtpError::Gone | PtpError::Stopped) {
            return Err(error);
        }
        tracing::info!(%error, "a camera refuses to have its clock set");
    }
    Ok(Some(CameraClock {
        set: Some(good),
        ..clock
    }))
}

fn read_clock(
    session: &mut PtpSession,
    zone: Option<&TimeZone>,
) -> Result<(CameraClock, Option<PtpDate>), PtpError> {
    let before = Timestamp::now();
    let bytes = session.read(Query {
        operation: op::GET_DEVICE_PROP_VALUE,
        parameters: &[u32::from(prop::DATE_TIME)],
        what: "the clock",
        limit: DATASET_MAX,
    })?;
    let after = Timestamp::now();
    // Halfway between request and answer.
    let at = before
        .checked_add(after.duration_since(before) / 2)
        .unwrap_or(after);
    let text = DatasetReader::new(&bytes, "clock").string()?.to_text();
    let date = PtpDate::parse(&text);
    let given = date.and_then(|date| date.offset);
    let utc = TimeZone::UTC;
    let reading = date.and_then(|date| date.timestamp(zone.unwrap_or(&utc)));
    let clock = CameraClock {
        method: ClockMethod::PtpDateTime,
        at: at.round(jiff::Unit::Millisecond).unwrap_or(at),
        reads: Some(Escaped(text.as_bytes()).to_string()),
        time_zone: match given {
            Some(offset) => Some(offset.to_string()),
            None => zone.and_then(|zone| zone.iana_name().map(str::to_owned)),
        },
        ahead_seconds: reading.map(|reading| reading.as_second() - at.as_second()),
        ahead_at_least_seconds: None,
        set: None,
    };
    Ok((clock, date))
}

fn set_clock(
    session: &mut PtpSession,
    zone: Option<&TimeZone>,
    given: Option<Offset>,
) -> Result<(), PtpError> {
    if !session.supports(op::SET_DEVICE_PROP_VALUE) {
        return Err(PtpError::Unsupported(op::SET_DEVICE_PROP_VALUE));
    }
    let now = Timestamp::now();
    let text = match given {
        // In the form that the device itself uses.
        Some(offset) => {
            let local = PtpDate::encode(offset.to_datetime(now));
            let seconds = offset.seconds();
            let (hours, minutes) = (seconds.abs() / 3600, seconds.abs() / 60 % 60);
            match seconds {
                0 => format!("{local}Z"),
                1.. => format!("{local}+{hours:02}{minutes:02}"),
                _ => format!("{local}-{hours:02}{minutes:02}"),
            }
        }
        None => PtpDate::encode(zone.unwrap_or(&TimeZone::UTC).to_datetime(now)),
    };
    session.write(
        op::SET_DEVICE_PROP_VALUE,
        &[u32::from(prop::DATE_TIME)],
        &PtpString::encode(&text),
    )
}
