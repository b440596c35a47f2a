//! The record of a preview: how it was made, what the file claims to be, and where the pictures of a sheet lie.
//! All text in here comes from a camera's file and was bounded by the code that made the record.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{ConfirmedBy, EvidenceId, Part, Remark, Retention, Sha256Digest};

/// One preview of an item: made and stored, or the reason why it is not.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ItemPreviewed {
    pub evidence: EvidenceId,
    /// `storyboard` or `preview`.
    pub part: Part,
    #[serde(flatten)]
    pub outcome: PreviewOutcome,
    /// Version of the ffmpeg libraries that read the footage; `None` when none did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ffmpeg: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probe: Option<Box<Probe>>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum PreviewOutcome {
    Made(Box<PreviewMade>),
    /// It could not be made; the original is untouched.
    Failed {
        code: String,
        reason: String,
    },
    /// There is nothing to show in it, or the original is enough.
    Skipped {
        /// Absent in entries of version 0.1.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        code: Option<String>,
        reason: String,
    },
}

/// A preview that the store holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PreviewMade {
    /// The digest of the plaintext.
    pub sha256: Sha256Digest,
    /// Plaintext bytes.
    pub size: u64,
    pub sealed_size: u64,
    pub bucket: String,
    pub key: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version_id: Option<String>,
    /// As in `item.stored`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part_size: Option<u64>,
    pub checksum: String,
    #[serde(default)]
    pub confirmed_by: ConfirmedBy,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retention: Option<Retention>,
    #[serde(flatten)]
    pub picture: Picture,
}

/// A preview's content and how it was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Picture {
    /// Pixels.
    pub width: u32,
    pub height: u32,
    /// The duration of the footage that it covers.
    pub duration_ms: u64,
    /// Encoder and options, by name.
    pub settings: BTreeMap<String, String>,
    /// Errors after which the decoder continued.
    pub decode_errors: u64,
    /// Jumps of the recording's clock that were corrected.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub clock_jumps: u64,
    /// The length of gaps in the recording's clock that were left out.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub left_out_ms: u64,
    /// Parts of the recording that this preview leaves out, or shows in another way.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remarks: Vec<Remark>,
    /// For a storyboard: where each picture lies on the sheet.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cues: Vec<Cue>,
}

/// One picture of a sheet, shown for a stretch of the footage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cue {
    pub start_ms: u64,
    pub end_ms: u64,
    /// Pixels from the sheet's top left corner.
    pub x: u32,
    pub y: u32,
    pub width: u32,
    pub height: u32,
}

#[allow(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
const fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl Picture {
    /// The sheet's index as WebVTT: each cue names its picture as `url#xywh=…`.
    pub fn webvtt(&self, url: &str) -> String {
        let mut text = String::from("WEBVTT\n");
        for cue in &self.cues {
            let _ = write!(
                text,
                "\n{} --> {}\n{url}#xywh={},{},{},{}\n",
                clock_ms(cue.start_ms),
                clock_ms(cue.end_ms),
                cue.x,
                cue.y,
                cue.width,
                cue.height
            );
        }
        text
    }
}

/// `HH:MM:SS.mmm`
fn clock_ms(ms: u64) -> String {
    let (h, m, s) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1000 % 60);
    format!("{h:02}:{m:02}:{s:02}.{:03}", ms % 1000)
}

/// The footage's claims about itself, as far as ffmpeg shows them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Probe {
    /// The demuxer's name.
    pub container: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<u64>,
    pub index: IndexState,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub video: Option<ProbeVideo>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub audio: Vec<ProbeAudio>,
    /// The time of recording that the camera gives; never corrected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<Timestamp>,
    /// As the file gives it, usually ISO 6709.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
    /// Telemetry, subtitles and other tracks: their four-letter code or codec, and their name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub other_tracks: Vec<String>,
    /// Facts that no preview can show.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remarks: Vec<Remark>,
    /// The file's own tags.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
}

/// Where the container's index is, which players need for jumping.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IndexState {
    AtStart,
    AtEnd,
    /// Spread over the file in fragments.
    Fragmented,
    /// The container should have one and has none: the recording broke off.
    Missing,
    /// This kind of container has none.
    NotUsed,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProbeVideo {
    pub codec: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// Pixels as stored, before rotation.
    pub width: u32,
    pub height: u32,
    pub pixel_format: String,
    /// Frames a second, `N/D`.
    pub frame_rate: String,
    /// Width to height of one pixel, `N/D`.
    pub pixel_aspect: String,
    /// Degrees clockwise that a player turns it by: 0, 90, 180 or 270.
    pub rotation: u32,
    /// As the index has it, or as counted while all of it was read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_frames: Option<u64>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProbeAudio {
    pub codec: String,
    /// Samples a second.
    pub rate: u32,
    pub channels: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sheets_index_is_webvtt_with_media_fragments() {
        let cue = |start_ms, x| Cue {
            start_ms,
            end_ms: start_ms + 30_000,
            x,
            y: 0,
            width: 240,
            height: 135,
        };
        let picture = Picture {
            width: 480,
            height: 135,
            duration_ms: 60_000,
            settings: BTreeMap::new(),
            decode_errors: 0,
            clock_jumps: 0,
            left_out_ms: 0,
            remarks: Vec::new(),
            cues: vec![cue(0, 0), cue(3_630_250, 240)],
        };
        assert_eq!(
            picture.webvtt("sheet.jpg"),
            "WEBVTT\n\n00:00:00.000 --> 00:00:30.000\nsheet.jpg#xywh=0,0,240,135\n\n\
             01:00:30.250 --> 01:01:00.250\nsheet.jpg#xywh=240,0,240,135\n"
        );
    }
}
