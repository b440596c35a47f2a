//! Pictures as YUV 4:2:0 planes, which are turned, pasted and labelled here, without ffmpeg's filters.

use ffmpeg_next::frame;

use super::font;
use super::stream::Orientation;

/// Width and height are even. There are no gaps between rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Yuv {
    pub width: usize,
    pub height: usize,
    /// Luma, then the two chroma planes of half the width and height.
    pub planes: [Vec<u8>; 3],
}

/// A line of text on a dark ground, ready to be put on many pictures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label(Yuv);

const DARK: u8 = 24;
const BRIGHT: u8 = 235;
const NO_COLOUR: u8 = 128;

/// The nearest even number, at least 2.
pub fn even(length: u64) -> usize {
    usize::try_from((length + 1) & !1)
        .unwrap_or(usize::MAX - 1)
        .max(2)
}

impl Yuv {
    pub fn new(width: usize, height: usize) -> Self {
        let (width, height) = (width.next_multiple_of(2), height.next_multiple_of(2));
        Self {
            width,
            height,
            planes: [
                vec![DARK; width * height],
                vec![NO_COLOUR; width * height / 4],
                vec![NO_COLOUR; width * height / 4],
            ],
        }
    }

    /// Copies a frame of a 4:2:0 format with 8 bits whose size is even.
    pub fn from_frame(source: &frame::Video) -> Self {
        let mut picture = Self::new(source.width() as usize, source.height() as usize);
        for index in 0..3 {
            let (width, height) = picture.size(index);
            let (stride, data) = (source.stride(index), source.data(index));
            for row in 0..height {
                picture.planes[index][row * width..][..width]
                    .copy_from_slice(&data[row * stride..][..width]);
            }
        }
        picture
    }

    /// Copies into a frame of the same size and format.
    pub fn to_frame(&self, target: &mut frame::Video) {
        for index in 0..3 {
            let (width, height) = self.size(index);
            let stride = target.stride(index);
            let data = target.data_mut(index);
            for row in 0..height {
                data[row * stride..][..width]
                    .copy_from_slice(&self.planes[index][row * width..][..width]);
            }
        }
    }

    /// Width and height of a plane.
    pub fn size(&self, index: usize) -> (usize, usize) {
        if index == 0 {
            (self.width, self.height)
        } else {
            (self.width / 2, self.height / 2)
        }
    }

    pub fn upright(mut self, orientation: Orientation) -> Self {
        if orientation.mirrored {
            for index in 0..3 {
                let (width, _) = self.size(index);
                for row in self.planes[index].chunks_exact_mut(width) {
                    row.reverse();
                }
            }
        }
        self.turned(orientation.degrees)
    }

    /// Turns the picture clockwise by 0, 90, 180 or 270 degrees.
    fn turned(self, degrees: u32) -> Self {
        if degrees == 0 {
            return self;
        }
        let (width, height) = if degrees == 180 {
            (self.width, self.height)
        } else {
            (self.height, self.width)
        };
        let mut turned = Self::new(width, height);
        for index in 0..3 {
            let (from_width, from_height) = self.size(index);
            let (width, height) = turned.size(index);
            let from = &self.planes[index];
            let to = &mut turned.planes[index];
            for row in 0..height {
                for column in 0..width {
                    let (x, y) = match degrees {
                        90 => (row, from_height - 1 - column),
                        180 => (from_width - 1 - column, from_height - 1 - row),
                        _ => (from_width - 1 - row, column),
                    };
                    to[row * width + column] = from[y * from_width + x];
                }
            }
        }
        turned
    }

    /// Puts a picture on this one, cut off at the edges. The place is rounded down to even numbers.
    pub fn paste(&mut self, picture: &Self, x: usize, y: usize) {
        for index in 0..3 {
            let shift = usize::from(index > 0);
            let (x, y) = ((x & !1) >> shift, (y & !1) >> shift);
            let (width, height) = self.size(index);
            let (from_width, from_height) = picture.size(index);
            let wide = from_width.min(width.saturating_sub(x));
            for row in 0..from_height.min(height.saturating_sub(y)) {
                self.planes[index][(y + row) * width + x..][..wide]
                    .copy_from_slice(&picture.planes[index][row * from_width..][..wide]);
            }
        }
    }

    pub fn stamp(&mut self, label: &Label, x: usize, y: usize) {
        self.paste(&label.0, x, y);
    }
}

impl Label {
    /// `dot` is the size of one dot of a letter, in pixels.
    pub fn new(text: &str, dot: usize) -> Self {
        let letters = text.chars().count();
        let width = (letters * (font::WIDTH + 1) + 1) * dot + 2;
        let mut ground = Yuv::new(width, (font::HEIGHT + 2) * dot);
        for (at, letter) in text.chars().enumerate() {
            for (row, bits) in font::glyph(letter).into_iter().enumerate() {
                for column in (0..font::WIDTH).filter(|c| bits & (0b10000 >> c) != 0) {
                    let x = (1 + at * (font::WIDTH + 1) + column) * dot + 1;
                    for line in 0..dot {
                        let start = ((1 + row) * dot + line) * ground.width + x;
                        ground.planes[0][start..start + dot].fill(BRIGHT);
                    }
                }
            }
        }
        Self(ground)
    }

    pub const fn width(&self) -> usize {
        self.0.width
    }

    pub const fn height(&self) -> usize {
        self.0.height
    }

    /// Puts the label on a frame of a 4:2:0 format with 8 bits, cut off at the edges.
    pub fn stamp(&self, target: &mut frame::Video, x: usize, y: usize) {
        let (width, height) = (target.width() as usize, target.height() as usize);
        for index in 0..3 {
            let shift = usize::from(index > 0);
            let (x, y) = ((x & !1) >> shift, (y & !1) >> shift);
            let stride = target.stride(index);
            let (from_width, from_height) = self.0.size(index);
            let wide = from_width.min((width >> shift).saturating_sub(x));
            let data = target.data_mut(index);
            for row in 0..from_height.min((height >> shift).saturating_sub(y)) {
                data[(y + row) * stride + x..][..wide]
                    .copy_from_slice(&self.0.planes[index][row * from_width..][..wide]);
            }
        }
    }
}

/// `H:MM:SS`
pub fn running_time(seconds: u64) -> String {
    format!(
        "{}:{:02}:{:02}",
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbered(width: usize, height: usize) -> Yuv {
        let mut picture = Yuv::new(width, height);
        for plane in &mut picture.planes {
            for (at, dot) in plane.iter_mut().enumerate() {
                *dot = u8::try_from(at % 251).unwrap();
            }
        }
        picture
    }

    #[test]
    fn turning_four_times_by_a_quarter_is_no_turn() {
        let picture = numbered(6, 4);
        let quarter = picture.clone().turned(90);
        assert_eq!((quarter.width, quarter.height), (4, 6));
        // The top left corner goes to the top right.
        assert_eq!(quarter.planes[0][3], picture.planes[0][0]);
        assert_eq!(quarter.clone().turned(90), picture.clone().turned(180));
        assert_eq!(quarter.turned(270), picture);
        assert_eq!(picture.clone().turned(270).turned(90), picture);
    }

    #[test]
    fn a_label_is_cut_off_at_the_edge() {
        let label = Label::new("PREVIEW – not the original", 2);
        assert!(label.width() > 300 && label.height() == 18);
        let mut picture = Yuv::new(16, 8);
        picture.stamp(&label, 4, 4);
        picture.stamp(&label, 40, 40);
        assert_eq!(picture.planes[0].len(), 128);
    }
}
