//! Whether browsers play a recording themselves, by what its container says. What was not tried in a browser counts as
//! not played: a video that nobody needed costs less than a recording that nobody can watch.

use super::recording::Recording;
use crate::model::{IndexState, Probe};

/// Says why the recording needs no proxy: browsers play it, and it has at most this many bits a second.
pub fn without_proxy(recording: &Recording, probe: &Probe, bits_most: u64) -> Option<String> {
    let structure = &recording.structure;
    let container = if probe.container.starts_with("matroska") {
        "Matroska"
    } else if probe.container.starts_with("mov") && structure.brand.is_some_and(|b| &b != b"qt  ") {
        "MP4"
    } else {
        return None;
    };
    // Without an index, or with one that is spread over the file, a browser does not jump.
    let whole = matches!(probe.index, IndexState::AtStart | IndexState::AtEnd)
        && !structure.is_cut_off()
        && structure.encrypted_sound() == 0;
    let video = probe.video.as_ref()?;
    // Browsers play the first of several sound tracks, which may be a silent one.
    let sound = match &probe.audio[..] {
        [] => "no sound",
        [only] if only.codec == "aac" => "AAC",
        _ => return None,
    };
    let usual = video.codec == "h264" && matches!(&video.pixel_format[..], "yuv420p" | "yuvj420p");
    let bits = (structure.size().saturating_mul(8000)).checked_div(probe.duration_ms?)?;
    (whole && usual && bits <= bits_most).then(|| {
        format!(
            "the original is {container} with H.264 and {sound}, which browsers play, and has {}.{} megabits a second, not more than {}",
            bits / 1_000_000,
            bits / 100_000 % 10,
            bits_most / 1_000_000
        )
    })
}
