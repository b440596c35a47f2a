//! Reasons why a preview could not be made: [`FootageError`] inside the worker, [`PreviewError`] around it.

use std::io;

use thiserror::Error;

use super::container::Structure;
use crate::model::{Explain, RetryClass};
use crate::sys::SandboxError;

/// Reasons why a worker could not make a preview of this footage.
#[derive(Debug, Error)]
pub enum FootageError {
    #[error("the sealed footage cannot be read")]
    Footage(#[source] io::Error),
    #[error(
        "the recording broke off before its index was written: no player can read it without repair"
    )]
    NoIndex(Box<Structure>),
    #[error(
        "it holds nothing but zeros: the camera's card or its file system lost what was recorded"
    )]
    AllZeros,
    #[error("its pictures are encrypted, and the key is not in the recording")]
    Encrypted,
    #[error("ffmpeg cannot read it: {0}")]
    Unreadable(ffmpeg_next::Error),
    #[error("{0}")]
    NotVideo(&'static str),
    /// Nothing is wrong with it: the proxy would show no more than the original does.
    #[error("{0}")]
    NotNeeded(String),
    #[error("there is no decoder for its video ({0})")]
    NoDecoder(String),
    #[error("its picture size of {0} × {1} is out of bounds")]
    Size(u32, u32),
    #[error("not one picture could be decoded")]
    NothingDecoded,
    #[error("ffmpeg failed to {what}: {error}")]
    Ffmpeg {
        what: &'static str,
        error: ffmpeg_next::Error,
    },
    #[error("the sealed preview cannot be written")]
    Output(#[source] io::Error),
}

impl FootageError {
    pub fn ffmpeg(what: &'static str) -> impl Fn(ffmpeg_next::Error) -> Self {
        move |error| Self::Ffmpeg { what, error }
    }

    pub const fn code(&self) -> &'static str {
        match self {
            Self::Footage(_) => "preview_footage_unreadable",
            Self::NoIndex(_) => "preview_no_index",
            Self::AllZeros => "preview_all_zeros",
            Self::Encrypted => "preview_encrypted",
            Self::Unreadable(_) => "preview_unreadable",
            Self::NotVideo(_) => "preview_not_video",
            Self::NotNeeded(_) => "preview_not_needed",
            Self::NoDecoder(_) => "preview_no_decoder",
            Self::Size(..) => "preview_size",
            Self::NothingDecoded => "preview_nothing_decoded",
            Self::Ffmpeg { .. } => "preview_ffmpeg",
            Self::Output(_) => "preview_unwritable",
        }
    }
}

/// Reasons why a worker gave no answer, or none that counts.
#[derive(Debug, Error)]
pub enum PreviewError {
    #[error("the preview worker cannot be started")]
    Start(#[source] io::Error),
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
    #[error("the preview worker tried what its sandbox forbids")]
    Forbidden,
    #[error("the preview worker used more than its {0}")]
    Limit(&'static str),
    #[error("the preview worker made no progress for {0} seconds")]
    Hung(u64),
    #[error("the preview worker crashed ({0})")]
    Crashed(String),
    #[error("the preview worker was killed from outside, perhaps for lack of memory")]
    Killed,
    #[error("the preview worker's answer makes no sense: {0}")]
    Nonsense(&'static str),
    #[error("stopped")]
    Stopped,
}

impl Explain for PreviewError {
    fn retry_class(&self) -> RetryClass {
        match self {
            Self::Stopped | Self::Killed => RetryClass::Later,
            Self::Start(_) | Self::Sandbox(_) => RetryClass::Operator,
            _ => RetryClass::Never,
        }
    }

    fn label(&self) -> &'static str {
        match self {
            Self::Start(_) => "preview_start",
            Self::Sandbox(_) => "preview_sandbox",
            Self::Forbidden => "preview_forbidden",
            Self::Limit(_) => "preview_limit",
            Self::Hung(_) => "preview_hung",
            Self::Crashed(_) => "preview_crashed",
            Self::Killed => "preview_killed",
            Self::Nonsense(_) => "preview_nonsense",
            Self::Stopped => "stopped",
        }
    }

    fn next_step(&self) -> String {
        match self {
            Self::Start(_) => "Check that the service may start processes (TasksMax, memory), then restart it.",
            Self::Sandbox(_) => "Use a kernel with seccomp filters, or switch previews off ([preview] enabled = false).",
            Self::Limit(_) => "The original is safe; raise [preview] memory_mib or cpu_minutes if such footage is common.",
            Self::Forbidden | Self::Hung(_) | Self::Crashed(_) | Self::Nonsense(_) => {
                "The original is safe; open it with `camdock open` on a machine of its own, and report the file: it may be hostile."
            }
            Self::Killed => "Give the station more memory, or lower [preview] memory_mib and workers.",
            Self::Stopped => "Nothing to do: the work continues at the next start.",
        }
        .to_owned()
    }
}
