//! Storyboards and proxies from sealed footage: the sandboxed ffmpeg worker and its supervisor.
//!
//! Keeps promise 4: footage is read through a reader that opens frames on the fly and written through a sink that seals,
//! both given by the caller; this room opens no file. Hostile footage is only ever parsed behind the sandbox.

mod audio;
mod container;
mod decode;
mod error;
mod font;
mod input;
mod probe;
mod proxy;
mod request;
mod storyboard;
mod supervisor;
mod worker;
mod x264;
mod yuv;

pub use error::PreviewError;
pub use request::{Cost, Ending, Footage, Limits, Made, Report, Request, Said, Settings, Sink};
pub use supervisor::{Answer, Supervised, supervise};
pub use worker::{SEALED_INPUT, SEALED_OUTPUT, confine, work};
