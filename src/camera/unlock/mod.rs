//! Unlocks cameras that only charge until somebody logs in: they then come back on the same port in another form.
//!
//! The profile gives the steps (`config::Unlock`); the caller gives the password, which is never shown. Keeps promise 3:
//! besides the log-in and the switch to storage, only reading commands are sent, and the clock is set where the profile
//! says so. A refused password is not sent again ([`Attempts`]), because cameras lock themselves after a few.
//!
//! Claim the device with `ptp::UsbTransport::open(device, claim(unlock))`, then call [`run`]. When it returns, the camera
//! is about to leave the bus; the bay waits `Unlock::returns` for it to come back.

mod ascii;
mod attempts;
mod control;
mod error;
#[cfg(test)]
mod tests;

use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use zeroize::Zeroizing;

pub use attempts::Attempts;
pub use error::UnlockError;

use crate::camera::ptp::{BulkTransport, InterfaceClaim, TransportError};
use crate::config::{Profile, Unlock, UnlockProtocol};
use crate::model::{CameraClock, CameraId, ClockMethod, UsbDevice};

/// A camera's description of itself while it was unlocked. All of it is a claim.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UnlockReport {
    /// From the serial that the camera gave.
    pub id: Option<CameraId>,
    /// The user in the camera's own settings, for people: printable, at most 64 characters, as is the department.
    pub user: Option<String>,
    pub department: Option<String>,
    /// Percent.
    pub battery: Option<u8>,
    /// Only if it was set: neither protocol can read the clock.
    pub clock: Option<CameraClock>,
    /// For the log and the operator, one sentence each.
    pub warnings: Vec<String>,
}

/// Serial, user and department as a protocol reads them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct StatedIdentity {
    serial: Option<String>,
    user: Option<String>,
    department: Option<String>,
}

/// The commands of a locked camera. Each is sent once.
trait LockedDevice {
    /// `Ok(false)`: the camera refused the password.
    fn log_in(&mut self, password: &str) -> Result<bool, UnlockError>;
    fn identity(&mut self) -> Result<StatedIdentity, UnlockError>;
    /// `Ok(None)`: the protocol has no such command.
    fn battery(&mut self) -> Result<Option<u8>, UnlockError>;
    fn set_clock(&mut self, local: DateTime) -> Result<(), UnlockError>;
    /// The camera may leave the bus before it answers.
    fn to_storage(&mut self) -> Result<(), UnlockError>;
}

/// The USB interface that [`run`] needs.
pub const fn claim(unlock: &Unlock) -> InterfaceClaim {
    match unlock.protocol {
        UnlockProtocol::Control4255 => InterfaceClaim::Control {
            interface: unlock.interface,
        },
        UnlockProtocol::BulkAscii => InterfaceClaim::Bulk {
            interface: unlock.interface,
            endpoint_out: unlock.endpoint_out,
            endpoint_in: unlock.endpoint_in,
        },
    }
}

/// Logs in, reads the camera's identity, and switches it to its readable form. Without a `password`, uses the first
/// factory password.
pub fn run(
    transport: &mut dyn BulkTransport,
    profile: &Profile,
    device: &UsbDevice,
    password: Option<&Zeroizing<String>>,
    attempts: &Attempts,
) -> Result<UnlockReport, UnlockError> {
    let unlock = profile.unlock.as_ref().ok_or(UnlockError::NoSteps)?;
    let password = password
        .map(|password| password.as_str())
        .or_else(|| unlock.factory_passwords.first().map(String::as_str))
        .ok_or(UnlockError::NoPassword)?;
    let length = unlock.protocol.password_length();
    if password.len() != length || !password.bytes().all(|b| b.is_ascii_graphic() && b != b';') {
        return Err(UnlockError::Unfit { length });
    }
    let mut locked: Box<dyn LockedDevice> = match unlock.protocol {
        UnlockProtocol::Control4255 => {
            Box::new(control::Control::new(transport, unlock.reply, unlock.role))
        }
        UnlockProtocol::BulkAscii => Box::new(ascii::Ascii::new(transport, unlock.reply)),
    };
    let attempt = attempts.begin(&profile.name, device, password)?;
    match locked.log_in(password) {
        Ok(true) => attempt.succeeded(),
        Ok(false) => {
            attempt.refused();
            return Err(UnlockError::WrongPassword);
        }
        // The camera may have counted this attempt, so `attempt` counts it, too.
        Err(error) => return Err(error),
    }
    let mut report = UnlockReport::default();
    if unlock.factory_passwords.iter().any(|p| p == password) {
        report.warnings.push(format!(
            "the camera still accepts a factory password of its make: set another one, and give it as the secret of the profile {}",
            profile.name
        ));
    }
    if unlock.read_identity {
        match locked.identity() {
            Ok(named) => {
                let make = profile.make.clone().unwrap_or_else(|| device.make());
                report.id = named
                    .serial
                    .and_then(|serial| CameraId::new(&make, &serial));
                (report.user, report.department) = (named.user, named.department);
            }
            Err(error) => note(&mut report, "give its identity", error)?,
        }
    }
    if unlock.read_battery {
        match locked.battery() {
            Ok(level) => report.battery = level,
            Err(error) => note(&mut report, "give its battery level", error)?,
        }
    }
    if profile.set_clock {
        report.clock = Some(set_clock(
            locked.as_mut(),
            profile.time_zone.as_ref(),
            &mut report.warnings,
        )?);
    }
    locked.to_storage()?;
    Ok(report)
}

/// A camera that withholds these facts is still unlocked, because its footage must be taken.
fn note(report: &mut UnlockReport, what: &str, error: UnlockError) -> Result<(), UnlockError> {
    if error == UnlockError::Transfer(TransportError::Gone) {
        return Err(error);
    }
    report.warnings.push(format!(
        "the camera did not {what} while it was unlocked: {error}"
    ));
    Ok(())
}

fn set_clock(
    locked: &mut dyn LockedDevice,
    zone: Option<&TimeZone>,
    warnings: &mut Vec<String>,
) -> Result<CameraClock, UnlockError> {
    let at = Timestamp::now();
    let local = zone.unwrap_or(&TimeZone::UTC).to_datetime(at);
    let done = locked.set_clock(local);
    if let Err(error) = done {
        if error == UnlockError::Transfer(TransportError::Gone) {
            return Err(error);
        }
        warnings.push(format!("the camera's clock could not be set: {error}"));
    }
    if done.is_ok() {
        tracing::info!("a camera's clock was set, as its profile says");
    }
    Ok(CameraClock {
        method: ClockMethod::VendorCommand,
        at: at.round(jiff::Unit::Millisecond).unwrap_or(at),
        reads: None,
        time_zone: zone.and_then(|zone| zone.iana_name().map(str::to_owned)),
        ahead_seconds: None,
        ahead_at_least_seconds: None,
        set: Some(done.is_ok()),
    })
}

/// Printable text of a fixed field, up to its first zero byte; at most 64 characters.
fn text(field: &[u8]) -> Option<String> {
    let end = field.iter().position(|&b| b == 0).unwrap_or(field.len());
    let text: String = String::from_utf8_lossy(&field[..end])
        .trim()
        .chars()
        .filter(|c| !c.is_control() && *c != char::REPLACEMENT_CHARACTER)
        .take(64)
        .collect();
    (!text.is_empty()).then_some(text)
}

/// After the switch command, a camera that leaves the bus without an answer has obeyed.
fn switched(done: Result<(), UnlockError>) -> Result<(), UnlockError> {
    match done {
        Err(UnlockError::Transfer(
            TransportError::Gone
            | TransportError::Io
            | TransportError::Timeout
            | TransportError::Stall,
        )) => Ok(()),
        done => done,
    }
}

/// Transfers that one reply may be split into.
const REPLY_PARTS: usize = 8;
/// Limit for one reply.
type Wait = Duration;
