//! The messages between the station and a preview worker.

use std::io::{self, Read, Seek};

use serde::{Deserialize, Serialize};

use crate::model::{Part, Picture, Probe, Sha256Digest};

/// Footage as plaintext. This room keeps no more of it in memory than it works on.
pub trait Footage: Read + Seek + Send {}

impl<T: Read + Seek + Send> Footage for T {}

/// Takes a preview's plaintext and seals it before it goes anywhere.
pub trait PreviewSink: Send {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()>;
    /// Writes what is left; returns the sealed size in bytes.
    fn finish(&mut self) -> io::Result<u64>;
}

/// One preview to be made.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PreviewRequest {
    /// `storyboard` or `preview`.
    pub part: Part,
    pub settings: Settings,
    pub limits: Limits,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// The proxy's height in lines.
    pub height: u32,
    /// Threads of the encoder; the decoder has one more.
    pub threads: u32,
    /// The most pictures on a storyboard.
    pub pictures: u32,
    /// A recording that browsers play gets a proxy only if it has more bits a second. `None`: every recording gets one.
    pub above_bits: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    pub memory_bytes: u64,
    pub cpu_seconds: u64,
    /// The most bytes of the sealed preview.
    pub output_bytes: u64,
    /// The longest time without progress in the footage.
    pub silence_seconds: u64,
    /// The longest time in all, without that in which it is stopped.
    pub wall_seconds: u64,
}

/// One line of a worker's output.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WorkerMessage {
    /// The sandbox is closed; `missing` names the layers that this kernel lacks.
    Confined {
        missing: Vec<String>,
    },
    /// Milliseconds of the footage that are done.
    Progress(u64),
    Ended(Box<WorkerReport>),
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkerReport {
    pub ffmpeg: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probe: Option<Probe>,
    pub ending: Ending,
    #[serde(default)]
    pub cost: Cost,
}

/// The processor time and memory that a worker says it used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cost {
    pub cpu_ms: u64,
    pub peak_rss_bytes: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    Made(FinishedPreview),
    /// The recording has nothing to show, or its proxy is not needed.
    Skipped {
        code: String,
        reason: String,
    },
    /// The footage is at fault: another attempt would end the same way.
    Failed {
        code: String,
        reason: String,
    },
}

/// A finished preview.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FinishedPreview {
    /// The digest of the plaintext.
    pub sha256: Sha256Digest,
    pub size: u64,
    pub sealed_size: u64,
    pub picture: Picture,
}
