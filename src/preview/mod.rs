//! Storyboards and proxies from sealed footage: the sandboxed ffmpeg worker and its supervisor.
//!
//! Keeps promise 4: footage is read through a reader that opens frames on the fly and written through a sink that seals,
//! both given by the caller; this room opens no file. Hostile footage is only ever parsed behind the sandbox.

mod audio;
mod clock;
mod container;
mod error;
mod font;
mod movie_index;
mod output;
mod playable;
mod probe;
mod proxy;
mod recording;
mod request;
mod scaling;
mod shared_footage;
mod sound_choice;
mod storyboard;
mod stream;
mod supervisor;
mod text;
mod video;
mod worker;
mod x264;
mod yuv;

pub use error::PreviewError;
pub use request::{
    Cost, Ending, FinishedPreview, Footage, Limits, PreviewRequest, PreviewSink, Settings,
    WorkerMessage, WorkerReport,
};
pub use supervisor::{WorkerAnswer, WorkerJob, supervise, worker_program};
pub use worker::{SEALED_INPUT, SEALED_OUTPUT, confine, work};
