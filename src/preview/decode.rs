//! Decoding a video stream and bringing its pictures to the size that they are shown in.

use ffmpeg_next::codec;
use ffmpeg_next::format::Pixel;
use ffmpeg_next::software::scaling;
use ffmpeg_next::util::error::EAGAIN;
use ffmpeg_next::{Dictionary, Error, Packet, Rational, decoder, frame};

use super::error::Trouble;
use super::input::Opened;
use super::probe::rotation;
use super::yuv::even;

/// Pixels of a picture at most, and of one of its sides.
const PIXELS_MAX: &str = "70000000";
const SIDE_MAX: u32 = 16_384;

pub struct VideoDecoder {
    decoder: decoder::Video,
    name: String,
    pub stream: usize,
    pub time_base: Rational,
    /// Degrees clockwise.
    pub rotation: u32,
    pub errors: u64,
}

impl VideoDecoder {
    /// `lowres`: decode at 1/2, 1/4 or 1/8 of the size where the codec can (as a power of two).
    pub fn open(opened: &Opened, threads: u32, lowres: u32) -> Result<Option<Self>, Trouble> {
        let Some(stream) = opened.video.and_then(|index| opened.input.stream(index)) else {
            return Ok(None);
        };
        let parameters = stream.parameters();
        let name = parameters.id().name().to_owned();
        let codec = codec::decoder::find(parameters.id())
            .ok_or_else(|| Trouble::NoDecoder(name.clone()))?;
        let mut options = Dictionary::new();
        options.set("threads", &threads.max(1).to_string());
        options.set("flags", "+output_corrupt");
        options.set("max_pixels", PIXELS_MAX);
        if lowres > 0 {
            options.set("lowres", &lowres.to_string());
        }
        let time_base = stream.time_base();
        let mut context = codec::Context::from_parameters(parameters)
            .map_err(Trouble::ffmpeg("take over the video's parameters"))?
            .decoder();
        context.set_packet_time_base(time_base);
        let decoder = context
            .open_as_with(codec, options)
            .and_then(decoder::Opened::video)
            .map_err(Trouble::ffmpeg("open the video's decoder"))?;
        Ok(Some(Self {
            decoder,
            name,
            stream: stream.index(),
            time_base,
            rotation: rotation(&stream),
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

    pub fn width(&self) -> u32 {
        self.decoder.width()
    }

    pub fn height(&self) -> u32 {
        self.decoder.height()
    }

    pub fn aspect(&self) -> Rational {
        self.decoder.aspect_ratio()
    }

    pub fn pixel_format(&self) -> String {
        self.decoder
            .format()
            .descriptor()
            .map_or("unknown", |d| d.name())
            .to_owned()
    }

    /// Gives a packet to the decoder; damage is counted and gone on from.
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

    /// The next decoded picture, if there is one by now.
    pub fn receive(&mut self, frame: &mut frame::Video) -> bool {
        // A damaged picture is an error of its own; the next call goes on behind it.
        for _ in 0..64 {
            match self.decoder.receive_frame(frame) {
                Ok(()) => return true,
                Err(error) if error == again() || error == Error::Eof => return false,
                Err(_) => self.errors += 1,
            }
        }
        false
    }

    /// Decodes one packet that stands for itself.
    pub fn alone(&mut self, packet: &Packet, frame: &mut frame::Video) -> bool {
        self.send(packet);
        self.send_end();
        let got = self.receive(frame);
        self.decoder.flush();
        got
    }
}

pub fn again() -> Error {
    Error::Other { errno: EAGAIN }
}

/// Width and height of a picture as it is shown: pixels made square, turned.
pub fn shown(
    width: u32,
    height: u32,
    aspect: Rational,
    rotation: u32,
) -> Result<(u64, u64), Trouble> {
    if !(1..=SIDE_MAX).contains(&width) || !(1..=SIDE_MAX).contains(&height) {
        return Err(Trouble::Size(width, height));
    }
    let (mut wide, high) = (u64::from(width), u64::from(height));
    let (over, under) = (aspect.numerator(), aspect.denominator());
    if over > 0 && under > 0 && over / 8 <= under && under / 8 <= over {
        wide = (wide * u64::from(over.unsigned_abs()) / u64::from(under.unsigned_abs())).max(1);
    }
    Ok(if rotation.is_multiple_of(180) {
        (wide, high)
    } else {
        (high, wide)
    })
}

/// The even size that keeps the shape within a box; never larger than the picture.
pub fn fit((width, height): (u64, u64), (box_width, box_height): (u64, u64)) -> (usize, usize) {
    let (width, height) = (width.max(1), height.max(1));
    let (mut w, mut h) = (width, height);
    if w > box_width {
        (w, h) = (box_width, (height * box_width).div_ceil(width));
    }
    if h > box_height {
        (w, h) = ((width * box_height).div_ceil(height), box_height);
    }
    (even(w.max(16)), even(h.max(16)))
}

/// The even size whose shorter side has so many lines; never larger than the picture.
pub fn with_lines((width, height): (u64, u64), lines: u64) -> (usize, usize) {
    let long = lines * 4;
    if width < height {
        fit((width, height), (lines, long))
    } else {
        fit((width, height), (long, lines))
    }
}

/// Brings pictures of whatever size and format to one; follows changes within a file.
pub struct Scaler {
    context: Option<scaling::Context>,
    format: Pixel,
    width: u32,
    height: u32,
}

impl Scaler {
    pub fn new(format: Pixel, (width, height): (usize, usize)) -> Self {
        let side = |length: usize| u32::try_from(length).unwrap_or(2);
        Self {
            context: None,
            format,
            width: side(width),
            height: side(height),
        }
    }

    pub fn run(&mut self, from: &frame::Video, to: &mut frame::Video) -> Result<(), Trouble> {
        let failed = Trouble::ffmpeg("scale a picture");
        let fits = self.context.as_ref().is_some_and(|context| {
            let input = context.input();
            (input.format, input.width, input.height)
                == (from.format(), from.width(), from.height())
        });
        if !fits {
            if !(1..=SIDE_MAX).contains(&from.width()) || !(1..=SIDE_MAX).contains(&from.height()) {
                return Err(Trouble::Size(from.width(), from.height()));
            }
            self.context = Some(
                scaling::Context::get(
                    from.format(),
                    from.width(),
                    from.height(),
                    self.format,
                    self.width,
                    self.height,
                    scaling::Flags::BILINEAR,
                )
                .map_err(&failed)?,
            );
        }
        match &mut self.context {
            Some(context) => context.run(from, to).map_err(failed),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_are_kept_and_sides_are_even() {
        let square = Rational(1, 1);
        assert_eq!(shown(1920, 1080, square, 0).unwrap(), (1920, 1080));
        assert_eq!(shown(1440, 1080, Rational(4, 3), 90).unwrap(), (1080, 1920));
        assert_eq!(shown(720, 576, Rational(0, 1), 0).unwrap(), (720, 576));
        assert_eq!(with_lines((1920, 1080), 360), (640, 360));
        assert_eq!(with_lines((1080, 1920), 360), (360, 640));
        assert_eq!(with_lines((320, 240), 360), (320, 240));
        assert_eq!(with_lines((853, 480), 360), (640, 360));
        assert_eq!(fit((16_000, 16), (240, 240)), (240, 16));
        assert!(shown(0, 5, square, 0).is_err());
        assert!(shown(20_000, 5, square, 0).is_err());
    }
}
