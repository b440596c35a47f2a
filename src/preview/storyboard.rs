//! One sheet of evenly spaced pictures. They are key frames, and nothing between those is read, unless there are too few.

use std::collections::BTreeMap;

use ffmpeg_next::codec::{self, Id};
use ffmpeg_next::format::Pixel;
use ffmpeg_next::{Dictionary, Discard, Error, Packet, Rational, frame};

use super::error::FootageError;
use super::recording::Recording;
use super::request::Settings;
use super::scaling::{Canvas, View, fit};
use super::stream::{MILLISECONDS, frame_rate, rescale};
use super::video::VideoDecoder;
use super::yuv::{Label, Yuv, running_time};
use crate::model::{Cue, Picture, Remark, RemarkCode};
use crate::sys;

/// The side of a picture's square on the sheet, in pixels.
const CELL: u64 = 240;
const COLUMNS_MAX: usize = 8;
/// The least footage that one picture stands for.
const SPACING_MS: u64 = 5000;
/// The JPEG quantiser: 2 is best, 31 worst.
const QUALITY: u32 = 5;
/// The most packets that are searched for a key frame after a jump.
const SEARCHED_MAX: usize = 3000;

struct Shot {
    ms: u64,
    picture: Yuv,
    view: View,
}

struct StoryboardMaker<'a> {
    recording: &'a mut Recording,
    decoder: VideoDecoder,
    /// `None` before the first picture, whose shape it gets.
    canvas: Option<Canvas>,
    frame: frame::Video,
    /// When the recording begins, in milliseconds.
    begin: i64,
    /// The usual time from one picture to the next, for recordings without times.
    frame_ms: u64,
    /// Pictures that need others which are not there will do.
    damaged: bool,
    /// Places at which there was something to show, and nothing could be decoded.
    missing: u64,
}

/// Returns the JPEG and its description.
pub fn make(
    recording: &mut Recording,
    decoder: VideoDecoder,
    settings: &Settings,
    say: &mut dyn FnMut(u64),
) -> Result<(Vec<u8>, Picture), FootageError> {
    let video = decoder.stream;
    if let Some(audio) = recording.audio {
        sys::discard(&mut recording.input, audio, Discard::All);
    }
    sys::discard(&mut recording.input, video, Discard::NonKey);
    let begin = recording.begin_ms();
    let most = settings.pictures.clamp(1, 100) as usize;
    let claimed = recording.duration_ms();
    let frame_ms = recording.input.stream(video).map_or(40, |stream| {
        let rate = frame_rate(&stream);
        rescale(
            1,
            Rational(rate.denominator(), rate.numerator()),
            MILLISECONDS,
        )
        .clamp(1, 10_000)
    });
    let may_restart = recording.clock_may_restart();
    let mut maker = StoryboardMaker {
        recording,
        decoder,
        canvas: None,
        frame: frame::Video::empty(),
        begin,
        frame_ms: frame_ms.unsigned_abs(),
        damaged: false,
        missing: 0,
    };
    let mut duration = claimed;
    let mut shots = match claimed {
        Some(claimed) if !may_restart => maker.jumping(claimed, most, say)?,
        _ => Vec::new(),
    };
    // Where jumps do not move, lead into a gap, or find too few pictures, the recording is read as a whole, then decoded.
    if !covers(&shots, claimed, most) {
        maker.missing = 0;
        let (read, end) = maker.reading(most, say)?;
        shots = if covers(&read, Some(end), most) {
            read
        } else {
            let decoded = maker.decoding(end, most, say)?;
            let fullest = fuller(decoded, fuller(read, shots));
            // Everything was decoded. Without errors, there is simply nothing where no picture is.
            if maker.decoder.errors > 0 {
                maker.missing = empty_places(&fullest, end, most);
            }
            fullest
        };
        duration = Some(end);
        if shots.is_empty() {
            // Grey pictures are better than none: something of the recording may be seen in them.
            maker.damaged = true;
            (shots, _) = maker.reading(most, say)?;
        }
    }
    let jumps = maker.recording.clock.jumps();
    let last = shots.last().ok_or(FootageError::NothingDecoded)?.ms;
    let duration = duration.unwrap_or(last).max(last + 1);
    let canvas = maker.canvas.as_ref().ok_or(FootageError::NothingDecoded)?;
    let (width, height) = canvas.size();
    let incomplete = if maker.damaged { shots.len() as u64 } else { 0 };
    let pairs = shots.windows(2);
    let changes = pairs.filter(|pair| pair[0].view != pair[1].view);
    let remarks = [
        (RemarkCode::MissingPictures, maker.missing),
        (RemarkCode::IncompletePictures, incomplete),
        (RemarkCode::ShapeChanges, changes.count() as u64),
        (
            RemarkCode::SoundBeforePicture,
            maker.recording.sound_lead_ms().unsigned_abs(),
        ),
    ];
    let remarks = remarks.into_iter().filter(|(_, n)| *n > 0);
    let (sheet, cues) = lay_out(&shots, width, height, duration);
    let jpeg = encode(&sheet)?;
    let settings = [
        ("encoder", "mjpeg".to_owned()),
        ("quality", QUALITY.to_string()),
        ("pictures", cues.len().to_string()),
    ];
    Ok((
        jpeg,
        Picture {
            width: side(sheet.width),
            height: side(sheet.height),
            duration_ms: duration,
            settings: settings.map(|(k, v)| (k.to_owned(), v)).into(),
            decode_errors: maker.decoder.errors,
            clock_jumps: jumps.count,
            left_out_ms: jumps.left_out_ms,
            remarks: remarks.map(|(code, n)| Remark::new(code, n)).collect(),
            cues,
        },
    ))
}

impl StoryboardMaker<'_> {
    /// Jumps to the key frame before the moment of each picture.
    fn jumping(
        &mut self,
        duration: u64,
        most: usize,
        say: &mut dyn FnMut(u64),
    ) -> Result<Vec<Shot>, FootageError> {
        let wanted = wanted(duration, most) as u64;
        let mut shots: Vec<Shot> = Vec::new();
        for number in 0..wanted {
            let moment = duration * (2 * number + 1) / (2 * wanted);
            let at = (i64::try_from(moment).unwrap_or(0) + self.begin).saturating_mul(1000);
            // Some formats cannot jump at all; the caller then reads from the start.
            if self.recording.jump(at).is_err() {
                continue;
            }
            let after = shots.last().map(|shot| shot.ms);
            if let Some(shot) = self.next_key(after)? {
                shots.push(shot);
            }
            say(moment);
        }
        Ok(shots)
    }

    /// The picture of the next key frame, which must be later than `after`.
    fn next_key(&mut self, after: Option<u64>) -> Result<Option<Shot>, FootageError> {
        let mut packet = Packet::empty();
        for _ in 0..SEARCHED_MAX {
            match self.recording.read(&mut packet) {
                Ok(()) => {}
                Err(Error::Eof) => break,
                Err(_) => {
                    self.decoder.errors += 1;
                    continue;
                }
            }
            if packet.stream() != self.decoder.stream || !packet.is_key() {
                continue;
            }
            let ms = self.time_of(&packet);
            // This key frame has been shown already: they are further apart than the pictures should be.
            if ms.is_some() && after.is_some_and(|after| ms <= Some(after)) {
                return Ok(None);
            }
            if self.decoder.alone(&packet, &mut self.frame, self.damaged) {
                let ms = ms.unwrap_or_else(|| after.map_or(0, |after| after + 1));
                return self.shoot(ms).map(Some);
            }
        }
        self.missing += 1;
        Ok(None)
    }

    /// Goes back to the start, to read every packet.
    fn rewind(&mut self) {
        sys::discard(
            &mut self.recording.input,
            self.decoder.stream,
            Discard::Default,
        );
        self.decoder.flush();
        let _ = self.recording.rewind(self.begin.saturating_mul(1000));
    }

    /// The next packet of the video; `None` at the end.
    fn next_packet(&mut self, packet: &mut Packet) -> Option<()> {
        let mut errors = 0;
        while errors < SEARCHED_MAX {
            match self.recording.read_corrected(packet) {
                Ok(()) if packet.stream() == self.decoder.stream => return Some(()),
                Ok(()) => errors = 0,
                Err(Error::Eof) => return None,
                Err(_) => {
                    errors += 1;
                    self.decoder.errors += 1;
                }
            }
        }
        None
    }

    /// Reads from the start to the end, for recordings that have no duration or cannot jump. Returns the real duration, too.
    fn reading(
        &mut self,
        most: usize,
        say: &mut dyn FnMut(u64),
    ) -> Result<(Vec<Shot>, u64), FootageError> {
        self.rewind();
        let (mut shots, mut every, mut keys, mut packets) = (Vec::new(), 1, 0u64, 0u64);
        let mut packet = Packet::empty();
        while self.next_packet(&mut packet).is_some() {
            packets += 1;
            say(packets * self.frame_ms);
            if !packet.is_key() {
                continue;
            }
            keys += 1;
            if (keys - 1) % every == 0 && self.decoder.alone(&packet, &mut self.frame, self.damaged)
            {
                let ms = self
                    .time_of(&packet)
                    .unwrap_or((packets - 1) * self.frame_ms);
                shots.push(self.shoot(ms)?);
            }
            if shots.len() >= 2 * most {
                thin_out(&mut shots);
                every *= 2;
            }
        }
        while shots.len() > most {
            thin_out(&mut shots);
        }
        shots.sort_by_key(|shot: &Shot| shot.ms);
        let end = self.recording.clock.end_ms().map(|end| end - self.begin);
        let end = end.and_then(|end| u64::try_from(end).ok());
        Ok((shots, end.unwrap_or(packets * self.frame_ms).max(1)))
    }

    /// Decodes everything, for recordings whose key frames are few or need others.
    fn decoding(
        &mut self,
        duration: u64,
        most: usize,
        say: &mut dyn FnMut(u64),
    ) -> Result<Vec<Shot>, FootageError> {
        self.rewind();
        let wanted = wanted(duration, most) as u64;
        let mut shots: Vec<Shot> = Vec::new();
        let (mut packet, mut pictures, mut ended) = (Packet::empty(), 0, false);
        while !ended && (shots.len() as u64) < wanted {
            if self.next_packet(&mut packet).is_some() {
                self.decoder.send(&packet);
            } else {
                ended = true;
                self.decoder.send_end();
            }
            while self.decoder.receive(&mut self.frame) && (shots.len() as u64) < wanted {
                let time = self.frame.timestamp();
                let ms = time.map_or(pictures * self.frame_ms, |time| self.since_begin(time));
                pictures += 1;
                let number = shots.len() as u64;
                if ms >= duration * (2 * number + 1) / (2 * wanted) && !self.frame.is_corrupt() {
                    shots.push(self.shoot(ms)?);
                }
                say(ms);
            }
        }
        self.decoder.flush();
        Ok(shots)
    }

    fn time_of(&self, packet: &Packet) -> Option<u64> {
        let time = packet.pts().or_else(|| packet.dts())?;
        Some(self.since_begin(time))
    }

    /// In milliseconds.
    fn since_begin(&self, time: i64) -> u64 {
        let ms = rescale(time, self.decoder.time_base, MILLISECONDS).saturating_sub(self.begin);
        u64::try_from(ms).unwrap_or(0)
    }

    fn shoot(&mut self, ms: u64) -> Result<Shot, FootageError> {
        let view = self.decoder.view(&self.frame);
        let canvas = match &mut self.canvas {
            Some(canvas) => canvas,
            none => {
                let size = fit(view.shown()?, (CELL, CELL));
                none.insert(Canvas::new(Pixel::YUVJ420P, size, view))
            }
        };
        let picture = Yuv::from_frame(canvas.draw(&self.frame, view)?);
        Ok(Shot { ms, picture, view })
    }
}

/// The number of pictures that footage of this length should have.
fn wanted(duration_ms: u64, most: usize) -> usize {
    let pictures = usize::try_from(duration_ms / SPACING_MS).unwrap_or(most);
    pictures.clamp(4.min(most), most)
}

/// Whether there are at least half of the pictures that there should be, and they reach beyond the middle.
fn covers(shots: &[Shot], duration_ms: Option<u64>, most: usize) -> bool {
    let Some((duration, last)) = duration_ms.zip(shots.last()) else {
        return false;
    };
    shots.len() * 2 >= wanted(duration, most) && last.ms >= duration / 2
}

/// The stretches of equal length, one for each wanted picture, in which there is none.
fn empty_places(shots: &[Shot], duration_ms: u64, most: usize) -> u64 {
    let places = wanted(duration_ms, most) as u64;
    let empty = (0..places).filter(|place| {
        let (from, to) = (
            duration_ms * place / places,
            duration_ms * (place + 1) / places,
        );
        !shots.iter().any(|shot| (from..to).contains(&shot.ms))
    });
    empty.count() as u64
}

fn fuller(one: Vec<Shot>, other: Vec<Shot>) -> Vec<Shot> {
    if other.len() > one.len() { other } else { one }
}

fn thin_out(shots: &mut Vec<Shot>) {
    let mut keep = false;
    shots.retain(|_| {
        keep = !keep;
        keep
    });
}

fn side(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

/// Puts each picture on the sheet with its time in the corner. A cue lasts until the next picture.
fn lay_out(shots: &[Shot], width: usize, height: usize, duration: u64) -> (Yuv, Vec<Cue>) {
    let columns = (1..COLUMNS_MAX)
        .find(|columns| columns * columns >= shots.len())
        .unwrap_or(COLUMNS_MAX)
        .min(shots.len().max(1));
    let mut sheet = Yuv::new(columns * width, shots.len().div_ceil(columns) * height);
    let mut cues: Vec<Cue> = Vec::new();
    for (at, shot) in shots.iter().enumerate() {
        let (x, y) = (at % columns * width, at / columns * height);
        sheet.paste(&shot.picture, x, y);
        let label = Label::new(&running_time(shot.ms / 1000), 1);
        // A label must never cover another picture.
        if label.width() <= width && label.height() <= height {
            sheet.stamp(&label, x, y + height - label.height() - 1);
        }
        let start_ms = if at == 0 { 0 } else { shot.ms };
        if let Some(before) = cues.last_mut() {
            before.end_ms = start_ms;
        }
        cues.push(Cue {
            start_ms,
            end_ms: duration,
            x: side(x),
            y: side(y),
            width: side(width),
            height: side(height),
        });
    }
    (sheet, cues)
}

fn encode(sheet: &Yuv) -> Result<Vec<u8>, FootageError> {
    let failed = FootageError::ffmpeg("encode the sheet");
    let codec = codec::encoder::find(Id::MJPEG).ok_or(FootageError::NoDecoder("mjpeg".into()))?;
    let mut encoder = codec::Context::new_with_codec(codec)
        .encoder()
        .video()
        .map_err(&failed)?;
    encoder.set_width(side(sheet.width));
    encoder.set_height(side(sheet.height));
    encoder.set_format(Pixel::YUVJ420P);
    encoder.set_time_base(Rational(1, 25));
    let quality = QUALITY.to_string();
    let options: BTreeMap<&str, &str> = [
        ("flags", "+qscale"),
        ("qmin", &quality),
        ("qmax", &quality),
        ("threads", "1"),
    ]
    .into();
    let mut encoder = encoder
        .open_as_with(codec, options.into_iter().collect::<Dictionary<'_>>())
        .map_err(&failed)?;
    let mut frame = frame::Video::new(Pixel::YUVJ420P, side(sheet.width), side(sheet.height));
    sheet.to_frame(&mut frame);
    frame.set_pts(Some(0));
    encoder.send_frame(&frame).map_err(&failed)?;
    encoder.send_eof().map_err(&failed)?;
    let mut packet = Packet::empty();
    encoder.receive_packet(&mut packet).map_err(&failed)?;
    Ok(packet.data().unwrap_or_default().to_vec())
}
