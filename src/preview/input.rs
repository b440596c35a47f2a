use std::io::Seek as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;

use ffmpeg_next::format::context::{Input, StreamIo};
use ffmpeg_next::media::Type;
use ffmpeg_next::{Dictionary, Discard, Error, Packet, format};

use super::container::{Structure, structure};
use super::error::Trouble;
use super::probe;
use super::request::Footage;
use crate::model::{IndexState, Probe};
use crate::sys;

/// Bytes that ffmpeg reads ahead.
const BUFFER: usize = 64 << 10;
/// What cameras write; everything else (playlists, descriptions that name other files) has no business here.
const CONTAINERS: &str = "mov,mp4,m4a,3gp,3g2,mj2,avi,mpegts,matroska,webm,mpeg,mpegvideo,h264,hevc,asf,flv,mjpeg,ogg,dv,mxf,gxf,wav,mp3,aac";

/// An opened file with the streams that matter.
pub struct Opened {
    pub input: Input,
    pub structure: Structure,
    pub video: Option<usize>,
    pub audio: Option<usize>,
}

impl Opened {
    /// Reads the next packet in the place of the last one.
    pub fn read(&mut self, packet: &mut Packet) -> Result<(), Error> {
        // ffmpeg writes over what it is given: without this every packet's memory would stay until the end.
        *packet = Packet::empty();
        packet.read(&mut self.input)
    }
}

/// From now on ffmpeg says nothing by itself, and its errors have words.
pub fn prepare() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        ffmpeg_next::log::set_level(ffmpeg_next::log::Level::Quiet);
        let _ = ffmpeg_next::init();
    });
}

/// Opens footage through our own I/O; ffmpeg opens nothing by itself. Of what it cannot open, `found` gets what can be told.
pub fn open(footage: Box<dyn Footage>, found: &mut Option<Probe>) -> Result<Opened, Trouble> {
    prepare();
    let mut footage = Guarded(footage);
    let structure = structure(&mut footage);
    footage.rewind().map_err(Trouble::Footage)?;
    let io =
        StreamIo::from_read_seek_with_capacity(footage, BUFFER).map_err(Trouble::ffmpeg("open"))?;
    let mut options = Dictionary::new();
    options.set("format_whitelist", CONTAINERS);
    options.set("protocol_whitelist", "");
    // A stream that begins late is found, a hostile file is not read whole.
    options.set("probesize", "8000000");
    options.set("analyzeduration", "8000000");
    let opened = format::input_from_stream(io, None, Some(options));
    let mut input = opened.map_err(|error| match structure.index {
        // No repair is tried: what the decoder needs first (parameter sets, sample sizes) stood in the index alone, and a
        // guess from another recording would show pictures that this one may not hold.
        IndexState::Missing => {
            if structure.brand.is_some() || structure.media_bytes > 0 {
                *found = Some(probe::without_index(&structure));
            }
            Trouble::NoIndex
        }
        IndexState::NotUsed => Trouble::NotVideo("no kind of video is recognised in it"),
        _ => Trouble::Unreadable(error),
    })?;
    let video = best(&input, Type::Video);
    let audio = best(&input, Type::Audio);
    let streams = input.nb_streams() as usize;
    for index in (0..streams).filter(|i| ![video, audio].contains(&Some(*i))) {
        sys::discard(&mut input, index, Discard::All);
    }
    Ok(Opened {
        input,
        structure,
        video,
        audio,
    })
}

/// The best stream of a kind; pictures that only decorate a file are none.
fn best(input: &Input, kind: Type) -> Option<usize> {
    let stream = input.streams().best(kind)?;
    let attached = format::stream::Disposition::ATTACHED_PIC;
    (!stream.disposition().contains(attached)).then(|| stream.index())
}

/// No panic of a reader crosses into ffmpeg: it becomes an error.
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
