//! The size and shape in which pictures are shown, and the scaler that brings them there.

use ffmpeg_next::format::Pixel;
use ffmpeg_next::software::scaling;
use ffmpeg_next::{Rational, frame};

use super::error::FootageError;
use super::stream::Orientation;
use super::yuv::{Yuv, even};

/// The longest side of a picture, in pixels.
const SIDE_MAX: u32 = 16_384;

/// Width and height of a picture as it is shown: with square pixels, and turned upright.
fn shown(
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

/// The largest even size of a shape within a box. What differs from the box by less than a hundredth becomes the box.
fn filling((width, height): (u64, u64), (box_width, box_height): (usize, usize)) -> (usize, usize) {
    let (width, height) = (width.max(1) as f64, height.max(1) as f64);
    let scale = (box_width as f64 / width).min(box_height as f64 / height);
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "no larger than the box"
    )]
    let side = |length: f64, whole: usize| {
        let length = (length * scale).round() as usize;
        if (whole - length.min(whole)) * 100 <= whole {
            whole
        } else {
            (length & !1).max(2)
        }
    };
    (side(width, box_width), side(height, box_height))
}

/// The shape and orientation in which a picture is to be shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct View {
    /// Pixels as decoded.
    pub width: u32,
    pub height: u32,
    /// The shape of one pixel.
    pub aspect: Rational,
    pub orientation: Orientation,
}

impl View {
    /// Width and height with square pixels, turned upright.
    pub fn shown(&self) -> Result<(u64, u64), FootageError> {
        shown(
            self.width,
            self.height,
            self.aspect,
            self.orientation.degrees,
        )
    }
}

/// Draws pictures upright onto a ground of one size. The first one fills it; later ones of another shape get dark edges.
pub struct Canvas {
    size: (usize, usize),
    first: View,
    last: View,
    /// Where the picture lies on the ground.
    inner: (usize, usize),
    scaler: Scaler,
    scaled: frame::Video,
    drawn: frame::Video,
    changes: u64,
}

impl Canvas {
    pub fn new(format: Pixel, size: (usize, usize), first: View) -> Self {
        let mut canvas = Self {
            size,
            first,
            last: first,
            inner: size,
            scaler: Scaler::new(format, size),
            scaled: frame::Video::empty(),
            drawn: frame::Video::new(format, side(size.0), side(size.1)),
            changes: 0,
        };
        canvas.aim();
        canvas
    }

    pub const fn size(&self) -> (usize, usize) {
        self.size
    }

    /// The number of changes of the pictures' size, shape or orientation.
    pub const fn changes(&self) -> u64 {
        self.changes
    }

    /// Draws one picture; the result is overwritten by the next.
    pub fn draw(
        &mut self,
        picture: &frame::Video,
        view: View,
    ) -> Result<&mut frame::Video, FootageError> {
        if view != self.last {
            self.inner = if view == self.first {
                self.size
            } else {
                filling(view.shown()?, self.size)
            };
            self.last = view;
            self.changes += 1;
            self.aim();
        }
        self.scaler.run(picture, &mut self.scaled)?;
        if self.inner == self.size && view.orientation == Orientation::default() {
            return Ok(&mut self.scaled);
        }
        let upright = Yuv::from_frame(&self.scaled).upright(view.orientation);
        if self.inner == self.size {
            upright.to_frame(&mut self.drawn);
        } else {
            let mut ground = Yuv::new(self.size.0, self.size.1);
            let (x, y) = (self.size.0 - self.inner.0, self.size.1 - self.inner.1);
            ground.paste(&upright, x / 2, y / 2);
            ground.to_frame(&mut self.drawn);
        }
        Ok(&mut self.drawn)
    }

    /// An empty ground.
    pub fn blank(&mut self) -> &mut frame::Video {
        Yuv::new(self.size.0, self.size.1).to_frame(&mut self.drawn);
        &mut self.drawn
    }

    /// Scales to the size that the picture has before it is turned upright.
    fn aim(&mut self) {
        let (width, height) = self.inner;
        let quarter = !self.last.orientation.degrees.is_multiple_of(180);
        let to = if quarter {
            (height, width)
        } else {
            (width, height)
        };
        self.scaler = Scaler::new(self.scaler.format, to);
        self.scaled = frame::Video::empty();
    }
}

fn side(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(2)
}

/// Scales pictures of any size and format to one; the size may change within a recording.
struct Scaler {
    context: Option<scaling::Context>,
    format: Pixel,
    width: u32,
    height: u32,
}

impl Scaler {
    fn new(format: Pixel, (width, height): (usize, usize)) -> Self {
        Self {
            context: None,
            format,
            width: side(width),
            height: side(height),
        }
    }

    fn run(&mut self, from: &frame::Video, to: &mut frame::Video) -> Result<(), FootageError> {
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
        assert_eq!(filling((360, 480), (640, 360)), (270, 360));
        assert_eq!(filling((100, 100), (640, 360)), (360, 360));
        assert_eq!(filling((1922, 1080), (640, 360)), (640, 360));
        assert_eq!(filling((1, 16_000), (640, 360)), (2, 360));
        assert!(shown(0, 5, square, 0).is_err());
        assert!(shown(20_000, 5, square, 0).is_err());
    }
}
