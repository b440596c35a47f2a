//! Which sound is heard, and when.

use std::fs;

use camdock::model::{Part, RemarkCode};

use crate::stage::Stage;

const VIDEO: &str = "-f lavfi -i testsrc2=s=320x180:r=15:d=12";
const X264: &str = "-c:v libx264 -preset ultrafast -pix_fmt yuv420p -g 30";

/// The share of each second's samples that are loud.
fn loud(samples: &[i16]) -> Vec<usize> {
    let seconds = samples.chunks(8000);
    seconds
        .map(|second| second.iter().filter(|s| s.abs() > 500).count() * 100 / second.len())
        .collect()
}

#[test]
fn a_silent_first_track_gives_way_to_one_with_sound() {
    let stage = Stage::new();
    let tone = "-f lavfi -i sine=f=440:d=12";
    let nothing = "-f lavfi -i anullsrc=r=48000:cl=mono:d=12";
    for (name, sources, track) in [
        ("a.mp4", format!("{nothing} {tone}"), Some(2)),
        ("a.mkv", format!("{nothing} {tone}"), Some(2)),
        // Here the louder one is the main track.
        ("a.ts", format!("{nothing} {tone}"), None),
        ("b.mp4", format!("{tone} {nothing}"), None),
        ("c.mp4", format!("{tone} {tone}"), None),
    ] {
        let args = format!("{VIDEO} {sources} -map 0 -map 1 -map 2 -t 12 {X264} -c:a aac");
        let bytes = fs::read(stage.film(name, &args)).unwrap();
        let (_, made, mp4) = stage.made(Part::Preview, &bytes);
        let remark = made.picture.remarks.first().map(|r| (r.code, r.n));
        assert_eq!(
            remark,
            track.map(|n| (RemarkCode::SilentTrack, n)),
            "{name}"
        );
        let loud = loud(&stage.samples("preview.mp4", &mp4, 8000));
        assert!(
            loud.len() >= 12 && loud[..11].iter().all(|share| *share > 50),
            "{name}: {loud:?}"
        );
    }
}

#[test]
fn sound_before_the_first_picture_is_kept() {
    let stage = Stage::new();
    let video = stage.film("v.mp4", &format!("{VIDEO} {X264}"));
    let sound = stage.film("s.mp4", "-f lavfi -i sine=f=440:d=20 -c:a aac");
    let (video, sound) = (video.display().to_string(), sound.display().to_string());
    for name in ["a.mp4", "a.mkv", "a.ts"] {
        let args = format!("-itsoffset 8 -i {video} -i {sound} -map 0:v -map 1:a -c copy");
        let bytes = fs::read(stage.film(name, &args)).unwrap();
        let (_, made, mp4) = stage.made(Part::Preview, &bytes);
        let picture = &made.picture;
        assert!(
            picture.duration_ms.abs_diff(20_000) < 500,
            "{name}: {picture:?}"
        );
        let lead = picture
            .remarks
            .iter()
            .find(|r| r.code == RemarkCode::SoundBeforePicture);
        assert!(
            lead.is_some_and(|r| r.n.abs_diff(8000) < 200),
            "{name}: {picture:?}"
        );
        let loud = loud(&stage.samples("preview.mp4", &mp4, 8000));
        assert!(
            loud.len() >= 20 && loud[..19].iter().all(|share| *share > 50),
            "{name}: {loud:?}"
        );
        assert!(stage.frames("preview.mp4") > 175, "{name}");
        let mean = |seconds: f64| {
            let (width, grey) = stage.grey(&mp4, seconds);
            let middle = &grey[width * 40..grey.len() - width * 40];
            middle.iter().map(|byte| u64::from(*byte)).sum::<u64>() / middle.len() as u64
        };
        assert!(
            mean(0.0) < 40,
            "{name}: nothing is shown before the first picture"
        );
        assert!(mean(12.0) > 60, "{name}");
        let (_, made, _) = stage.made(Part::Storyboard, &bytes);
        let picture = &made.picture;
        assert!(
            picture.duration_ms.abs_diff(20_000) < 500,
            "{name}: {picture:?}"
        );
        assert!(
            picture.cues.last().unwrap().start_ms > 15_000,
            "{name}: {picture:?}"
        );
    }
}
