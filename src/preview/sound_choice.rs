//! Chooses the sound track that is heard: the first one, unless it is silent and another is not.

use ffmpeg_next::media::Type;
use ffmpeg_next::{Discard, Packet, codec, decoder, frame};

use super::audio::mixed;
use super::recording::{Recording, discard_others};
use crate::model::{Remark, RemarkCode};
use crate::sys;

/// Tracks, seconds of each, and packets of all that are listened to.
const TRACKS_MAX: usize = 8;
const SECONDS: u64 = 60;
const PACKETS_MAX: usize = 40_000;
/// Softer than this is a track without a microphone: 60 dB below the loudest.
const SILENCE: f32 = 0.001;

struct Listener {
    stream: usize,
    decoder: decoder::Audio,
    seconds: f64,
    heard: bool,
}

impl Listener {
    fn listen(&mut self, packet: &Packet) {
        let _ = self.decoder.send_packet(packet);
        let mut frame = frame::Audio::empty();
        while self.decoder.receive_frame(&mut frame).is_ok() {
            self.heard |= mixed(&frame).iter().any(|sample| sample.abs() > SILENCE);
            self.seconds += frame.samples() as f64 / f64::from(frame.rate().max(1));
        }
    }

    fn is_done(&self) -> bool {
        self.heard || self.seconds > SECONDS as f64
    }
}

/// Gives the sound to another track if the chosen one is silent.
pub fn choose(recording: &mut Recording) -> Option<Remark> {
    let chosen = recording.audio?;
    let streams = recording.input.streams();
    let sounds = streams.filter(|stream| stream.parameters().medium() == Type::Audio);
    let sounds: Vec<usize> = sounds
        .map(|stream| stream.index())
        .take(TRACKS_MAX)
        .collect();
    if sounds.len() < 2 {
        return None;
    }
    let mut input = recording.again()?;
    let wanted: Vec<Option<usize>> = sounds.iter().copied().map(Some).collect();
    discard_others(&mut input, &wanted);
    let open = |stream: usize| {
        let parameters = input.stream(stream)?.parameters();
        let context = codec::Context::from_parameters(parameters).ok()?;
        Some(Listener {
            stream,
            decoder: context.decoder().audio().ok()?,
            seconds: 0.0,
            heard: false,
        })
    };
    let mut listeners: Vec<Listener> = sounds.iter().filter_map(|stream| open(*stream)).collect();
    for _ in 0..PACKETS_MAX {
        let mut packet = Packet::empty();
        match packet.read(&mut input) {
            Ok(()) => {}
            Err(ffmpeg_next::Error::Eof) => break,
            Err(_) => continue,
        }
        let of_packet = listeners.iter_mut().find(|l| l.stream == packet.stream());
        if let Some(listener) = of_packet {
            listener.listen(&packet);
        }
        if listeners.iter().all(Listener::is_done) {
            break;
        }
    }
    let heard = |stream: usize| listeners.iter().any(|l| l.stream == stream && l.heard);
    if heard(chosen) {
        return None;
    }
    let at = sounds.iter().position(|stream| heard(*stream))?;
    let stream = *sounds.get(at)?;
    sys::discard(&mut recording.input, chosen, Discard::All);
    sys::discard(&mut recording.input, stream, Discard::Default);
    recording.audio = Some(stream);
    Some(Remark::new(RemarkCode::SilentTrack, at as u64 + 1))
}
