use std::time::Duration;

use super::Check;
use crate::config::raw::Merged;
use crate::config::settings::PreviewSettings;

pub(super) fn section(check: &mut Check<'_>, merged: &Merged) -> PreviewSettings {
    let raw = &merged.preview;
    check.number(
        &raw.workers,
        1..=16,
        "workers",
        "Use 1 to 16; 1 suits most stations, switch previews off with `enabled = false`.",
    );
    check.number(
        &raw.above_megabits,
        1..=1000,
        "above_megabits",
        "Use 1 to 1000 megabits a second; `video = \"always\"` makes a video of every recording.",
    );
    check.ensure(
        [360, 480].contains(&raw.height.value),
        raw.height.at.as_ref(),
        "height",
        "is not offered",
        "Use 360 or 480.",
    );
    check.number(
        &raw.memory_mib,
        256..=65_536,
        "memory_mib",
        "Use 256 to 65536; 512 suits footage of up to 4K.",
    );
    check.number(
        &raw.cpu_minutes,
        1..=10_000,
        "cpu_minutes",
        "Use 1 to 10000 minutes of processor time for one preview.",
    );
    check.number(
        &raw.hold_hours,
        1..=8760,
        "hold_hours",
        "Use 1 to 8760 hours (a year); switch previews off with `enabled = false`.",
    );
    PreviewSettings {
        enabled: raw.enabled.value,
        video: raw.video.value,
        above_bits: u64::from(raw.above_megabits.value) * 1_000_000,
        workers: raw.workers.value as usize,
        height: raw.height.value,
        memory_bytes: u64::from(raw.memory_mib.value) << 20,
        cpu: Duration::from_secs(u64::from(raw.cpu_minutes.value) * 60),
        hold: Duration::from_secs(u64::from(raw.hold_hours.value) * 3600),
    }
}
