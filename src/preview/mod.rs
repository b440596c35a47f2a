//! Storyboards and proxies from sealed footage: the sandboxed ffmpeg worker and its supervisor.
//!
//! Keeps promise 4: footage is read through a reader that opens frames on the fly and written through a sink that seals,
//! both given by the caller; this room opens no file. Hostile footage is only ever parsed behind the sandbox.

mod audio;
mod container;
mod decode;
mod drill;
mod encoder;
mod error;
mod font;
#[cfg(test)]
mod fuzz;
mod input;
mod probe;
mod proxy;
mod request;
mod storyboard;
mod supervisor;
mod worker;
mod yuv;

pub use encoder::{
    ENCODER_SOCKET, ENCODER_VERB, EncoderDrill, EncoderOrder, Hardware, SOFTWARE, Shape,
    WORKER_SOCKET, again_in_software, encoder_process, hardware_present, try_hardware,
};
pub use error::PreviewError;
pub use request::{
    Cost, Drill, Ending, Footage, Limits, Made, Report, Request, Said, Settings, Sink,
};
pub use supervisor::{Answer, Supervised, supervise};
pub use worker::{SEALED_INPUT, SEALED_OUTPUT, confine, work};
