//! Every codec and container that cameras write: what comes out is decoded again and compared with the original.

use std::fs;

use camdock::model::{IndexState, Part, Probe};
use camdock::preview::{Ending, FinishedPreview};
use serde_json::Value;

use crate::footage::clip;
use crate::stage::Stage;

const COLOURS: &str = "-f lavfi -i testsrc2=s=1280x720:r=25:d=6";
const TONE: &str = "-f lavfi -i sine=f=440:r=48000:d=6";
const H264: &str = "-c:v libx264 -preset ultrafast -g 25 -pix_fmt yuv420p";

/// Seconds of the longest track, as ffprobe decodes it: the last packet's end.
fn seconds(stage: &Stage, name: &str) -> f64 {
    let path = stage.path(name);
    let out = std::process::Command::new("ffprobe")
        .args([
            "-v",
            "error",
            "-select_streams",
            "v",
            "-show_entries",
            "packet=pts_time,duration_time",
            "-of",
            "csv=p=0",
        ])
        .arg(&path)
        .output()
        .unwrap();
    let text = String::from_utf8(out.stdout).unwrap();
    let times = text.lines().filter_map(|line| {
        let mut fields = line.split(',').map(|f| f.parse::<f64>().unwrap_or(0.0));
        Some((fields.next()?, fields.next().unwrap_or(0.0)))
    });
    let (mut first, mut last) = (f64::MAX, 0.0f64);
    for (pts, duration) in times {
        first = first.min(pts);
        last = last.max(pts + duration);
    }
    last - first
}

struct Shown {
    made: FinishedPreview,
    probe: Probe,
    mp4: Vec<u8>,
    video: Value,
    sound: Option<Value>,
}

/// Makes both previews of a file and checks what holds for all of them.
#[track_caller]
fn previews(stage: &Stage, bytes: &[u8], frame: f64, expected: f64) -> Shown {
    let (_, sheet, jpeg) = stage.made(Part::Storyboard, bytes);
    assert!(!sheet.picture.cues.is_empty());
    stage.ffprobe("sheet.jpg", &jpeg);
    let (answer, made, mp4) = stage.made(Part::Preview, bytes);
    assert_eq!(made.picture.settings["encoder"], "libx264");
    let shown = stage.ffprobe("preview.mp4", &mp4);
    let streams = shown["streams"].as_array().unwrap();
    let video = streams[0].clone();
    assert_eq!(video["codec_name"], "h264");
    assert_eq!(video["profile"], "Constrained Baseline");
    assert_eq!(video["pix_fmt"], "yuv420p");
    assert_eq!(video["time_base"], "1/90000");
    assert_eq!(video["width"], made.picture.width);
    assert_eq!(video["height"], made.picture.height);
    let long = seconds(stage, "preview.mp4");
    assert!(
        (long - expected).abs() <= frame + 0.002,
        "{long} s, not {expected} s"
    );
    stage.decodes("preview.mp4");
    assert!(marked(stage, &mp4, long / 2.0), "the mark is missing");
    Shown {
        made,
        probe: answer.report.probe.unwrap(),
        video,
        sound: streams.get(1).cloned(),
        mp4,
    }
}

/// The mark's ground is dark and its letters are bright, in the top left corner; the running time is at the bottom.
fn marked(stage: &Stage, mp4: &[u8], at: f64) -> bool {
    let (width, grey) = stage.grey(mp4, at);
    let height = grey.len() / width;
    let share = |rows: std::ops::Range<usize>, columns: std::ops::Range<usize>| {
        let dots = rows.flat_map(|row| columns.clone().map(move |column| row * width + column));
        let dots: Vec<u8> = dots.map(|dot| grey[dot]).collect();
        let of = |test: fn(&u8) -> bool| {
            dots.iter().filter(|d| test(d)).count() as f64 / dots.len() as f64
        };
        (of(|d| *d < 70), of(|d| *d > 170))
    };
    // Within the labels, whatever the picture's size: both are at least this large.
    let (dark, bright) = share(5..11, 6..100);
    let (dark_below, bright_below) = share(height - 11..height - 6, 6..36);
    dark > 0.35 && bright > 0.08 && dark_below > 0.25 && bright_below > 0.08
}

#[test]
fn mp4_with_the_index_at_either_end() {
    for (flags, index) in [
        ("", IndexState::AtEnd),
        ("-movflags +faststart", IndexState::AtStart),
    ] {
        let stage = Stage::new();
        let film = stage.film("a.mp4", &format!(
            "{COLOURS} {TONE} {H264} -c:a aac -metadata location=+53.7997-001.5492/ -metadata creation_time=2025-03-14T22:10:03Z -metadata make=ACME {flags}"));
        let shown = previews(&stage, &fs::read(film).unwrap(), 0.04, 6.0);
        assert_eq!(
            (shown.made.picture.width, shown.made.picture.height),
            (640, 360)
        );
        assert_eq!(shown.probe.index, index);
        let video = shown.probe.video.unwrap();
        assert_eq!(
            (video.key_frames, video.frame_rate.as_str(), video.rotation),
            (Some(6), "25/1", 0)
        );
        assert_eq!(shown.probe.audio.len(), 1);
        assert_eq!(
            shown.probe.created.unwrap().to_string(),
            "2025-03-14T22:10:03Z"
        );
        assert!(
            shown
                .probe
                .location
                .unwrap()
                .starts_with("+53.7997-001.5492")
        );
        let sound = shown.sound.unwrap();
        assert_eq!(
            (&sound["codec_name"], &sound["channels"]),
            (&"aac".into(), &1.into())
        );
        assert_eq!(shown.video["r_frame_rate"], "25/1");
    }
}

#[test]
fn the_sound_is_the_same_sound() {
    let stage = Stage::new();
    let film = stage.film("a.mp4", &format!("{COLOURS} {TONE} {H264} -c:a aac"));
    let (_, _, mp4) = stage.made(Part::Preview, &fs::read(film).unwrap());
    // Crossings of zero in the second to fourth second tell the pitch.
    let samples = stage.samples("shown.mp4", &mp4, 48_000);
    let stretch = &samples[48_000..48_000 * 4];
    let crossings = stretch
        .windows(2)
        .filter(|w| (w[0] < 0) != (w[1] < 0))
        .count();
    assert!(
        (crossings as f64 / 3.0 / 2.0 - 440.0).abs() < 2.0,
        "{crossings}"
    );
    assert!(
        (samples.len() as f64 / 48_000.0 - 6.0).abs() < 0.06,
        "{}",
        samples.len()
    );
}

#[test]
fn portrait_footage_is_turned_upright() {
    let stage = Stage::new();
    let flat = stage.film("flat.mp4", &format!("{COLOURS} {H264}"));
    for (degrees, width, height) in [(90, 360, 640), (180, 640, 360), (270, 360, 640)] {
        let mut bytes = fs::read(&flat).unwrap();
        turn(&mut bytes, degrees);
        fs::write(stage.path("turned.mp4"), &bytes).unwrap();
        let shown = previews(&stage, &bytes, 0.04, 6.0);
        let rotation = shown.probe.video.unwrap().rotation;
        assert_eq!(rotation, degrees);
        assert_eq!(
            (shown.made.picture.width, shown.made.picture.height),
            (width, height),
            "{degrees}"
        );
        // The original's picture as ffmpeg itself shows it, turned upright and scaled alike, is the same.
        let theirs = stage.like_ffmpeg("turned.mp4", 3.0, (width, height));
        let (_, ours) = stage.grey(&shown.mp4, 3.0);
        let differ = difference(&ours, &theirs, width as usize, 24);
        assert!(
            differ < 9.0,
            "turned by {degrees}: {differ} grey levels apart"
        );
    }
}

/// Writes a display matrix that turns the picture clockwise into the first track header of an MP4 (ISO/IEC 14496-12,
/// 8.3.2). ffmpeg's own options for it differ from version to version.
fn turn(mp4: &mut [u8], degrees: u32) {
    const ONE: i32 = 1 << 16;
    let (a, b) = match degrees {
        90 => (0, ONE),
        180 => (-ONE, 0),
        270 => (0, -ONE),
        _ => unreachable!(),
    };
    set_matrix(mp4, [a, b, -b, a]);
}

fn set_matrix(mp4: &mut [u8], [a, b, c, d]: [i32; 4]) {
    let header = mp4.windows(4).position(|w| w == b"tkhd").unwrap() + 4;
    assert_eq!(mp4[header], 0, "a track header with 32-bit times");
    let matrix = [a, b, 0, c, d, 0, 0, 0, 1 << 30];
    for (place, value) in mp4[header + 40..].chunks_exact_mut(4).zip(matrix) {
        place.copy_from_slice(&value.to_be_bytes());
    }
}

/// Mean difference of two grey pictures, without the labels at top and bottom.
fn difference(a: &[u8], b: &[u8], width: usize, label: usize) -> f64 {
    assert_eq!(a.len(), b.len());
    let inner = label * width..a.len() - label * width;
    let sum: u64 = a[inner.clone()]
        .iter()
        .zip(&b[inner.clone()])
        .map(|(a, b)| u64::from(a.abs_diff(*b)))
        .sum();
    sum as f64 / inner.len() as f64
}

#[test]
fn mirrored_footage_is_mirrored_back() {
    let stage = Stage::new();
    let mut bytes = fs::read(stage.film("flat.mp4", &format!("{COLOURS} {H264}"))).unwrap();
    set_matrix(&mut bytes, [-(1 << 16), 0, 0, 1 << 16]);
    fs::write(stage.path("mirrored.mp4"), &bytes).unwrap();
    let shown = previews(&stage, &bytes, 0.04, 6.0);
    let theirs = stage.like_ffmpeg("mirrored.mp4", 3.0, (640, 360));
    let (_, ours) = stage.grey(&shown.mp4, 3.0);
    let differ = difference(&ours, &theirs, 640, 24);
    assert!(differ < 9.0, "{differ} grey levels apart");
}

#[test]
fn the_containers_pixel_aspect_counts() {
    let stage = Stage::new();
    let source = "-f lavfi -i testsrc2=s=720x576:r=25:d=6";
    let flat = stage.film("flat.mp4", &format!("{source} {H264} -x264-params sar=0/1"));
    let film = stage.film(
        "wide.mp4",
        &format!("-i {} -c copy -aspect 16:9", flat.display()),
    );
    let shown = previews(&stage, &fs::read(film).unwrap(), 0.04, 6.0);
    let picture = &shown.made.picture;
    assert_eq!((picture.width, picture.height), (640, 360));
}

#[test]
fn channels_that_cancel_each_other_out_are_heard() {
    let stage = Stage::new();
    let reversed = "-af pan=stereo|c0=c0|c1=-1*c0";
    let film = stage.film(
        "a.mov",
        &format!("{COLOURS} {TONE} {reversed} {H264} -c:a pcm_s16le"),
    );
    let (_, _, mp4) = stage.made(Part::Preview, &fs::read(film).unwrap());
    let samples = stage.samples("preview.mp4", &mp4, 8000);
    let loudest = samples.iter().map(|s| s.unsigned_abs()).max();
    assert!(loudest > Some(1000), "{loudest:?}");
}

#[test]
fn pixels_that_are_not_square_are_made_square() {
    let stage = Stage::new();
    let film = stage.film(
        "a.mp4",
        &format!("-f lavfi -i testsrc2=s=720x576:r=25:d=6 -vf setsar=16/11 {H264}"),
    );
    let shown = previews(&stage, &fs::read(film).unwrap(), 0.04, 6.0);
    assert_eq!(shown.made.picture.height, 360);
    // 720 × 16/11 by 576 is 1.818 to 1.
    assert!(
        (f64::from(shown.made.picture.width) - 654.5).abs() <= 2.0,
        "{}",
        shown.made.picture.width
    );
}

#[test]
fn codecs_and_containers_of_cameras() {
    let hevc = "-c:v libx265 -preset ultrafast -x265-params log-level=none:keyint=25";
    let cases = [
        (
            "hevc.mp4",
            format!("{COLOURS} {TONE} {hevc} -tag:v hvc1 -c:a aac"),
            "hevc",
            true,
        ),
        (
            "ten.mp4",
            format!("{COLOURS} -pix_fmt yuv420p10le {hevc}"),
            "hevc",
            false,
        ),
        (
            "high10.mp4",
            format!("{COLOURS} -pix_fmt yuv420p10le -c:v libx264 -preset ultrafast -g 25"),
            "h264",
            false,
        ),
        (
            "jpeg.avi",
            format!("{COLOURS} {TONE} -c:v mjpeg -q:v 5 -pix_fmt yuvj420p -c:a pcm_s16le"),
            "mjpeg",
            true,
        ),
        (
            "jpeg422.avi",
            format!("{COLOURS} -c:v mjpeg -q:v 5 -pix_fmt yuvj422p"),
            "mjpeg",
            false,
        ),
        (
            "xvid.avi",
            format!("{COLOURS} {TONE} -c:v mpeg4 -q:v 5 -g 25 -c:a mp2"),
            "mpeg4",
            true,
        ),
        (
            "stream.ts",
            format!("{COLOURS} {TONE} {H264} -c:a aac"),
            "h264",
            true,
        ),
        (
            "mpeg2.ts",
            format!("{COLOURS} {TONE} -c:v mpeg2video -q:v 5 -g 25 -c:a mp2"),
            "mpeg2video",
            true,
        ),
        (
            "a.mkv",
            format!("{COLOURS} {TONE} {H264} -c:a pcm_s16le"),
            "h264",
            true,
        ),
        (
            "a.mov",
            format!("{COLOURS} {TONE} {H264} -c:a pcm_s16be"),
            "h264",
            true,
        ),
        (
            "fragments.mp4",
            format!("{COLOURS} {TONE} {H264} -c:a aac -movflags +frag_keyframe+empty_moov"),
            "h264",
            true,
        ),
    ];
    for (name, args, codec, sound) in cases {
        let stage = Stage::new();
        let film = stage.film(name, &args);
        let shown = previews(&stage, &fs::read(film).unwrap(), 0.041, 6.0);
        let video = shown.probe.video.unwrap();
        assert_eq!(video.codec, codec, "{name}");
        assert_eq!((video.width, video.height), (1280, 720), "{name}");
        assert_eq!(
            (shown.made.picture.width, shown.made.picture.height),
            (640, 360),
            "{name}"
        );
        assert_eq!(
            shown.sound.is_some(),
            sound,
            "{name}: {:?}",
            shown.probe.audio
        );
        let keys = video.key_frames;
        assert!(keys.is_some_and(|keys| keys >= 6), "{name}: {keys:?}");
    }
}

#[test]
fn the_real_clips() {
    for name in ["bigbuckbunny.mp4", "bikes.mp4", "carphone_pristine.mp4"] {
        let stage = Stage::new();
        let bytes = clip(name);
        fs::write(stage.path("original.mp4"), &bytes).unwrap();
        let long = seconds(&stage, "original.mp4");
        let shown = previews(&stage, &bytes, 0.05, long);
        let recorded = shown.made.picture.duration_ms as f64 / 1000.0;
        assert!(
            (recorded - long).abs() < 0.05,
            "{name}: {recorded} s, not {long} s"
        );
    }
}

#[test]
fn a_variable_frame_rate_keeps_its_times() {
    let stage = Stage::new();
    // Two seconds of 25 pictures, then one picture each second, then 25 again.
    let film = stage.film("a.mkv", &format!(
        "-f lavfi -i testsrc2=s=640x480:r=25:d=9 -vf select='not(between(t\\,3\\,6))+not(mod(n\\,25))' -vsync vfr {H264}"));
    let shown = previews(&stage, &fs::read(film).unwrap(), 0.041, 9.0);
    let picture = shown.made.picture;
    assert!(
        (8900..9100).contains(&picture.duration_ms),
        "{}",
        picture.duration_ms
    );
}

#[test]
fn sixty_pictures_a_second_become_thirty() {
    let stage = Stage::new();
    let film = stage.film(
        "a.mp4",
        &format!("-f lavfi -i testsrc2=s=1280x720:r=60:d=5 {H264}"),
    );
    let shown = previews(&stage, &fs::read(film).unwrap(), 0.034, 5.0);
    assert_eq!(shown.video["nb_read_frames"], Value::Null);
    let frames = stage.frames("preview.mp4");
    assert!((149..=151).contains(&frames), "{frames}");
}

#[test]
fn sound_alone_and_no_footage_at_all_are_skipped_with_a_reason() {
    let stage = Stage::new();
    let film = stage.film("a.m4a", &format!("{TONE} -c:a aac -f mp4"));
    for bytes in [
        fs::read(film).unwrap(),
        b"REC START\r\n".repeat(100),
        Vec::new(),
        vec![0x55; 100_000],
    ] {
        for part in [Part::Storyboard, Part::Preview] {
            let ending = stage.answer(part, &bytes).report.ending;
            assert!(
                matches!(&ending, Ending::Skipped { code, .. } if code == "preview_not_video"),
                "{ending:?}"
            );
        }
    }
}

#[test]
fn an_mp4_whose_index_was_never_written_is_named_as_such() {
    let stage = Stage::new();
    let film = fs::read(stage.film("a.mp4", &format!("{COLOURS} {H264}"))).unwrap();
    let answer = stage.answer(Part::Storyboard, &film[..film.len() / 2]);
    let Ending::Failed { code, reason } = answer.report.ending else {
        panic!("{answer:?}");
    };
    assert_eq!(code, "preview_no_index");
    assert!(reason.contains("broke off"), "{reason}");
    // Everything that does not need it is recorded.
    let probe = answer.report.probe.expect("a record");
    assert_eq!(probe.index, IndexState::Missing);
    assert_eq!(probe.tags["major_brand"], "isom");
    let media: usize = probe.tags["media_bytes"].parse().unwrap();
    assert!((film.len() / 2 - 200..film.len() / 2).contains(&media));
}
