//! The record of a recording's own statements, bounded and cleaned: every text in it comes from a camera.

use std::collections::BTreeMap;

use ffmpeg_next::Rational;
use ffmpeg_next::format::context::Input;
use ffmpeg_next::format::stream::Disposition;
use ffmpeg_next::media::Type;
use jiff::Timestamp;

use super::audio::rate_and_channels;
use super::container::Structure;
use super::recording::Recording;
use super::stream::{frame_rate, orientation};
use super::text::clean;
use super::video::VideoDecoder;
use crate::model::{Probe, ProbeAudio, ProbeVideo, Remark, RemarkCode};
use crate::sys;

const TAGS_MAX: usize = 32;
const TRACKS_MAX: usize = 16;
const DAY_SECONDS: i64 = 86_400;

pub fn probe(recording: &mut Recording, decoder: Option<&VideoDecoder>) -> Probe {
    let keys = recording
        .video
        .and_then(|index| sys::key_frames(&mut recording.input, index));
    let input = &recording.input;
    let tags = tags_of(input, None);
    let video = recording
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
            rotation: orientation(&stream).unwrap_or_default().degrees,
            key_frames: keys.map(|(keys, _)| keys),
        });
    let mut created = tags.get("creation_time").and_then(|t| time(t));
    let mut location = None;
    let (mut audio, mut other_tracks, mut other_videos) = (Vec::new(), Vec::new(), 0);
    for stream in input.streams() {
        let stream_tags = tags_of(input, Some(stream.index()));
        created = created.or_else(|| stream_tags.get("creation_time").and_then(|t| time(t)));
        let parameters = stream.parameters();
        let is_video = recording.video == Some(stream.index());
        let cover = stream.disposition().contains(Disposition::ATTACHED_PIC);
        other_videos += u64::from(parameters.medium() == Type::Video && !is_video && !cover);
        if parameters.medium() == Type::Audio && audio.len() < TRACKS_MAX {
            let (rate, channels) = rate_and_channels(&stream);
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
        recording
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
    let mut remarks = recording.structure.remarks();
    if other_videos > 0 {
        remarks.push(Remark::new(RemarkCode::OtherVideo, other_videos));
    }
    Probe {
        container: clean(input.format().name()),
        duration_ms: recording.duration_ms(),
        index: recording.structure.index,
        video,
        audio,
        created,
        location,
        other_tracks,
        remarks,
        tags,
    }
}

/// The outermost structure is all that can be shown of an MP4 whose index was never written.
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
        remarks: structure.remarks(),
        tags: brand.into_iter().chain([media]).collect(),
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
    // A camera whose clock was never set says 1904 or 1970.
    text.parse::<Timestamp>()
        .ok()
        .filter(|t| t.as_second() > DAY_SECONDS)
}
