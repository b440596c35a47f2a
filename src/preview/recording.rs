//! An opened recording. ffmpeg reads it through our own reader and opens no file itself.

use std::io::Seek as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;

use ffmpeg_next::format::context::{Input, StreamIo};
use ffmpeg_next::media::Type;
use ffmpeg_next::{Dictionary, Discard, Error, Packet, Rational, format};

use super::clock::PacketClock;
use super::container::{Structure, structure};
use super::error::FootageError;
use super::request::Footage;
use super::stream::rescale;
use crate::model::IndexState;
use crate::sys;

/// Bytes that ffmpeg reads ahead.
const BUFFER: usize = 64 << 10;
/// The containers that cameras write. Playlists and other formats that name further files must never be among them.
const CONTAINERS: &str = "mov,mp4,m4a,3gp,3g2,mj2,avi,mpegts,matroska,webm,mpeg,mpegvideo,h264,hevc,asf,flv,mjpeg,ogg,dv,mxf,gxf,wav,mp3,aac";

/// An opened file, with the streams that are shown.
pub struct Recording {
    pub input: Input,
    pub structure: Structure,
    pub video: Option<usize>,
    pub audio: Option<usize>,
    /// Of [`Self::read_corrected`].
    pub clock: PacketClock,
}

impl Recording {
    /// Reads the next packet in place of the last one.
    pub fn read(&mut self, packet: &mut Packet) -> Result<(), Error> {
        // ffmpeg overwrites the packet without freeing it, which would leak the memory of every packet.
        *packet = Packet::empty();
        packet.read(&mut self.input)
    }

    /// As [`Self::read`], with the clock corrected. All packets from a jump on must be read this way.
    pub fn read_corrected(&mut self, packet: &mut Packet) -> Result<(), Error> {
        self.read(packet)?;
        if let Some(stream) = self.input.stream(packet.stream()) {
            let time_base = stream.time_base();
            self.clock.correct(packet, time_base);
        }
        Ok(())
    }

    /// Goes to the last point before `at` from which it can be read, in microseconds; the clock begins anew there.
    pub fn jump(&mut self, at: i64) -> Result<(), Error> {
        self.clock = PacketClock::new(self.clock_may_restart());
        self.input.seek(at, ..at)
    }

    /// Goes to the start, which is at `begin` in microseconds.
    pub fn rewind(&mut self, begin: i64) -> Result<(), Error> {
        self.jump(begin).or_else(|_| sys::rewind(&mut self.input))
    }

    /// Whether the container's clock may start anew within a recording, so that it can be read but not searched by time.
    pub fn clock_may_restart(&self) -> bool {
        may_restart(&self.input)
    }

    /// The duration of the whole file, as the container or its video stream claims it.
    pub fn duration_ms(&self) -> Option<u64> {
        let of_file = self.input.duration();
        let micros = if of_file > 0 {
            of_file
        } else {
            let stream = self.input.stream(self.video?)?;
            if stream.duration() <= 0 {
                return None;
            }
            rescale(
                stream.duration(),
                stream.time_base(),
                Rational(1, 1_000_000),
            )
        };
        u64::try_from(micros / 1000).ok().filter(|ms| *ms > 0)
    }
}

/// Keeps ffmpeg from writing to standard error, and loads the texts of its errors.
pub fn prepare() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        ffmpeg_next::log::set_level(ffmpeg_next::log::Level::Quiet);
        let _ = ffmpeg_next::init();
    });
}

/// Opens footage through our own I/O.
pub fn open(footage: Box<dyn Footage>) -> Result<Recording, FootageError> {
    prepare();
    let mut footage = Guarded(footage);
    let structure = structure(&mut footage);
    footage.rewind().map_err(FootageError::Footage)?;
    let io = StreamIo::from_read_seek_with_capacity(footage, BUFFER)
        .map_err(FootageError::ffmpeg("open"))?;
    let mut options = Dictionary::new();
    options.set("format_whitelist", CONTAINERS);
    options.set("protocol_whitelist", "");
    // Enough to find a stream that begins late; a hostile file is not read whole.
    options.set("probesize", "8000000");
    options.set("analyzeduration", "8000000");
    let opened = format::input_from_stream(io, None, Some(options));
    let mut input = opened.map_err(|error| match structure.index {
        // No repair is tried: the parameter sets and sample sizes that a decoder needs are in the index alone, and those of
        // another recording could show pictures that this one does not hold.
        IndexState::Missing => FootageError::NoIndex(Box::new(structure.clone())),
        IndexState::NotUsed => FootageError::NotVideo("no kind of video is recognised in it"),
        _ => FootageError::Unreadable(error),
    })?;
    let video = best(&input, Type::Video);
    let audio = best(&input, Type::Audio);
    let streams = input.nb_streams() as usize;
    for index in (0..streams).filter(|i| ![video, audio].contains(&Some(*i))) {
        sys::discard(&mut input, index, Discard::All);
    }
    let clock = PacketClock::new(may_restart(&input));
    Ok(Recording {
        input,
        structure,
        video,
        audio,
        clock,
    })
}

fn may_restart(input: &Input) -> bool {
    ["mpegts", "mpeg"].contains(&input.format().name())
}

/// The best stream of a kind. A cover picture does not count.
fn best(input: &Input, kind: Type) -> Option<usize> {
    let stream = input.streams().best(kind)?;
    let attached = format::stream::Disposition::ATTACHED_PIC;
    (!stream.disposition().contains(attached)).then(|| stream.index())
}

/// Turns a panic of the reader into an error: it must never unwind through ffmpeg.
struct Guarded(Box<dyn Footage>);

fn guarded<T>(work: impl FnOnce() -> std::io::Result<T>) -> std::io::Result<T> {
    catch_unwind(AssertUnwindSafe(work))
        .unwrap_or_else(|_| Err(std::io::Error::other("the reader panicked")))
}

impl std::io::Read for Guarded {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        guarded(|| self.0.read(out))
    }
}

impl std::io::Seek for Guarded {
    fn seek(&mut self, to: std::io::SeekFrom) -> std::io::Result<u64> {
        guarded(|| self.0.seek(to))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_ffmpeg_have_words() {
        prepare();
        let told = ffmpeg_next::Error::InvalidData.to_string();
        assert!(told.contains("Invalid data"), "{told:?}");
    }
}
