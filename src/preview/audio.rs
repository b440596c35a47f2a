//! The sound of a proxy: the camera's sound, mixed to one channel and encoded as AAC.

use ffmpeg_next::codec::{self, Id};
use ffmpeg_next::format::Sample;
use ffmpeg_next::format::sample::Type as Layout;
use ffmpeg_next::{ChannelLayout, Dictionary, Packet, Rational, Stream, decoder, encoder, frame};

use super::clock::GAP_MAX_SECONDS;
use super::error::FootageError;
use super::recording::Recording;
use super::stream::rescale;

const BITS_PER_SECOND: usize = 64_000;
/// Rates that AAC knows and browsers play.
const RATES: [u32; 9] = [
    48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000,
];
/// Gaps up to this many seconds are filled with silence.
const FILLED_SECONDS: i64 = 10;

pub struct Track {
    pub stream: usize,
    decoder: decoder::Audio,
    encoder: encoder::Audio,
    time_base: Rational,
    /// Samples a second of the proxy. Other rates are brought to it by interpolation.
    rate: u32,
    frame_size: usize,
    waiting: Vec<f32>,
    /// The place of the first waiting sample, counted in samples from the beginning.
    next: i64,
    begun: bool,
    pub errors: u64,
}

/// Samples a second and the number of channels, as the decoder understands the stream.
pub fn rate_and_channels(stream: &Stream<'_>) -> (u32, u32) {
    let opened = codec::Context::from_parameters(stream.parameters())
        .and_then(|context| context.decoder().audio());
    opened.map_or((0, 0), |decoder| {
        (decoder.rate(), decoder.channels().into())
    })
}

impl Track {
    /// `None` when there is no sound, or none that can be decoded: the proxy is then silent.
    pub fn open(recording: &Recording) -> Option<Self> {
        let stream = recording.input.stream(recording.audio?)?;
        let decoder = codec::Context::from_parameters(stream.parameters())
            .and_then(|context| {
                let mut decoder = context.decoder();
                decoder.set_packet_time_base(stream.time_base());
                decoder.audio()
            })
            .ok()?;
        let rate = RATES
            .into_iter()
            .find(|rate| *rate <= decoder.rate())
            .unwrap_or(8_000);
        let codec = codec::encoder::find(Id::AAC)?;
        let mut encoder = codec::Context::new_with_codec(codec)
            .encoder()
            .audio()
            .ok()?;
        encoder.set_rate(i32::try_from(rate).ok()?);
        encoder.set_format(Sample::F32(Layout::Planar));
        encoder.set_channel_layout(ChannelLayout::MONO);
        encoder.set_bit_rate(BITS_PER_SECOND);
        encoder.set_time_base(Rational(1, i32::try_from(rate).ok()?));
        encoder.set_flags(codec::Flags::GLOBAL_HEADER);
        let options: Dictionary<'_> = [("threads", "1")].into_iter().collect();
        let encoder = encoder.open_as_with(codec, options).ok()?;
        let frame_size = match encoder.frame_size() {
            0 => 1024,
            size => size as usize,
        };
        Some(Self {
            stream: stream.index(),
            decoder,
            encoder,
            time_base: stream.time_base(),
            rate,
            frame_size,
            waiting: Vec::new(),
            next: 0,
            begun: false,
            errors: 0,
        })
    }

    pub const fn encoder(&self) -> &encoder::Audio {
        &self.encoder
    }

    pub fn time_base(&self) -> Rational {
        Rational(1, i32::try_from(self.rate).unwrap_or(1))
    }

    /// Decodes a packet, or ends the track with `None`. `origin` is where the proxy begins, in milliseconds of the footage.
    pub fn feed(
        &mut self,
        packet: Option<&Packet>,
        origin: i64,
        out: &mut dyn FnMut(Packet) -> Result<(), FootageError>,
    ) -> Result<(), FootageError> {
        let sent = match packet {
            Some(packet) => self.decoder.send_packet(packet),
            None => self.decoder.send_eof(),
        };
        self.errors += u64::from(sent.is_err() && packet.is_some());
        let mut frame = frame::Audio::empty();
        while self.decoder.receive_frame(&mut frame).is_ok() {
            self.take(&frame, origin, out)?;
        }
        if packet.is_none() {
            self.encode(true, out)?;
            let _ = self.encoder.send_eof();
            self.collect(out)?;
        }
        Ok(())
    }

    fn take(
        &mut self,
        frame: &frame::Audio,
        origin: i64,
        out: &mut dyn FnMut(Packet) -> Result<(), FootageError>,
    ) -> Result<(), FootageError> {
        let samples = self.at_our_rate(mixed(frame), frame.rate());
        let rate = i64::from(self.rate);
        let expected = self.next + i64::try_from(self.waiting.len()).unwrap_or(0);
        let mut skip = 0;
        if let Some(time) = frame.timestamp() {
            let place = rescale(time, self.time_base, self.time_base())
                .saturating_sub(origin.saturating_mul(rate) / 1000);
            let gap = place.saturating_sub(expected);
            if !self.begun {
                // The proxy begins with the sound, unless that is only an encoder's delay before the first picture.
                self.next = place.clamp(0, rate * 3600);
                skip = usize::try_from(-place.min(0)).unwrap_or(0);
            } else if gap > rate * GAP_MAX_SECONDS {
                // The clock of the packets has been corrected, so this time is damaged: the sound continues without a gap.
            } else if gap > rate * FILLED_SECONDS {
                self.encode(true, out)?;
                self.next = self.next.max(place);
            } else if gap > rate / 10 {
                let silence = usize::try_from(gap).unwrap_or(0);
                self.waiting.resize(self.waiting.len() + silence, 0.0);
            } else if gap < -rate / 10 && gap > -rate * FILLED_SECONDS {
                skip = usize::try_from(-gap).unwrap_or(0);
            }
        }
        self.waiting.extend(samples.into_iter().skip(skip));
        self.begun |= !self.waiting.is_empty();
        self.encode(false, out)
    }

    /// Rates that AAC does not know are brought to the nearest below: good enough for listening.
    fn at_our_rate(&self, samples: Vec<f32>, rate: u32) -> Vec<f32> {
        if rate == self.rate || rate == 0 || samples.is_empty() {
            return samples;
        }
        let count = samples.len() as u64 * u64::from(self.rate) / u64::from(rate);
        let step = f64::from(rate) / f64::from(self.rate);
        let last = samples.len() - 1;
        (0..count)
            .map(|number| {
                let place = number as f64 * step;
                #[allow(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "within the samples"
                )]
                let (whole, part) = (place as usize, place.fract() as f32);
                let (a, b) = (samples[whole.min(last)], samples[(whole + 1).min(last)]);
                a + (b - a) * part
            })
            .collect()
    }

    /// Encodes all whole frames; with `rest`, also the last one, filled up with silence.
    fn encode(
        &mut self,
        rest: bool,
        out: &mut dyn FnMut(Packet) -> Result<(), FootageError>,
    ) -> Result<(), FootageError> {
        let failed = FootageError::ffmpeg("encode sound");
        if rest && !self.waiting.is_empty() {
            let whole = self.waiting.len().next_multiple_of(self.frame_size);
            self.waiting.resize(whole, 0.0);
        }
        let whole = self.waiting.len() / self.frame_size * self.frame_size;
        for samples in self.waiting[..whole].chunks_exact(self.frame_size) {
            let mut frame = frame::Audio::new(
                Sample::F32(Layout::Planar),
                self.frame_size,
                ChannelLayout::MONO,
            );
            frame.set_rate(self.rate);
            frame.plane_mut::<f32>(0).copy_from_slice(samples);
            frame.set_pts(Some(self.next));
            self.next += i64::try_from(self.frame_size).unwrap_or(0);
            self.encoder.send_frame(&frame).map_err(&failed)?;
            let mut packet = Packet::empty();
            while self.encoder.receive_packet(&mut packet).is_ok() {
                out(std::mem::replace(&mut packet, Packet::empty()))?;
            }
        }
        self.waiting.drain(..whole);
        Ok(())
    }

    fn collect(
        &mut self,
        out: &mut dyn FnMut(Packet) -> Result<(), FootageError>,
    ) -> Result<(), FootageError> {
        let mut packet = Packet::empty();
        while self.encoder.receive_packet(&mut packet).is_ok() {
            out(std::mem::replace(&mut packet, Packet::empty()))?;
        }
        Ok(())
    }
}

/// The mean of all channels, from -1 to 1; the first channel alone where they cancel each other out.
pub fn mixed(frame: &frame::Audio) -> Vec<f32> {
    let (samples, channels) = (frame.samples(), usize::from(frame.channels()));
    let format = frame.format();
    let width = format.bytes();
    if samples == 0 || channels == 0 || width == 0 || frame.planes() == 0 {
        return Vec::new();
    }
    let read: fn(&[u8]) -> f32 = match format {
        Sample::U8(_) => |b| (f32::from(b[0]) - 128.0) / 128.0,
        Sample::I16(_) => |b| f32::from(i16::from_ne_bytes([b[0], b[1]])) / 32_768.0,
        Sample::I32(_) => |b| i32::from_ne_bytes([b[0], b[1], b[2], b[3]]) as f32 / 2_147_483_648.0,
        Sample::F32(_) => |b| f32::from_ne_bytes([b[0], b[1], b[2], b[3]]),
        _ => return vec![0.0; samples],
    };
    let (mut mix, mut first) = (vec![0.0; samples], vec![0.0; samples]);
    let mut energy = 0.0;
    let planes = frame.planes();
    for plane in 0..planes {
        let (data, step) = (frame.data(plane), if planes == 1 { channels } else { 1 });
        let groups = data.chunks_exact(width * step);
        for ((sum, first), group) in mix.iter_mut().zip(&mut first).zip(groups) {
            if plane == 0 {
                *first = read(&group[..width]);
            }
            for sample in group.chunks_exact(width).map(read) {
                *sum += sample;
                energy += sample * sample;
            }
        }
    }
    let mut share = 1.0 / channels as f32;
    let mixed_energy: f32 = mix.iter().map(|sum| (sum * share).powi(2)).sum();
    // One microphone on two wires, one of them reversed.
    if mixed_energy * 100.0 < energy * share {
        (mix, share) = (first, 1.0);
    }
    for sum in &mut mix {
        let value = *sum * share;
        *sum = if value.is_finite() {
            value.clamp(-1.0, 1.0)
        } else {
            0.0
        };
    }
    mix
}
