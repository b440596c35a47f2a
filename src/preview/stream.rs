//! A stream's units of time, its rate, and how its pictures are turned.

use ffmpeg_next::codec::packet::side_data::Type as SideData;
use ffmpeg_next::{Rational, Stream};

pub const MILLISECONDS: Rational = Rational(1, 1000);

/// When the stream begins, in milliseconds; 0 when it does not say.
pub fn start_ms(stream: &Stream<'_>) -> i64 {
    let start = stream.start_time();
    // The smallest number stands for "unknown".
    let start = if start == i64::MIN { 0 } else { start };
    rescale(start, stream.time_base(), MILLISECONDS)
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

/// Degrees clockwise that a player turns the picture by, from the track's display matrix.
pub fn rotation(stream: &Stream<'_>) -> u32 {
    stream
        .side_data()
        .find(|side| side.kind() == SideData::DisplayMatrix)
        .map_or(0, |side| matrix_rotation(side.data()))
}

fn matrix_rotation(bytes: &[u8]) -> u32 {
    let number = |at: usize| {
        let four = bytes.get(at * 4..at * 4 + 4)?;
        Some(i64::from(i32::from_ne_bytes(four.try_into().ok()?)))
    };
    let (Some(a), Some(b)) = (number(0), number(1)) else {
        return 0;
    };
    if a.abs() >= b.abs() {
        if a >= 0 { 0 } else { 180 }
    } else if b > 0 {
        90
    } else {
        270
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_display_matrix_gives_quarter_turns() {
        let matrix = |a: i32, b: i32| [a.to_ne_bytes(), b.to_ne_bytes()].concat();
        let one = 1 << 16;
        assert_eq!(matrix_rotation(&matrix(one, 0)), 0);
        assert_eq!(matrix_rotation(&matrix(0, one)), 90);
        assert_eq!(matrix_rotation(&matrix(-one, 0)), 180);
        assert_eq!(matrix_rotation(&matrix(0, -one)), 270);
        assert_eq!(matrix_rotation(&[1, 2, 3]), 0);
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
