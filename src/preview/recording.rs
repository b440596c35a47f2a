//! An opened recording. ffmpeg reads it through our own reader and opens no file itself.

use std::io::Seek as _;
use std::sync::Once;

use ffmpeg_next::format::context::{Input, StreamIo};
use ffmpeg_next::media::Type;
use ffmpeg_next::{Dictionary, Discard, Error, Packet, Rational, format};

use super::clock::{GAP_MAX_SECONDS, PacketClock};
use super::container::{Structure, structure};
use super::error::FootageError;
use super::request::Footage;
use super::shared_footage::SharedFootage;
use super::stream::{MILLISECONDS, known_start_ms, rescale, start_ms};
use crate::model::IndexState;
use crate::sys;

/// Bytes that ffmpeg reads ahead.
const BUFFER: usize = 64 << 10;
/// Sound that begins up to this much before the first picture is an encoder's delay; more than the most is a faulty clock.
const LEAD_LEAST_MS: i64 = 300;
const LEAD_MOST_MS: i64 = GAP_MAX_SECONDS * 1000;
/// The containers that cameras write. Playlists and other formats that name further files must never be among them.
const CONTAINERS: &str = "mov,mp4,m4a,3gp,3g2,mj2,avi,mpegts,matroska,webm,mpeg,mpegvideo,h264,hevc,dhav,asf,flv,mjpeg,ogg,dv,mxf,gxf,wav,mp3,aac";

/// An opened file, with the streams that are shown.
pub struct Recording {
    pub input: Input,
    pub structure: Structure,
    pub video: Option<usize>,
    pub audio: Option<usize>,
    /// The clock of [`Self::read_corrected`].
    pub clock: PacketClock,
    footage: SharedFootage,
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

    /// The time that the sound runs before the first picture, in milliseconds.
    pub fn sound_lead_ms(&self) -> i64 {
        let start = |index: Option<usize>| known_start_ms(&self.input.stream(index?)?);
        let starts = start(self.video).zip(start(self.audio));
        kept_lead(starts.map_or(0, |(video, audio)| video.saturating_sub(audio)))
    }

    /// When the recording begins, with its first picture or with sound before it, in milliseconds.
    pub fn begin_ms(&self) -> i64 {
        self.video_start_ms().saturating_sub(self.sound_lead_ms())
    }

    pub fn video_start_ms(&self) -> i64 {
        let video = self.video.and_then(|index| self.input.stream(index));
        video.map_or(0, |stream| start_ms(&stream))
    }

    /// The length of the video track by the index, in milliseconds. Other formats give when it ends, or an estimate.
    pub fn video_ms(&self) -> Option<u64> {
        let format = self.input.format();
        let counted = format.name().starts_with("mov") || format.name() == "avi";
        if !counted
            || !matches!(
                self.structure.index,
                IndexState::AtStart | IndexState::AtEnd
            )
        {
            return None;
        }
        let stream = self.input.stream(self.video?)?;
        let ms = rescale(stream.duration(), stream.time_base(), MILLISECONDS);
        u64::try_from(ms).ok().filter(|ms| *ms > 0)
    }

    /// Opens the same footage once more, to look ahead.
    pub fn again(&self) -> Option<Input> {
        open_input(self.footage.again()).ok()
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

/// The most sound before the first picture that is kept, in milliseconds.
pub fn kept_lead(ms: i64) -> i64 {
    if (LEAD_LEAST_MS..=LEAD_MOST_MS).contains(&ms) {
        ms
    } else {
        0
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
    let mut footage = SharedFootage::new(footage);
    let structure = structure(&mut footage);
    if structure.all_zeros() {
        return Err(FootageError::AllZeros);
    }
    footage.rewind().map_err(FootageError::Footage)?;
    let mut input = open_input(footage.again()).map_err(|error| match structure.index {
        // No repair is tried: the parameter sets and sample sizes that a decoder needs are in the index alone, and those of
        // another recording could show pictures that this one does not hold.
        IndexState::Missing => FootageError::NoIndex(Box::new(structure.clone())),
        IndexState::NotUsed if structure.encrypted_video() > 0 => FootageError::Encrypted,
        IndexState::NotUsed => FootageError::NotVideo("no kind of video is recognised in it"),
        _ => FootageError::Unreadable(error),
    })?;
    let video = best(&input, Type::Video);
    let audio = best(&input, Type::Audio).filter(|_| structure.encrypted_sound() == 0);
    discard_others(&mut input, &[video, audio]);
    let clock = PacketClock::new(may_restart(&input));
    Ok(Recording {
        input,
        structure,
        video,
        audio,
        clock,
        footage,
    })
}

fn open_input(footage: SharedFootage) -> Result<Input, Error> {
    let io = StreamIo::from_read_seek_with_capacity(footage, BUFFER)?;
    let mut options = Dictionary::new();
    options.set("format_whitelist", CONTAINERS);
    options.set("protocol_whitelist", "");
    // Enough to find a stream that begins late; a hostile file is not read whole.
    options.set("probesize", "8000000");
    options.set("analyzeduration", "8000000");
    format::input_from_stream(io, None, Some(options))
}

/// Keeps the demuxer from reading the other streams.
pub fn discard_others(input: &mut Input, wanted: &[Option<usize>]) {
    for index in 0..input.nb_streams() as usize {
        let which = if wanted.contains(&Some(index)) {
            Discard::Default
        } else {
            Discard::All
        };
        sys::discard(input, index, which);
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_ffmpeg_have_words() {
        prepare();
        let said = ffmpeg_next::Error::InvalidData.to_string();
        assert!(said.contains("Invalid data"), "{said:?}");
    }
}
