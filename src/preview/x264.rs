//! H.264 for proxies by libx264, in the worker itself.

use ffmpeg_next::format::Pixel;
use ffmpeg_next::{Dictionary, Rational, codec, encoder};

use super::error::FootageError;

/// The unit of time of all proxies.
pub const TIME_BASE: Rational = Rational(1, 90_000);

const ENCODER: &str = "libx264";
const PRESET: &str = "veryfast";
const PROFILE: &str = "baseline";
const QUALITY: &str = "28";

/// The encoder's settings as a proxy's record names them.
pub const SETTINGS: [(&str, &str); 4] = [
    ("encoder", ENCODER),
    ("profile", PROFILE),
    ("preset", PRESET),
    ("crf", QUALITY),
];

/// An encoder for pictures of one size in YUV 4:2:0, about `rate` of them a second.
pub fn open(
    (width, height): (u32, u32),
    rate: Rational,
    threads: u32,
) -> Result<encoder::video::Encoder, FootageError> {
    let codec = codec::encoder::find_by_name(ENCODER)
        .ok_or_else(|| FootageError::NoDecoder(ENCODER.to_owned()))?;
    let mut encoder = codec::Context::new_with_codec(codec)
        .encoder()
        .video()
        .map_err(FootageError::ffmpeg("prepare the encoder"))?;
    encoder.set_width(width);
    encoder.set_height(height);
    encoder.set_format(Pixel::YUV420P);
    encoder.set_time_base(TIME_BASE);
    encoder.set_frame_rate(Some(rate));
    encoder.set_aspect_ratio((1, 1));
    encoder.set_flags(codec::Flags::GLOBAL_HEADER);
    encoder.set_gop(key_distance(rate));
    let threads = threads.max(1).to_string();
    let options: Dictionary<'_> = [
        ("preset", PRESET),
        ("profile", PROFILE),
        ("crf", QUALITY),
        ("threads", &threads),
    ]
    .into_iter()
    .collect();
    encoder
        .open_as_with(codec, options)
        .map_err(FootageError::ffmpeg("open the encoder"))
}

/// Pictures from one key picture to the next: two seconds, so that jumping in the preview is quick.
fn key_distance(rate: Rational) -> u32 {
    let per_second = f64::from(rate.numerator()) / f64::from(rate.denominator());
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "at most 60"
    )]
    let distance = (per_second.min(30.0) * 2.0).round().max(1.0) as u32;
    distance
}
