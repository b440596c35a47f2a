//! H.264 for proxies: by libx264 in the worker itself, or by hardware in a process beside it.
//!
//! A hardware encoder is driven by `ioctl` for every picture, so whoever uses it keeps a graphics driver, one of the kernel's
//! widest surfaces, within reach. The worker, which parses hostile footage, must not. So the *encoder process* does: it never
//! sees footage, key or network; it gets pictures of one fixed size, with the mark and the time already in them, and gives
//! packets back. It opens the device, tries it out, and only then closes a sandbox of its own; the worker's one influence on
//! it before that is the shape of the pictures, 16 bytes that are checked. A picture costs two copies by the kernel, through a
//! socket: a small part of decoding it, and nothing is shared that could change while it is looked at.
//!
//! Hardware never costs a preview: without a device that works libx264 does it, in the same run; with one that fails in the
//! middle the worker says so (`Trouble::Encoder`), and the proxy is made again without it.

mod beside;
mod device;
mod drill;
mod h264;
mod process;
mod software;
mod start;
mod wire;

use std::fs::File;
use std::path::Path;
use std::time::Duration;

use ffmpeg_next::codec::Id;
use ffmpeg_next::format::context::Output as Muxer;
use ffmpeg_next::{Packet, Rational, encoder, frame};

use super::error::{ENCODER_FAILED, PreviewError, Trouble};
use super::request::Ending;
use beside::Beside;

pub use drill::EncoderDrill;
pub use process::{ENCODER_VERB, encoder_process};
pub use start::{EncoderOrder, Hardware, try_hardware};
pub(super) use start::{complaint, start};
pub use wire::Shape;

/// Of all proxies.
pub const TIME_BASE: Rational = Rational(1, 90_000);
/// The descriptor of a worker's socket to its encoder, and of the encoder's to its worker.
pub const WORKER_SOCKET: i32 = 5;
pub const ENCODER_SOCKET: i32 = 3;

/// The `encoder` in the record of a proxy that was made in software.
pub const SOFTWARE: &str = "libx264";

/// Why a proxy that was begun with an encoder process is to be made again without: that failed it, or may have.
pub fn again_in_software(done: Result<&Ending, &PreviewError>) -> Option<String> {
    match done {
        Ok(Ending::Failed { code, reason }) if code == ENCODER_FAILED => Some(reason.clone()),
        // What an encoder gave went through the worker's muxer, and it may have made the worker wait.
        Err(error @ (PreviewError::Crashed(_) | PreviewError::Hung(_))) => Some(error.to_string()),
        _ => None,
    }
}

/// Whether there is any device to try.
pub fn hardware_present() -> bool {
    !device::candidates(Path::new("/")).is_empty()
}

pub enum Encoder {
    Software(Box<encoder::video::Encoder>),
    Beside(Box<Beside>),
}

impl Encoder {
    /// `beside`: the socket to an encoder process, which is used if it can do it, and how long an answer may take.
    pub fn open(
        shape: Shape,
        threads: u32,
        beside: Option<(File, Duration)>,
    ) -> Result<Self, Trouble> {
        if let Some((socket, patience)) = beside
            && let Some(beside) = Beside::open(socket, shape, patience)
        {
            return Ok(Self::Beside(Box::new(beside)));
        }
        Ok(Self::Software(Box::new(software::open(&shape, threads)?)))
    }

    /// What a proxy's record says of it.
    pub fn described(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::Software(_) => software::described(),
            Self::Beside(beside) => beside.described(),
        }
    }

    pub fn add_to(&self, muxer: &mut Muxer) -> Result<(), Trouble> {
        let failed = Trouble::ffmpeg("begin the MP4");
        let mut stream = match self {
            Self::Software(encoder) => muxer.add_stream_with(encoder).map_err(failed)?,
            Self::Beside(beside) => {
                let mut stream = muxer.add_stream(Id::H264).map_err(failed)?;
                stream.set_parameters(beside.parameters()?);
                stream
            }
        };
        stream.set_time_base(TIME_BASE);
        Ok(())
    }

    /// When a packet cannot be written: one that came from beside may be why.
    pub fn blamed(&self, error: Trouble) -> Trouble {
        match self {
            Self::Software(_) => error,
            Self::Beside(_) => Trouble::Encoder("what it gives cannot be written"),
        }
    }

    pub fn send(&mut self, picture: &frame::Video) -> Result<(), Trouble> {
        match self {
            Self::Software(encoder) => encoder
                .send_frame(picture)
                .map_err(Trouble::ffmpeg("encode a picture")),
            Self::Beside(beside) => beside.send(picture),
        }
    }

    pub fn send_end(&mut self) -> Result<(), Trouble> {
        match self {
            Self::Software(encoder) => encoder
                .send_eof()
                .map_err(Trouble::ffmpeg("end the encoding")),
            Self::Beside(beside) => beside.send_end(),
        }
    }

    /// The next packet, if there is one by now; after the end, all that are left.
    pub fn receive(&mut self) -> Result<Option<Packet>, Trouble> {
        match self {
            Self::Software(encoder) => {
                let mut packet = Packet::empty();
                Ok(encoder
                    .receive_packet(&mut packet)
                    .is_ok()
                    .then_some(packet))
            }
            Self::Beside(beside) => beside.receive(),
        }
    }
}
