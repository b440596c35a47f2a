//! What goes between a worker and the encoder beside it: pictures there, packets back. Fixed heads and bounded lengths, so
//! that neither side parses anything that the other could make up.

use std::io::{self, Read, Write};

use ffmpeg_next::{Rational, frame};

use super::super::yuv::Yuv;

/// Of one side of a proxy's picture.
const SIDE: std::ops::RangeInclusive<u32> = 16..=1920;
/// Packets are never larger than the picture itself and this much.
const OVERHEAD: usize = 64 << 10;
/// Parameter sets have some dozens of bytes.
const SETS_MAX: usize = 4096;

const PICTURE: u8 = 1;
const LAST: u8 = 2;
const READY: u8 = 3;
const PACKET: u8 = 4;
const DONE: u8 = 5;

/// The first words to an encoder: what all pictures are like. They are 4:2:0 with 8 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    pub width: u32,
    pub height: u32,
    /// Pictures a second, nearly.
    pub rate: Rational,
}

impl Shape {
    pub const BYTES: usize = 16;

    pub fn encode(&self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        let words = [
            self.width,
            self.height,
            self.rate.numerator().unsigned_abs(),
            self.rate.denominator().unsigned_abs(),
        ];
        for (four, word) in bytes.chunks_exact_mut(4).zip(words) {
            four.copy_from_slice(&word.to_be_bytes());
        }
        bytes
    }

    /// `None` for what no proxy is like.
    pub fn decode(bytes: &[u8; Self::BYTES]) -> Option<Self> {
        let word = |at: usize| {
            let four = [bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]];
            u32::from_be_bytes(four)
        };
        let (width, height, over, under) = (word(0), word(4), word(8), word(12));
        let sides = [width, height];
        let (most, times) = (i32::MAX.unsigned_abs(), u64::from(over));
        let sensible = sides.iter().all(|s| SIDE.contains(s) && s % 2 == 0)
            && (1..=most).contains(&over)
            && (1..=most).contains(&under)
            && times * 10 >= u64::from(under)
            && times <= u64::from(under) * 240;
        sensible.then_some(())?;
        Some(Self {
            width,
            height,
            rate: Rational(i32::try_from(over).ok()?, i32::try_from(under).ok()?),
        })
    }

    /// Pictures from one key picture to the next: two seconds, so that jumping in the preview is quick.
    pub fn key_distance(&self) -> u32 {
        let per_second = f64::from(self.rate.numerator()) / f64::from(self.rate.denominator());
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "at most 60"
        )]
        let distance = (per_second.min(30.0) * 2.0).round().max(1.0) as u32;
        distance
    }

    /// For encoders that know no quality, only bits a second.
    pub const fn bits_per_second(&self) -> u32 {
        self.width * self.height * 3
    }

    /// Width and height of a plane.
    const fn plane(&self, index: usize) -> (usize, usize) {
        let (width, height) = (self.width as usize, self.height as usize);
        if index == 0 {
            (width, height)
        } else {
            (width / 2, height / 2)
        }
    }

    const fn packet_max(&self) -> usize {
        self.width as usize * self.height as usize * 3 / 2 + OVERHEAD
    }
}

/// Writes a picture from a frame in YUV 4:2:0: straight from its planes where its rows lie without gaps.
pub fn write_picture(to: &mut impl Write, shape: &Shape, frame: &frame::Video) -> io::Result<()> {
    let mut head = [PICTURE; 9];
    head[1..].copy_from_slice(&frame.pts().unwrap_or(0).to_be_bytes());
    to.write_all(&head)?;
    if (0..3).all(|index| frame.stride(index) == shape.plane(index).0) {
        for index in 0..3 {
            let (width, height) = shape.plane(index);
            to.write_all(&frame.data(index)[..width * height])?;
        }
    } else {
        for plane in Yuv::from_frame(frame).planes {
            to.write_all(&plane)?;
        }
    }
    Ok(())
}

pub fn write_last(to: &mut impl Write) -> io::Result<()> {
    to.write_all(&[LAST; 9])
}

/// Reads a picture into planes without gaps; its time, or `None` after the last one.
pub fn read_picture(
    from: &mut impl Read,
    shape: &Shape,
    planes: &mut [Vec<u8>; 3],
) -> io::Result<Option<i64>> {
    let mut head = [0; 9];
    from.read_exact(&mut head)?;
    let [kind, pts @ ..] = head;
    match kind {
        LAST => return Ok(None),
        PICTURE => {}
        _ => return Err(io::ErrorKind::InvalidData.into()),
    }
    for (index, plane) in planes.iter_mut().enumerate() {
        let (width, height) = shape.plane(index);
        plane.resize(width * height, 0);
        from.read_exact(plane)?;
    }
    Ok(Some(i64::from_be_bytes(pts)))
}

/// What an encoder says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// It works, its sandbox is closed: its number and the stream's parameter sets.
    Ready {
        encoder: i64,
        extradata: Vec<u8>,
    },
    Packet {
        pts: i64,
        bytes: Vec<u8>,
    },
    /// All packets were given.
    Done,
}

impl Reply {
    pub fn write(&self, to: &mut impl Write) -> io::Result<()> {
        let none = Vec::new();
        let (kind, number, bytes) = match self {
            Self::Ready { encoder, extradata } => (READY, *encoder, extradata),
            Self::Packet { pts, bytes } => (PACKET, *pts, bytes),
            Self::Done => (DONE, 0, &none),
        };
        let length = u32::try_from(bytes.len()).map_err(|_| io::ErrorKind::InvalidData)?;
        let mut message = Vec::with_capacity(13 + bytes.len());
        message.push(kind);
        message.extend_from_slice(&number.to_be_bytes());
        message.extend_from_slice(&length.to_be_bytes());
        message.extend_from_slice(bytes);
        to.write_all(&message)
    }

    /// Nothing longer than a packet of such pictures can be is read, or made room for.
    pub fn read(from: &mut impl Read, shape: &Shape) -> io::Result<Self> {
        let wrong = || io::Error::from(io::ErrorKind::InvalidData);
        let mut head = [0; 13];
        from.read_exact(&mut head)?;
        let [kind, number @ .., a, b, c, d] = head;
        let number = i64::from_be_bytes(number);
        let length = usize::try_from(u32::from_be_bytes([a, b, c, d])).map_err(|_| wrong())?;
        let most = match kind {
            READY => SETS_MAX,
            PACKET => shape.packet_max(),
            DONE => 0,
            _ => return Err(wrong()),
        };
        if length > most || (length == 0 && kind != DONE) {
            return Err(wrong());
        }
        let mut bytes = vec![0; length];
        from.read_exact(&mut bytes)?;
        Ok(match kind {
            READY => Self::Ready {
                encoder: number,
                extradata: bytes,
            },
            PACKET => Self::Packet { pts: number, bytes },
            _ => Self::Done,
        })
    }
}

#[cfg(test)]
mod tests {
    use ffmpeg_next::format::Pixel;
    use proptest::prelude::*;

    use super::*;

    const SHAPE: Shape = Shape {
        width: 640,
        height: 360,
        rate: Rational(30_000, 1001),
    };

    #[test]
    fn shapes_of_no_proxy_are_refused() {
        assert_eq!(Shape::decode(&SHAPE.encode()), Some(SHAPE));
        assert_eq!(SHAPE.key_distance(), 60);
        let with = |width, height, rate| {
            let shape = Shape {
                width,
                height,
                rate,
            };
            Shape::decode(&shape.encode())
        };
        assert!(with(1920, 480, Rational(1, 10)).is_some());
        for (width, height, rate) in [
            (641, 360, Rational(25, 1)),
            (640, 0, Rational(25, 1)),
            (640, 1922, Rational(25, 1)),
            (640, 360, Rational(0, 1)),
            (640, 360, Rational(25, 0)),
            (640, 360, Rational(241, 1)),
            (640, 360, Rational(1, 11)),
        ] {
            assert_eq!(with(width, height, rate), None, "{width} × {height} {rate}");
        }
    }

    #[test]
    fn a_picture_comes_through_whether_its_rows_have_gaps_or_not() {
        for width in [64, 36] {
            let shape = Shape {
                width,
                height: 16,
                ..SHAPE
            };
            let mut frame = frame::Video::new(Pixel::YUV420P, width, 16);
            let mut picture = Yuv::from_frame(&frame);
            for plane in &mut picture.planes {
                for (at, dot) in plane.iter_mut().enumerate() {
                    *dot = u8::try_from(at % 251).unwrap();
                }
            }
            picture.to_frame(&mut frame);
            frame.set_pts(Some(-7));
            let mut sent = Vec::new();
            write_picture(&mut sent, &shape, &frame).unwrap();
            write_last(&mut sent).unwrap();
            let (mut from, mut planes) = (&sent[..], Default::default());
            let pts = read_picture(&mut from, &shape, &mut planes).unwrap();
            assert_eq!((pts, &planes), (Some(-7), &picture.planes));
            assert_eq!(read_picture(&mut from, &shape, &mut planes).unwrap(), None);
        }
    }

    #[test]
    fn replies_come_through_and_nothing_longer_than_allowed() {
        let packet = |length| Reply::Packet {
            pts: 90_000,
            bytes: vec![7; length],
        };
        let ready = Reply::Ready {
            encoder: 1,
            extradata: vec![1, 2, 3],
        };
        let whole = packet(SHAPE.packet_max());
        for reply in [ready, packet(1), whole, Reply::Done] {
            let mut sent = Vec::new();
            reply.write(&mut sent).unwrap();
            assert_eq!(Reply::read(&mut &sent[..], &SHAPE).unwrap(), reply);
        }
        for reply in [packet(0), packet(SHAPE.packet_max() + 1)] {
            let mut sent = Vec::new();
            reply.write(&mut sent).unwrap();
            assert!(Reply::read(&mut &sent[..], &SHAPE).is_err());
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            let _ = Reply::read(&mut &bytes[..], &SHAPE);
            let _ = read_picture(&mut &bytes[..], &SHAPE, &mut Default::default());
        }
    }
}
