use std::cell::Cell;
use std::fs;
use std::path::Path;

use camdock::model::Part;
use camdock::preview::Ending;

use crate::footage::clip;
use crate::stage::Stage;
use crate::worker_stage::LIMITS;

#[test]
fn a_real_clip_becomes_a_small_video_that_players_take() {
    let stage = Stage::new();
    let (answer, made, mp4) = stage.made(Part::Preview, &clip("bigbuckbunny.mp4"));
    let shown = stage.ffprobe("preview.mp4", &mp4);
    eprintln!("{shown:#} {answer:#?}");
    let video = &shown["streams"][0];
    assert_eq!(video["codec_name"], "h264");
    assert_eq!(video["profile"], "Constrained Baseline");
    assert_eq!(
        (&video["width"], &video["height"]),
        (&640.into(), &360.into())
    );
    assert_eq!(shown["streams"][1]["codec_name"], "aac");
    assert_eq!(made.picture.height, 360);
}

/// The peak of the worker's own memory in bytes, and the preview's length in milliseconds. The kernel is asked while the worker
/// runs: `getrusage` counts what this process held when it started the worker.
fn cost(stage: &Stage, film: &Path, part: Part) -> (u64, u64) {
    let peak = Cell::new(0);
    // This thread's child alone: other tests of this process have workers, too.
    let look = || {
        let children = fs::read_to_string("/proc/thread-self/children").unwrap_or_default();
        for pid in children.split_whitespace() {
            let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
            let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"));
            let kib = line.and_then(|l| l.trim().trim_end_matches(" kB").parse::<u64>().ok());
            peak.set(peak.get().max(kib.unwrap_or(0) << 10));
        }
    };
    let sealed = stage.seal(&fs::read(film).unwrap());
    let answer = stage
        .run_watched(part, LIMITS, &sealed, &[], &look)
        .unwrap();
    let Ending::Made(made) = answer.report.ending else {
        panic!("not made: {:?}", answer.report);
    };
    assert!(peak.get() > 0, "the worker was never seen");
    (peak.get(), made.picture.duration_ms)
}

/// A worker that kept what it read would end at its limit, in the middle of the recording.
#[test]
fn a_workers_memory_does_not_grow_with_the_recording() {
    let stage = Stage::new();
    // 11 MB a second, quick to decode.
    let film = |seconds: u64| {
        let source = format!("-f lavfi -i testsrc2=s=640x480:r=25:d={seconds}");
        let codec = "-c:v rawvideo -pix_fmt yuv420p";
        stage.film(&format!("{seconds}.avi"), &format!("{source} {codec}"))
    };
    let (short, long) = (film(2), film(16));
    let more = fs::metadata(&long).unwrap().len() - fs::metadata(&short).unwrap().len();
    for part in [Part::Preview, Part::Storyboard] {
        let (before, _) = cost(&stage, &short, part);
        let (after, duration) = cost(&stage, &long, part);
        assert!(
            after < before + more / 4,
            "{part}: {after} bytes for {more} more than at {before}"
        );
        if part == Part::Preview {
            assert!(duration.abs_diff(16_000) <= 40, "{duration} ms");
        }
    }
}
