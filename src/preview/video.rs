//! The decoder of a recording's video.

use ffmpeg_next::codec;
use ffmpeg_next::util::error::EAGAIN;
use ffmpeg_next::{Dictionary, Error, Packet, Rational, decoder, frame};

use super::error::FootageError;
use super::recording::Recording;
use super::scaling::View;
use super::stream::{Orientation, orientation, picture_orientation};
use crate::sys;

/// The most pixels that a picture may have.
const PIXELS_MAX: &str = "70000000";

pub struct VideoDecoder {
    decoder: decoder::Video,
    name: String,
    pub stream: usize,
    pub time_base: Rational,
    /// The size that the container gives.
    width: u32,
    height: u32,
    /// As the container gives it.
    orientation: Option<Orientation>,
    /// As the last picture with a message of its own gives it.
    message: Orientation,
    /// The aspect of its pixels.
    aspect: Rational,
    pub errors: u64,
}

impl VideoDecoder {
    /// `None`: there is no video in it.
    pub fn open(recording: &Recording, threads: u32) -> Result<Option<Self>, FootageError> {
        let Some(stream) = recording
            .video
            .and_then(|index| recording.input.stream(index))
        else {
            return Ok(None);
        };
        if recording.structure.encrypted_video() > 0 {
            return Err(FootageError::Encrypted);
        }
        let parameters = stream.parameters();
        let name = parameters.id().name().to_owned();
        let codec = codec::decoder::find(parameters.id())
            .ok_or_else(|| FootageError::NoDecoder(name.clone()))?;
        let mut options = Dictionary::new();
        options.set("threads", &threads.max(1).to_string());
        options.set("flags", "+output_corrupt");
        options.set("max_pixels", PIXELS_MAX);
        let time_base = stream.time_base();
        let mut context = codec::Context::from_parameters(parameters)
            .map_err(FootageError::ffmpeg("take over the video's parameters"))?
            .decoder();
        context.set_packet_time_base(time_base);
        let decoder = context
            .open_as_with(codec, options)
            .and_then(decoder::Opened::video)
            .map_err(FootageError::ffmpeg("open the video's decoder"))?;
        Ok(Some(Self {
            width: decoder.width(),
            height: decoder.height(),
            decoder,
            name,
            stream: stream.index(),
            time_base,
            orientation: orientation(&stream),
            message: Orientation::default(),
            aspect: sys::pixel_aspect(&recording.input, stream.index()),
            errors: 0,
        }))
    }

    pub fn codec_name(&self) -> String {
        self.name.clone()
    }

    pub fn profile(&self) -> Option<String> {
        let text = format!("{:?}", self.decoder.profile());
        let inner = text.split_once('(').map_or(&text[..], |(_, rest)| rest);
        let inner = inner.trim_end_matches(')');
        (!matches!(inner, "Unknown" | "Reserved")).then(|| inner.to_owned())
    }

    pub const fn width(&self) -> u32 {
        self.width
    }

    pub const fn height(&self) -> u32 {
        self.height
    }

    pub fn aspect(&self) -> Rational {
        if self.aspect.numerator() > 0 {
            self.aspect
        } else {
            self.decoder.aspect_ratio()
        }
    }

    /// The way to show a decoded picture. The container's word counts for pictures of the size that it gives.
    /// A message in the video counts until the next one: many cameras write it once.
    pub fn view(&mut self, picture: &frame::Video) -> View {
        self.message = picture_orientation(picture).unwrap_or(self.message);
        let usual = (picture.width(), picture.height()) == (self.width, self.height);
        View {
            width: picture.width(),
            height: picture.height(),
            aspect: if usual {
                self.aspect()
            } else {
                picture.aspect_ratio()
            },
            orientation: self.orientation.unwrap_or(self.message),
        }
    }

    pub fn pixel_format(&self) -> String {
        self.decoder
            .format()
            .descriptor()
            .map_or("unknown", |d| d.name())
            .to_owned()
    }

    /// Gives a packet to the decoder. Damage is counted and does not end the work.
    pub fn send(&mut self, packet: &Packet) {
        if let Err(error) = self.decoder.send_packet(packet)
            && error != again()
        {
            self.errors += 1;
        }
    }

    pub fn send_end(&mut self) {
        let _ = self.decoder.send_eof();
    }

    /// The next decoded picture, if there is one yet.
    pub fn receive(&mut self, frame: &mut frame::Video) -> bool {
        // A damaged picture is an error of its own; the next call continues after it.
        for _ in 0..64 {
            match self.decoder.receive_frame(frame) {
                Ok(()) => return true,
                Err(error) if error == again() || error == Error::Eof => return false,
                Err(_) => self.errors += 1,
            }
        }
        false
    }

    /// Decodes one packet that should need no other, such as a key frame. `damaged`: a picture that does need others, and is
    /// grey without them, will do.
    pub fn alone(&mut self, packet: &Packet, frame: &mut frame::Video, damaged: bool) -> bool {
        self.send(packet);
        self.send_end();
        let got = self.receive(frame);
        self.decoder.flush();
        got && (damaged || !frame.is_corrupt())
    }

    /// Forgets everything that was decoded, before reading begins at another place.
    pub fn flush(&mut self) {
        self.decoder.flush();
    }
}

fn again() -> Error {
    Error::Other { errno: EAGAIN }
}
