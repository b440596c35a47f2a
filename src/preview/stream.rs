//! A stream's units of time, its rate, and how its pictures are turned.

use ffmpeg_next::codec::packet::side_data::Type as SideData;
use ffmpeg_next::{Rational, Stream, frame};

pub const MILLISECONDS: Rational = Rational(1, 1000);

/// When the stream begins, in milliseconds; 0 when it does not say.
pub fn start_ms(stream: &Stream<'_>) -> i64 {
    known_start_ms(stream).unwrap_or(0)
}

/// When the stream says that it begins, in milliseconds.
pub fn known_start_ms(stream: &Stream<'_>) -> Option<i64> {
    // The smallest number stands for "unknown".
    let start = Some(stream.start_time()).filter(|start| *start != i64::MIN)?;
    Some(rescale(start, stream.time_base(), MILLISECONDS))
}

/// `value` of one unit in another; saturates, and is 0 for units that make no sense.
pub fn rescale(value: i64, from: Rational, to: Rational) -> i64 {
    let over = i128::from(value) * i128::from(from.numerator()) * i128::from(to.denominator());
    let under = i128::from(from.denominator()) * i128::from(to.numerator());
    if under == 0 {
        return 0;
    }
    let wide = over / under;
    i64::try_from(wide).unwrap_or(if wide > 0 { i64::MAX } else { i64::MIN })
}

pub fn frame_rate(stream: &Stream<'_>) -> Rational {
    let usable = |rate: &Rational| rate.numerator() > 0 && rate.denominator() > 0;
    Some(stream.avg_frame_rate())
        .filter(usable)
        .or_else(|| Some(stream.rate()).filter(usable))
        .unwrap_or(Rational(0, 1))
}

/// The steps by which a player turns the picture upright: first mirrored, its left side to the right, then turned clockwise.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Orientation {
    pub mirrored: bool,
    /// 0, 90, 180 or 270.
    pub degrees: u32,
}

/// The orientation in the track's display matrix; `None` when it has none.
pub fn orientation(stream: &Stream<'_>) -> Option<Orientation> {
    let mut sides = stream.side_data();
    let matrix = sides.find(|side| side.kind() == SideData::DisplayMatrix)?;
    Some(matrix_orientation(matrix.data()))
}

/// The orientation in a picture's own message (H.264 and HEVC); `None` when it has none.
pub fn picture_orientation(picture: &frame::Video) -> Option<Orientation> {
    let matrix = picture.side_data(frame::side_data::Type::DisplayMatrix)?;
    Some(matrix_orientation(matrix.data()))
}

fn matrix_orientation(bytes: &[u8]) -> Orientation {
    let number = |at: usize| {
        let four = bytes.get(at * 4..at * 4 + 4)?;
        Some(i64::from(i32::from_ne_bytes(four.try_into().ok()?)))
    };
    let (Some(a), Some(b), Some(c), Some(d)) = (number(0), number(1), number(3), number(4)) else {
        return Orientation::default();
    };
    // Each is 32 bits, so the products cannot overflow.
    let mirrored = a * d - b * c < 0;
    let (a, b) = if mirrored { (-a, -b) } else { (a, b) };
    let degrees = if a.abs() >= b.abs() {
        if a >= 0 { 0 } else { 180 }
    } else if b > 0 {
        90
    } else {
        270
    };
    Orientation { mirrored, degrees }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_display_matrix_gives_quarter_turns_and_mirrors() {
        let one = 1 << 16;
        let of = |[a, b, c, d]: [i32; 4]| {
            let bytes: Vec<u8> = [a, b, 0, c, d]
                .iter()
                .flat_map(|n| n.to_ne_bytes())
                .collect();
            let found = matrix_orientation(&bytes);
            (found.mirrored, found.degrees)
        };
        assert_eq!(of([one, 0, 0, one]), (false, 0));
        assert_eq!(of([0, one, -one, 0]), (false, 90));
        assert_eq!(of([-one, 0, 0, -one]), (false, 180));
        assert_eq!(of([0, -one, one, 0]), (false, 270));
        assert_eq!(of([-one, 0, 0, one]), (true, 0));
        assert_eq!(of([one, 0, 0, -one]), (true, 180));
        assert_eq!(matrix_orientation(&[1, 2, 3]), Orientation::default());
    }

    #[test]
    fn rescaling_saturates_and_never_divides_by_zero() {
        assert_eq!(
            rescale(90_000, Rational(1, 90_000), Rational(1, 1000)),
            1000
        );
        assert_eq!(
            rescale(i64::MAX, Rational(1, 1), Rational(1, 1000)),
            i64::MAX
        );
        assert_eq!(rescale(5, Rational(1, 0), Rational(1, 1000)), 0);
    }
}
