use camdock::model::{IndexState, Part};

use crate::footage::clip;
use crate::stage::Stage;

#[test]
fn a_real_clip_becomes_one_sheet_with_its_record() {
    let stage = Stage::new();
    let (answer, made, jpeg) = stage.made(Part::Storyboard, &clip("bigbuckbunny.mp4"));
    assert!(jpeg.starts_with(&[0xff, 0xd8]), "no JPEG");
    let shown = stage.ffprobe("sheet.jpg", &jpeg);
    assert_eq!(shown["streams"][0]["codec_name"], "mjpeg");
    assert_eq!(shown["streams"][0]["width"], made.picture.width);
    let cues = &made.picture.cues;
    assert!(!cues.is_empty());
    assert_eq!(cues[0].start_ms, 0);
    assert_eq!(cues.last().unwrap().end_ms, made.picture.duration_ms);
    for pair in cues.windows(2) {
        assert_eq!(pair[0].end_ms, pair[1].start_ms);
    }
    let probe = answer.report.probe.unwrap();
    let video = probe.video.unwrap();
    assert_eq!(
        (video.codec.as_str(), video.width, video.height),
        ("h264", 1280, 720)
    );
    assert!(video.key_frames.unwrap() >= 1);
    assert!(
        probe
            .duration_ms
            .is_some_and(|ms| (5000..6000).contains(&ms)),
        "{:?}",
        probe.duration_ms
    );
    assert_ne!(probe.index, IndexState::Missing);
    assert!(
        answer
            .report
            .ffmpeg
            .starts_with(|c: char| c.is_ascii_digit())
    );
}

#[test]
fn pictures_are_spaced_evenly_and_show_what_was_there() {
    let stage = Stage::new();
    // Grey levels rise with time; a key frame every second, the index at the end.
    let film = stage.film(
        "long.mp4",
        "-f lavfi -i color=black:s=320x240:r=10:d=120,geq=lum=20+N/6:cb=128:cr=128 -c:v libx264 -preset ultrafast -g 10",
    );
    let (answer, made, jpeg) = stage.made(Part::Storyboard, &std::fs::read(film).unwrap());
    let cues = &made.picture.cues;
    assert_eq!(cues.len(), 24);
    assert_eq!(answer.report.probe.unwrap().index, IndexState::AtEnd);
    let (width, grey) = stage.grey(&jpeg, 0.0);
    for (number, cue) in cues.iter().enumerate() {
        // The key frame at or before the middle of each 24th.
        let moment = u64::try_from(number).unwrap() * 5000 + 2500;
        let key = moment / 1000 * 1000;
        if number > 0 {
            assert_eq!(cue.start_ms, key);
        }
        let centre = (cue.y as usize + cue.height as usize / 2) * width + cue.x as usize + 120;
        // Limited range is brought to full range in a JPEG.
        let level = (20.0 + key as f64 / 100.0 / 6.0 - 16.0) * 255.0 / 219.0;
        assert!(
            (f64::from(grey[centre]) - level).abs() < 6.0,
            "picture {number}: {} but {level}",
            grey[centre]
        );
    }
}
