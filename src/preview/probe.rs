//! What a file says of itself, bounded and cleaned: every text in it comes from a camera.

use std::collections::BTreeMap;

use ffmpeg_next::codec::packet::side_data::Type as SideData;
use ffmpeg_next::format::context::Input;
use ffmpeg_next::media::Type;
use ffmpeg_next::{Rational, Stream};
use jiff::Timestamp;

use super::container::Structure;
use super::decode::VideoDecoder;
use super::input::Opened;
use crate::model::{Probe, ProbeAudio, ProbeVideo};
use crate::sys;

const TEXT_MAX: usize = 160;
const TAGS_MAX: usize = 32;
const TRACKS_MAX: usize = 16;
/// Microseconds.
const SECOND: i64 = 1_000_000;

pub fn probe(opened: &mut Opened, decoder: Option<&VideoDecoder>) -> Probe {
    let keys = opened
        .video
        .and_then(|index| sys::key_frames(&mut opened.input, index));
    let input = &opened.input;
    let tags = tags_of(input, None);
    let video = opened
        .video
        .zip(decoder)
        .and_then(|(index, decoder)| Some((input.stream(index)?, decoder)))
        .map(|(stream, decoder)| ProbeVideo {
            codec: decoder.codec_name(),
            profile: decoder.profile(),
            width: decoder.width(),
            height: decoder.height(),
            pixel_format: decoder.pixel_format(),
            frame_rate: fraction(frame_rate(&stream)),
            pixel_aspect: fraction(decoder.aspect()),
            rotation: rotation(&stream),
            key_frames: keys.map(|(keys, _)| keys),
        });
    let mut created = tags.get("creation_time").and_then(|t| time(t));
    let mut location = None;
    let (mut audio, mut other_tracks) = (Vec::new(), Vec::new());
    for stream in input.streams() {
        let stream_tags = tags_of(input, Some(stream.index()));
        created = created.or_else(|| stream_tags.get("creation_time").and_then(|t| time(t)));
        let parameters = stream.parameters();
        let is_video = opened.video == Some(stream.index());
        if parameters.medium() == Type::Audio && audio.len() < TRACKS_MAX {
            let (rate, channels) = super::audio::rate_and_channels(&stream);
            audio.push(ProbeAudio {
                codec: parameters.id().name().to_owned(),
                rate,
                channels,
            });
        } else if !is_video && other_tracks.len() < TRACKS_MAX {
            let name = stream_tags
                .get("handler_name")
                .or_else(|| stream_tags.get("title"));
            let codec = match parameters.id().name() {
                "none" | "unknown_codec" | "" => {
                    format!("{:?}", parameters.medium()).to_lowercase()
                }
                name => name.to_owned(),
            };
            other_tracks.push(match name {
                Some(name) => format!("{codec} ({name})"),
                None => codec,
            });
        }
    }
    other_tracks.extend(
        opened
            .structure
            .hidden
            .iter()
            .map(|name| (*name).to_owned()),
    );
    for key in [
        "location",
        "com.apple.quicktime.location.ISO6709",
        "location-eng",
        "xyz",
    ] {
        location = location.or_else(|| tags.get(key).cloned());
    }
    Probe {
        container: clean(input.format().name()),
        duration_ms: duration_ms(opened),
        index: opened.structure.index,
        video,
        audio,
        created,
        location,
        other_tracks,
        tags,
    }
}

/// Of an MP4 that ffmpeg cannot open because its index was never written: what its outermost structure shows.
pub fn without_index(structure: &Structure) -> Probe {
    let brand = structure.brand.map(|brand| {
        let text = clean(&String::from_utf8_lossy(&brand));
        ("major_brand".to_owned(), text)
    });
    let media = ("media_bytes".to_owned(), structure.media_bytes.to_string());
    Probe {
        container: "mov,mp4".into(),
        duration_ms: None,
        index: structure.index,
        video: None,
        audio: Vec::new(),
        created: None,
        location: None,
        other_tracks: structure.hidden.iter().map(|n| (*n).to_owned()).collect(),
        tags: brand.into_iter().chain([media]).collect(),
    }
}

/// Of the whole file, as the container or its streams claim it.
pub fn duration_ms(opened: &Opened) -> Option<u64> {
    let of_file = opened.input.duration();
    let micros = if of_file > 0 {
        of_file
    } else {
        let stream = opened.input.stream(opened.video?)?;
        if stream.duration() <= 0 {
            return None;
        }
        rescale(
            stream.duration(),
            stream.time_base(),
            Rational(1, 1_000_000),
        )
    };
    u64::try_from(micros / 1000).ok().filter(|ms| *ms > 0)
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

fn fraction(rational: Rational) -> String {
    format!("{}/{}", rational.numerator(), rational.denominator())
}

fn tags_of(input: &Input, stream: Option<usize>) -> BTreeMap<String, String> {
    sys::tags(input, stream, TAGS_MAX)
        .into_iter()
        .map(|(key, value)| (clean(&key), clean(&value)))
        .filter(|(key, value)| !key.is_empty() && !value.is_empty())
        .collect()
}

fn time(text: &str) -> Option<Timestamp> {
    // Cameras whose clock was never set say 1904 or 1970.
    text.parse::<Timestamp>()
        .ok()
        .filter(|t| t.as_second() > 86_400 * SECOND / 1_000_000)
}

/// One line of at most 160 characters.
pub fn clean(text: &str) -> String {
    let shown = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(TEXT_MAX);
    shown.collect::<String>().trim().to_owned()
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

    #[test]
    fn texts_are_one_bounded_line() {
        assert_eq!(clean("a\nb\0c "), "a b c");
        assert_eq!(clean(&"x".repeat(1000)).len(), TEXT_MAX);
    }
}
