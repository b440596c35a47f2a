use ffmpeg_next::format::Pixel;
use ffmpeg_next::{Dictionary, codec, encoder};

use super::TIME_BASE;
use super::wire::Shape;
use crate::preview::error::Trouble;

const PRESET: &str = "veryfast";
const QUALITY: &str = "28";

/// What a proxy's record says of it.
pub fn described() -> Vec<(&'static str, String)> {
    vec![
        ("encoder", "libx264".to_owned()),
        ("profile", "baseline".into()),
        ("preset", PRESET.into()),
        ("crf", QUALITY.into()),
    ]
}

/// libx264, which is there on every machine.
pub fn open(shape: &Shape, threads: u32) -> Result<encoder::video::Encoder, Trouble> {
    let codec = codec::encoder::find_by_name("libx264")
        .ok_or_else(|| Trouble::NoDecoder("libx264".into()))?;
    let mut encoder = codec::Context::new_with_codec(codec)
        .encoder()
        .video()
        .map_err(Trouble::ffmpeg("prepare the encoder"))?;
    prepare(&mut encoder, shape);
    encoder.set_format(Pixel::YUV420P);
    let threads = threads.max(1).to_string();
    let options: Dictionary<'_> = [
        ("preset", PRESET),
        ("profile", "baseline"),
        ("crf", QUALITY),
        ("threads", &threads),
    ]
    .into_iter()
    .collect();
    encoder
        .open_as_with(codec, options)
        .map_err(Trouble::ffmpeg("open the encoder"))
}

/// What all encoders are told alike.
pub fn prepare(encoder: &mut encoder::video::Video, shape: &Shape) {
    encoder.set_width(shape.width);
    encoder.set_height(shape.height);
    encoder.set_time_base(TIME_BASE);
    encoder.set_frame_rate(Some(shape.rate));
    encoder.set_aspect_ratio((1, 1));
    encoder.set_flags(codec::Flags::GLOBAL_HEADER);
    encoder.set_gop(shape.key_distance());
}
