//! The size and shape in which pictures are shown, and the scaler that brings them there.

use ffmpeg_next::format::Pixel;
use ffmpeg_next::software::scaling;
use ffmpeg_next::{Rational, frame};

use super::error::FootageError;
use super::yuv::even;

/// The longest side of a picture, in pixels.
const SIDE_MAX: u32 = 16_384;

/// Width and height of a picture as it is shown: with square pixels, and turned upright.
pub fn shown(
    width: u32,
    height: u32,
    aspect: Rational,
    rotation: u32,
) -> Result<(u64, u64), FootageError> {
    if !(1..=SIDE_MAX).contains(&width) || !(1..=SIDE_MAX).contains(&height) {
        return Err(FootageError::Size(width, height));
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

/// The even size whose shorter side is `lines`; never larger than the picture.
pub fn with_lines((width, height): (u64, u64), lines: u64) -> (usize, usize) {
    let long = lines * 4;
    if width < height {
        fit((width, height), (lines, long))
    } else {
        fit((width, height), (long, lines))
    }
}

/// Scales pictures of any size and format to one; the size may change within a recording.
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

    pub fn run(&mut self, from: &frame::Video, to: &mut frame::Video) -> Result<(), FootageError> {
        let failed = FootageError::ffmpeg("scale a picture");
        let fits = self.context.as_ref().is_some_and(|context| {
            let input = context.input();
            (input.format, input.width, input.height)
                == (from.format(), from.width(), from.height())
        });
        if !fits {
            if !(1..=SIDE_MAX).contains(&from.width()) || !(1..=SIDE_MAX).contains(&from.height()) {
                return Err(FootageError::Size(from.width(), from.height()));
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
