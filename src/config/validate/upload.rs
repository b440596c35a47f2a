use toml::Spanned;

use super::Check;
use crate::config::raw::{Merged, RawPace};
use crate::config::settings::{PaceSettings, PaceWindow, UploadSettings};

pub(super) fn section(check: &mut Check<'_>, merged: &Merged) -> UploadSettings {
    let raw = &merged.upload;
    let parts = raw.parts_in_flight.value;
    check.number(
        &raw.parts_in_flight,
        1..=64,
        "parts_in_flight",
        "Use 1 to 64.",
    );
    let part_size = raw.part_size.value;
    check.number(
        &raw.part_size,
        5 << 20..=1 << 30,
        "part_size",
        "Use 5242880 (5 MiB, the least that S3 takes) to 1073741824 bytes; 8 to 16 MiB is good.",
    );
    UploadSettings {
        parts_in_flight: parts as usize,
        part_size,
        pace: pace(check, &raw.pace.value),
    }
}

fn pace(check: &mut Check<'_>, given: &[Spanned<RawPace>]) -> PaceSettings {
    let mut windows: Vec<PaceWindow> = Vec::new();
    for entry in given {
        let span = entry.span();
        let raw = entry.get_ref();
        let (Some(from_minute), Some(to_minute)) = (minute(&raw.from), minute(&raw.to)) else {
            check.wrong(
                Some(&span),
                "pace",
                "has a time that is not HH:MM",
                "Give times as `from = \"07:00\", to = \"19:00\"`; `24:00` is the end of the day.",
            );
            continue;
        };
        let bytes_per_second = raw.megabits_per_second * 125_000.0;
        if !(12_500.0..=1e13).contains(&bytes_per_second) {
            check.wrong(
                Some(&span),
                "pace",
                "has a limit out of range",
                "Give `megabits_per_second` as 0.1 or more; remove the window for no limit.",
            );
            continue;
        }
        let window = PaceWindow {
            from_minute: from_minute % 1440,
            to_minute: if to_minute == 0 { 1440 } else { to_minute },
            // In range by the check above.
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
            bytes_per_second: bytes_per_second as u64,
        };
        let overlaps = (0..1440).any(|minute| {
            window.covers(minute) && windows.iter().any(|other| other.covers(minute))
        });
        check.ensure(
            !overlaps && window.from_minute != window.to_minute,
            Some(&span),
            "pace",
            "has windows that overlap, or one without length",
            "Let each minute of the day be in one window at most; `00:00` to `24:00` is the whole day.",
        );
        windows.push(window);
    }
    PaceSettings { windows }
}

fn minute(text: &str) -> Option<u16> {
    let (hour, minute) = text.split_once(':')?;
    let number = |text: &str| {
        (text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit()))
            .then(|| text.parse::<u16>().ok())?
    };
    let (hour, minute) = (number(hour)?, number(minute)?);
    ((hour < 24 && minute < 60) || (hour, minute) == (24, 0)).then_some(hour * 60 + minute)
}
