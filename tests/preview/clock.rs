//! Recordings whose clock cannot be believed, and storyboards of recordings that cannot be searched by time.

use std::fs;

use camdock::model::Part;

use crate::stage::Stage;

const X264: &str = "-c:v libx264 -preset ultrafast -pix_fmt yuv420p";

#[test]
fn a_clock_that_starts_anew_is_shown_as_one_recording() {
    let stage = Stage::new();
    let film = |name: &str, tone: u32, more: &str| {
        let source = format!(
            "-f lavfi -i testsrc2=s=480x270:r=15:d=20 -f lavfi -i sine=frequency={tone}:d=20"
        );
        let film = stage.film(name, &format!("{source} {X264} -g 30 -c:a aac {more}"));
        fs::read(film).unwrap()
    };
    // The second part's clock is far below the first's.
    let bytes = [
        film("a.ts", 300, "-output_ts_offset 1000"),
        film("b.ts", 900, ""),
    ]
    .concat();
    let (_, made, mp4) = stage.made(Part::Preview, &bytes);
    assert!(
        made.picture.duration_ms.abs_diff(40_000) < 1000,
        "{:?}",
        made.picture
    );
    assert_eq!(made.picture.clock_jumps, 1);
    stage.ffprobe("preview.mp4", &mp4);
    stage.decodes("preview.mp4");
    let sound = stage.samples("preview.mp4", &mp4, 8000);
    assert!(sound.len().abs_diff(40 * 8000) < 8000, "{}", sound.len());
    let (_, made, _) = stage.made(Part::Storyboard, &bytes);
    let cues = &made.picture.cues;
    assert!(cues.len() >= 8, "{cues:?}");
    assert!(
        made.picture.duration_ms.abs_diff(40_000) < 1000,
        "{:?}",
        made.picture
    );
    assert!(
        cues.last().unwrap().start_ms > 30_000,
        "the second part is shown: {cues:?}"
    );
}

#[test]
fn a_gap_of_hours_is_left_out_and_named() {
    let stage = Stage::new();
    let film = stage.film("a.mp4", &format!(
        "-f lavfi -i testsrc2=s=480x270:r=5:d=8,setpts='if(lt(T\\,4)\\,PTS\\,PTS+25200/TB)' {X264} -g 10 -vsync vfr"));
    let bytes = fs::read(film).unwrap();
    for part in [Part::Preview, Part::Storyboard] {
        let (_, made, _) = stage.made(part, &bytes);
        let picture = &made.picture;
        assert!(picture.duration_ms.abs_diff(8000) < 1000, "{picture:?}");
        assert_eq!(picture.clock_jumps, 1, "{part}");
        assert!(
            picture.left_out_ms.abs_diff(25_200_000) < 5000,
            "{picture:?}"
        );
        if part == Part::Storyboard {
            assert!(picture.cues.len() >= 4, "{picture:?}");
        }
    }
}

#[test]
fn a_pause_keeps_its_length() {
    let stage = Stage::new();
    let film = stage.film("a.mp4", &format!(
        "-f lavfi -i testsrc2=s=480x270:r=15:d=20,setpts='if(lt(T\\,10)\\,PTS\\,PTS+90/TB)' {X264} -g 30 -vsync vfr"));
    let (_, made, _) = stage.made(Part::Preview, &fs::read(film).unwrap());
    assert!(
        made.picture.duration_ms.abs_diff(110_000) < 1000,
        "{:?}",
        made.picture
    );
    assert_eq!(made.picture.clock_jumps, 0);
}

/// Cue starts of the storyboard, in milliseconds.
fn starts(stage: &Stage, bytes: &[u8]) -> Vec<u64> {
    let (_, made, _) = stage.made(Part::Storyboard, bytes);
    made.picture.cues.iter().map(|cue| cue.start_ms).collect()
}

#[test]
fn storyboards_reach_to_the_end_of_what_cannot_be_searched() {
    let stage = Stage::new();
    let source = "-f lavfi -i testsrc2=s=480x270:r=15:d=40";
    let read =
        |name: &str, codec: &str| fs::read(stage.film(name, &format!("{source} {codec}"))).unwrap();
    // Power was lost before the index was written.
    let mut avi = read("a.avi", "-c:v mjpeg -q:v 8 -pix_fmt yuvj420p");
    avi.truncate(avi.len() * 7 / 10);
    // A bare stream has no times; 25 pictures a second is what every ffmpeg assumes.
    let raw = read("a.264", &format!("-r 25 {X264} -g 30 -f h264"));
    let one_key = read("one.mp4", &format!("{X264} -g 3000 -sc_threshold 0"));
    let refresh = read(
        "refresh.mp4",
        &format!("{X264} -x264-params intra-refresh=1:keyint=30:bframes=0"),
    );
    for (name, bytes, last) in [
        ("avi", avi, 20_000),
        ("raw", raw, 30_000),
        ("one key frame", one_key, 30_000),
        ("intra refresh", refresh, 30_000),
    ] {
        let starts = starts(&stage, &bytes);
        assert!(
            starts.len() >= 4 && starts.last().is_some_and(|start| *start >= last),
            "{name}: {starts:?}"
        );
    }
}
