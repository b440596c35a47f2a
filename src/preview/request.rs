use std::io::{self, Read, Seek};

use serde::{Deserialize, Serialize};

use crate::model::{Part, Picture, Probe, Sha256Digest};

/// Footage as plaintext, wherever it comes from. Nothing in this room keeps more of it than it works on.
pub trait Footage: Read + Seek + Send {}

impl<T: Read + Seek + Send> Footage for T {}

/// Takes a preview's plaintext and seals it before it goes anywhere.
pub trait Sink: Send {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()>;
    /// Writes what is left; returns the sealed size in bytes.
    fn finish(&mut self) -> io::Result<u64>;
}

/// What a worker is to make.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Request {
    /// `storyboard` or `preview`.
    pub part: Part,
    pub settings: Settings,
    pub limits: Limits,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// Lines of the proxy.
    pub height: u32,
    /// Of the encoder; a video's decoder has one more.
    pub threads: u32,
    /// Pictures on a storyboard at most.
    pub pictures: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    pub memory_bytes: u64,
    pub cpu_seconds: u64,
    /// Sealed.
    pub output_bytes: u64,
    /// Without any sign of progress, in seconds of the clock.
    pub silence_seconds: u64,
}

/// One line of what a worker says.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Said {
    /// The sandbox is closed; layers that this kernel lacks.
    Confined {
        missing: Vec<String>,
    },
    /// Milliseconds of the footage that are done.
    Progress(u64),
    Ended(Box<Report>),
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    pub ffmpeg: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probe: Option<Probe>,
    pub ending: Ending,
    #[serde(default)]
    pub cost: Cost,
}

/// What a worker used, by its own account.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cost {
    pub cpu_ms: u64,
    pub peak_rss_bytes: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    Made(Made),
    /// There is nothing to show in it.
    Skipped(String),
    /// Deterministic: trying again would end alike.
    Failed {
        code: String,
        reason: String,
    },
}

/// A finished preview.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Made {
    /// Of the plaintext.
    pub sha256: Sha256Digest,
    pub size: u64,
    pub sealed_size: u64,
    pub picture: Picture,
}
