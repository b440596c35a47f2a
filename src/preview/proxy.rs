//! A small video of the whole recording that any browser plays at once: fragmented MP4 with H.264 baseline and AAC, the mark
//! that it is not the original and the running time in the picture. It is written front to back, so that it can be sealed at once.

use std::time::Instant;

use ffmpeg_next::format::context::{Output as Muxer, StreamIo};
use ffmpeg_next::format::{self, Pixel};
use ffmpeg_next::{Dictionary, Error, Packet, Rational, encoder, frame};

use super::audio::Track;
use super::clock::GAP_MAX_SECONDS;
use super::error::FootageError;
use super::output::HashingOutput;
use super::recording::{Recording, kept_lead};
use super::request::Settings;
use super::scaling::{Canvas, with_lines};
use super::sound_choice;
use super::stream::{MILLISECONDS, frame_rate, rescale};
use super::video::VideoDecoder;
use super::x264::{self, TIME_BASE};
use super::yuv::{Label, running_time};
use crate::model::{Picture, Remark, RemarkCode};

pub const MARK: &str = "PREVIEW – not the original";
const TICKS: i64 = 90_000;
/// A picture closer than this to the one before is left out: 30 a second at most, with some slack for a camera's jitter.
const CLOSEST: i64 = TICKS / 30 * 3 / 4;
/// The first picture may be this much later than the stream says.
const LATE_MAX: i64 = 10 * TICKS;
/// Bytes of sound that are kept until the first picture is decoded.
const EARLY_SOUND_MAX: usize = 16 << 20;
/// Footage without pictures at the end, in ticks, that is worth a remark.
const NOT_SHOWN_LEAST: i64 = 2 * TICKS;
/// The clock of the packets has been corrected: a longer gap is a damaged time.
const GAP_MAX: i64 = GAP_MAX_SECONDS * TICKS;
const ERRORS_MAX: u32 = 10_000;

struct ProxyMaker<'a> {
    decoder: VideoDecoder,
    canvas: Canvas,
    encoder: encoder::video::Encoder,
    muxer: Muxer,
    audio: Option<Track>,
    mark: Label,
    clock: (u64, Label),
    dot: usize,
    /// Where the proxy begins in the footage, in milliseconds.
    origin: i64,
    /// Ticks of sound before the first picture.
    lead: i64,
    /// The time of the last packet with a picture, decoded or not, in ticks from the beginning.
    video_time: i64,
    /// Ticks by which a faulty clock is corrected.
    shift: i64,
    last: Option<i64>,
    /// A picture's own duration in ticks.
    usual: i64,
    written: u64,
    key_frames: u64,
    progress: &'a mut dyn FnMut(u64),
    last_progress: Instant,
}

/// Returns the finished picture and the number of key frames in the footage.
pub fn make(
    recording: &mut Recording,
    decoder: VideoDecoder,
    settings: &Settings,
    output: &HashingOutput,
    progress: &mut dyn FnMut(u64),
) -> Result<(Picture, u64), FootageError> {
    let stream = recording
        .input
        .stream(decoder.stream)
        .ok_or(FootageError::NothingDecoded)?;
    let rate = sensible(frame_rate(&stream));
    let silent = sound_choice::choose(recording);
    let mut opening = Opening::read(recording, decoder)?;
    let (origin, lead) = opening.begin(recording);
    let view = opening.decoder.view(&opening.picture);
    let (width, height) = with_lines(view.shown()?, settings.height.into());
    let encoder = x264::open((side(width), side(height)), rate, settings.threads)?;
    let audio = Track::open(recording);
    let muxer = muxer(output, &encoder, audio.as_ref())?;
    let dot = (height / 180).clamp(1, 4);
    let mut maker = ProxyMaker {
        canvas: Canvas::new(Pixel::YUV420P, (width, height), view),
        decoder: opening.decoder,
        encoder,
        muxer,
        audio,
        mark: Label::new(MARK, dot.min((width / 160).max(1))),
        clock: (0, Label::new(&running_time(0), dot)),
        dot,
        origin,
        lead,
        video_time: 0,
        shift: 0,
        last: None,
        usual: rescale(1, Rational(rate.denominator(), rate.numerator()), TIME_BASE).max(1),
        written: 0,
        key_frames: opening.key_frames,
        progress,
        last_progress: Instant::now(),
    };
    for packet in &opening.sound {
        maker.sound(Some(packet))?;
    }
    maker.take(&opening.picture)?;
    while maker.decoder.receive(&mut opening.picture) {
        maker.take(&opening.picture)?;
    }
    maker.run(recording)?;
    let jumps = recording.clock.jumps();
    let last = maker.last.ok_or(FootageError::NothingDecoded)?;
    let errors = maker.decoder.errors + maker.audio.as_ref().map_or(0, |audio| audio.errors);
    let mut made = x264::SETTINGS.to_vec();
    made.push(("mark", MARK));
    made.push(("container", "fragmented mp4"));
    if maker.audio.is_some() {
        made.push(("audio", "aac, 64 kbit/s, one channel"));
    }
    let mut remarks = maker.remarks(recording, last);
    remarks.extend(silent);
    Ok((
        Picture {
            width: side(width),
            height: side(height),
            duration_ms: u64::try_from((last + maker.usual) / 90).unwrap_or(0),
            settings: made
                .into_iter()
                .map(|(k, v)| (k.to_owned(), v.to_owned()))
                .collect(),
            decode_errors: errors,
            clock_jumps: jumps.count,
            left_out_ms: jumps.left_out_ms,
            remarks,
            cues: Vec::new(),
        },
        maker.key_frames,
    ))
}

/// The start of a recording, up to its first picture: only that says which shape the proxy has.
struct Opening {
    decoder: VideoDecoder,
    picture: frame::Video,
    sound: Vec<Packet>,
    key_frames: u64,
}

impl Opening {
    fn read(recording: &mut Recording, decoder: VideoDecoder) -> Result<Self, FootageError> {
        let mut opening = Self {
            decoder,
            picture: frame::Video::empty(),
            sound: Vec::new(),
            key_frames: 0,
        };
        let mut packet = Packet::empty();
        let (mut errors, mut bytes) = (0, 0);
        while errors < ERRORS_MAX {
            match recording.read_corrected(&mut packet) {
                Ok(()) => errors = 0,
                Err(Error::Eof) => break,
                Err(_) => {
                    errors += 1;
                    opening.decoder.errors += 1;
                    continue;
                }
            }
            if packet.stream() != opening.decoder.stream {
                bytes += packet.size();
                if bytes <= EARLY_SOUND_MAX {
                    opening.sound.push(packet.clone());
                }
                continue;
            }
            opening.key_frames += u64::from(packet.is_key());
            opening.decoder.send(&packet);
            if opening.decoder.receive(&mut opening.picture) {
                return Ok(opening);
            }
        }
        opening.decoder.send_end();
        if opening.decoder.receive(&mut opening.picture) {
            return Ok(opening);
        }
        Err(FootageError::NothingDecoded)
    }

    /// Where the proxy begins, in milliseconds of the footage, and the ticks of sound before its first picture.
    fn begin(&self, recording: &Recording) -> (i64, i64) {
        let sound = self.sound.iter().find_map(|packet| {
            let stream = recording.input.stream(packet.stream())?;
            Some(rescale(packet.pts()?, stream.time_base(), MILLISECONDS))
        });
        let picture = self.picture.timestamp();
        let picture = picture.map(|time| rescale(time, self.decoder.time_base, MILLISECONDS));
        let lead = picture
            .zip(sound)
            .map_or(0, |(picture, sound)| picture.saturating_sub(sound));
        match (sound, kept_lead(lead)) {
            (Some(sound), lead @ 1..) => (sound, lead * 90),
            _ => (recording.video_start_ms(), 0),
        }
    }
}

/// A packet's time in ticks from the proxy's beginning.
fn time_of(packet: &Packet, decoder: &VideoDecoder, origin: i64) -> i64 {
    let time = packet.dts().or_else(|| packet.pts()).unwrap_or(i64::MIN);
    ticks(time, decoder, origin)
}

fn ticks(time: i64, decoder: &VideoDecoder, origin: i64) -> i64 {
    rescale(time, decoder.time_base, TIME_BASE)
        .saturating_sub(origin.saturating_mul(90))
        .clamp(-(1 << 50), 1 << 50)
}

fn side(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

/// A rate between 1/10 and 240 frames a second; anything else becomes 25.
fn sensible(rate: Rational) -> Rational {
    let (over, under) = (i64::from(rate.numerator()), i64::from(rate.denominator()));
    if under > 0 && over * 10 >= under && over <= under * 240 {
        rate
    } else {
        Rational(25, 1)
    }
}

fn muxer(
    output: &HashingOutput,
    video: &encoder::video::Encoder,
    audio: Option<&Track>,
) -> Result<Muxer, FootageError> {
    let failed = FootageError::ffmpeg("begin the MP4");
    let io = StreamIo::from_write_with_capacity(output.clone(), 64 << 10).map_err(&failed)?;
    let mut muxer = format::output_to_stream(io, None, Some("mp4")).map_err(&failed)?;
    let mut stream = muxer.add_stream_with(video).map_err(&failed)?;
    stream.set_time_base(TIME_BASE);
    if let Some(audio) = audio {
        let mut stream = muxer.add_stream_with(audio.encoder()).map_err(&failed)?;
        stream.set_time_base(audio.time_base());
    }
    let tags: Dictionary<'_> = [("title", MARK), ("comment", MARK)].into_iter().collect();
    muxer.set_metadata(tags);
    let options: Dictionary<'_> = [
        ("movflags", "+frag_keyframe+empty_moov+default_base_moof"),
        ("video_track_timescale", "90000"),
        ("fflags", "+bitexact"),
    ]
    .into_iter()
    .collect();
    muxer.write_header_with(options).map_err(failed)?;
    Ok(muxer)
}

impl ProxyMaker<'_> {
    fn run(&mut self, recording: &mut Recording) -> Result<(), FootageError> {
        let mut packet = Packet::empty();
        let mut frame = frame::Video::empty();
        let mut errors = 0;
        while errors < ERRORS_MAX {
            match recording.read_corrected(&mut packet) {
                Ok(()) => errors = 0,
                Err(Error::Eof) => break,
                Err(_) => {
                    errors += 1;
                    self.decoder.errors += 1;
                    continue;
                }
            }
            if packet.stream() == self.decoder.stream {
                self.key_frames += u64::from(packet.is_key());
                self.video_time = time_of(&packet, &self.decoder, self.origin);
                self.decoder.send(&packet);
                while self.decoder.receive(&mut frame) {
                    self.take(&frame)?;
                }
            } else {
                self.sound(Some(&packet))?;
            }
        }
        self.decoder.send_end();
        while self.decoder.receive(&mut frame) {
            self.take(&frame)?;
        }
        self.sound(None)?;
        if self.written == 0 && self.last.is_none() {
            return Err(FootageError::NothingDecoded);
        }
        self.encoder
            .send_eof()
            .map_err(FootageError::ffmpeg("end the encoding"))?;
        self.collect()?;
        self.muxer
            .write_trailer()
            .map_err(FootageError::ffmpeg("finish the MP4"))
    }

    fn sound(&mut self, packet: Option<&Packet>) -> Result<(), FootageError> {
        let Some(audio) = &mut self.audio else {
            return Ok(());
        };
        if packet.is_some_and(|packet| packet.stream() != audio.stream) {
            return Ok(());
        }
        let (muxer, from) = (&mut self.muxer, audio.time_base());
        audio.feed(packet, self.origin, &mut |mut packet| {
            write(muxer, &mut packet, 1, from)
        })
    }

    /// The time at which a picture is shown, in ticks from the beginning; `None` leaves it out.
    fn place(&mut self, frame: &frame::Video) -> Option<i64> {
        let Some(last) = self.last else {
            let time = frame.timestamp().map_or(0, |t| self.ticks(t));
            // A proxy begins at its first picture or the sound before it, whatever the file's clock says.
            if !(0..self.lead + LATE_MAX).contains(&time) {
                self.shift = self.lead - time;
                return Some(self.lead);
            }
            return Some(time);
        };
        let Some(time) = frame.timestamp() else {
            return Some(last + self.usual);
        };
        let mut place = self.ticks(time) + self.shift;
        let gap = place - last;
        if !(-TICKS..=GAP_MAX).contains(&gap) {
            self.shift += last + self.usual - place;
            place = last + self.usual;
        }
        (place - last >= CLOSEST).then_some(place)
    }

    fn ticks(&self, time: i64) -> i64 {
        ticks(time, &self.decoder, self.origin)
    }

    /// Facts that a viewer of the proxy cannot see.
    fn remarks(&self, recording: &Recording, last: i64) -> Vec<Remark> {
        let jumps = recording.clock.jumps();
        let hidden = recording.structure.remarks();
        let hidden = hidden
            .iter()
            .any(|remark| remark.code == RemarkCode::HiddenByEdits);
        // A duration counts only where the whole track is to be shown.
        let claimed = recording.video_ms().filter(|_| !hidden && jumps.count == 0);
        let claimed = claimed.map_or(0, |ms| i64::try_from(ms).unwrap_or(0).saturating_mul(90));
        let end =
            (self.video_time + self.shift).max(claimed.saturating_add(self.lead).min(1 << 50));
        let missing = end - last - self.usual;
        let mut remarks = Vec::new();
        let mut say = |code, n: i64| {
            if n > 0 {
                remarks.push(Remark::new(code, n.unsigned_abs()));
            }
        };
        say(
            RemarkCode::NotShown,
            if missing >= NOT_SHOWN_LEAST {
                missing / 90
            } else {
                0
            },
        );
        say(RemarkCode::SoundBeforePicture, self.lead / 90);
        say(
            RemarkCode::ShapeChanges,
            self.canvas.changes().cast_signed(),
        );
        remarks
    }

    fn take(&mut self, frame: &frame::Video) -> Result<(), FootageError> {
        let Some(place) = self.place(frame) else {
            return Ok(());
        };
        if self.last.is_none() && place >= TICKS {
            // Players begin with the first picture, which must not stand for a time before it.
            self.show(None, 0)?;
        }
        self.last = Some(place);
        self.show(Some(frame), place)?;
        if self.last_progress.elapsed().as_millis() > 250 {
            self.last_progress = Instant::now();
            (self.progress)(u64::try_from(place / 90).unwrap_or(0));
        }
        self.collect()
    }

    /// Encodes a picture, or an empty ground, with the mark and its time.
    fn show(&mut self, frame: Option<&frame::Video>, place: i64) -> Result<(), FootageError> {
        let drawn = match frame {
            Some(frame) => self.canvas.draw(frame, self.decoder.view(frame)),
            None => Ok(self.canvas.blank()),
        };
        let target = match drawn {
            Ok(target) => target,
            Err(error) => {
                // A picture that cannot be scaled counts as damaged.
                self.decoder.errors += 1;
                return if self.decoder.errors > u64::from(ERRORS_MAX) {
                    Err(error)
                } else {
                    Ok(())
                };
            }
        };
        let second = u64::try_from(place / TICKS).unwrap_or(0);
        if self.clock.0 != second {
            self.clock = (second, Label::new(&running_time(second), self.dot));
        }
        let bottom = (target.height() as usize).saturating_sub(self.clock.1.height() + 4);
        self.mark.stamp(target, 4, 4);
        self.clock.1.stamp(target, 4, bottom);
        target.set_pts(Some(place));
        self.encoder
            .send_frame(target)
            .map_err(FootageError::ffmpeg("encode a picture"))
    }

    fn collect(&mut self) -> Result<(), FootageError> {
        let mut packet = Packet::empty();
        while self.encoder.receive_packet(&mut packet).is_ok() {
            packet.set_duration(self.usual);
            write(&mut self.muxer, &mut packet, 0, TIME_BASE)?;
            self.written += 1;
            packet = Packet::empty();
        }
        Ok(())
    }
}

fn write(
    muxer: &mut Muxer,
    packet: &mut Packet,
    index: usize,
    from: Rational,
) -> Result<(), FootageError> {
    let to = muxer
        .stream(index)
        .map_or(from, |stream| stream.time_base());
    packet.rescale_ts(from, to);
    packet.set_stream(index);
    packet
        .write_interleaved(muxer)
        .map_err(FootageError::ffmpeg("write the MP4"))
}
