//! Broken footage: readable as far as it is, never a crash that is taken for an answer, never more than the limits.

use std::fs;

use camdock::model::Part;
use camdock::preview::{Ending, PreviewError};

use crate::stage::Stage;

/// Numbers from a fixed seed (splitmix64), the same on every run.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end as u64).unwrap()
    }
}

const SOURCES: [(&str, &str); 5] = [
    (
        "a.mp4",
        "-c:v libx264 -preset ultrafast -g 25 -c:a aac -movflags +faststart",
    ),
    (
        "frag.mp4",
        "-c:v libx264 -preset ultrafast -g 25 -c:a aac -movflags +frag_keyframe+empty_moov",
    ),
    ("a.ts", "-c:v libx264 -preset ultrafast -g 25 -c:a aac"),
    ("a.avi", "-c:v mjpeg -q:v 6 -c:a pcm_s16le"),
    (
        "a.mkv",
        "-c:v libx265 -preset ultrafast -x265-params log-level=none:keyint=25 -c:a aac",
    ),
];

fn source(stage: &Stage, name: &str, codecs: &str) -> Vec<u8> {
    let input = "-f lavfi -i testsrc2=s=640x360:r=25:d=5 -f lavfi -i sine=r=48000:d=5";
    fs::read(stage.film(name, &format!("{input} {codecs}"))).unwrap()
}

/// `Some(milliseconds)` when a preview was made; then it opens and decodes.
#[track_caller]
fn outcome(stage: &Stage, part: Part, bytes: &[u8], what: &str) -> Option<u64> {
    let sealed = stage.seal(bytes);
    match stage.run(part, &sealed) {
        Ok(answer) => match answer.report.ending {
            Ending::Made(made) => {
                let preview = stage.open(part, &made);
                stage.ffprobe("damaged", &preview);
                Some(made.picture.duration_ms)
            }
            Ending::Failed { .. } | Ending::Skipped { .. } => None,
        },
        // ffmpeg itself may fall over hostile bytes: that is what the sandbox is for.
        Err(error @ (PreviewError::Crashed(_) | PreviewError::Limit(_))) => {
            eprintln!("{what}: {error}");
            None
        }
        Err(error) => panic!("{what}: {error}"),
    }
}

fn cut_off_at_each_tenth((name, codecs): (&str, &str)) {
    let stage = Stage::new();
    let whole = source(&stage, name, codecs);
    let mut shown = Vec::new();
    for tenth in 1..10 {
        let cut = &whole[..whole.len() * tenth / 10];
        let what = format!("{name} cut at {tenth}/10");
        shown.push(outcome(&stage, Part::Preview, cut, &what).unwrap_or(0));
        outcome(&stage, Part::Storyboard, cut, &what);
    }
    // An index at the start, fragments, a stream: what is there can be seen.
    assert!(
        shown[4] >= 1500,
        "{name}: half of it shows {} ms of 5000: {shown:?}",
        shown[4]
    );
    assert!(shown[8] > shown[4], "{name}: {shown:?}");
}

#[test]
fn an_mp4_cut_off_at_each_tenth_is_shown_as_far_as_it_goes() {
    cut_off_at_each_tenth(SOURCES[0]);
}

#[test]
fn fragments_cut_off_at_each_tenth_are_shown_as_far_as_they_go() {
    cut_off_at_each_tenth(SOURCES[1]);
}

#[test]
fn a_transport_stream_cut_off_at_each_tenth_is_shown_as_far_as_it_goes() {
    cut_off_at_each_tenth(SOURCES[2]);
}

#[test]
fn an_avi_cut_off_at_each_tenth_is_shown_as_far_as_it_goes() {
    cut_off_at_each_tenth(SOURCES[3]);
}

#[test]
fn a_matroska_cut_off_at_each_tenth_is_shown_as_far_as_it_goes() {
    cut_off_at_each_tenth(SOURCES[4]);
}

#[test]
fn flipped_bits_never_bring_the_supervisor_down() {
    let mut made = 0;
    for (seed, (name, codecs)) in (1..).zip(SOURCES) {
        let stage = Stage::new();
        let whole = source(&stage, name, codecs);
        for round in 0..6u32 {
            let mut random = Numbers(seed * 16 + u64::from(round));
            let mut bytes = whole.clone();
            // From a few wrong bits to one in about a thousand bytes.
            for _ in 0..(whole.len() >> (20 - 2 * round)).max(3) {
                let at = random.below(bytes.len());
                bytes[at] ^= 1 << random.below(8);
            }
            let what = format!("{name}, seed {seed}, round {round}");
            made += usize::from(outcome(&stage, Part::Preview, &bytes, &what).is_some());
            made += usize::from(outcome(&stage, Part::Storyboard, &bytes, &what).is_some());
        }
    }
    assert!(made >= 30, "only {made} of 60 were made");
}

#[test]
fn sealed_footage_that_was_altered_is_refused_by_name() {
    let stage = Stage::new();
    let whole = source(&stage, SOURCES[0].0, SOURCES[0].1);
    let sealed = stage.seal(&whole);
    let mut bytes = fs::read(&sealed).unwrap();
    // In the header: nothing is opened at all.
    bytes[40] ^= 1;
    fs::write(&sealed, &bytes).unwrap();
    let ending = stage.run(Part::Preview, &sealed).unwrap().report.ending;
    assert!(
        matches!(&ending, Ending::Failed { code, .. } if code == "preview_footage_unreadable"),
        "{ending:?}"
    );
    // In a frame: it reads as an error, the rest is shown, and not one altered byte got through.
    bytes[40] ^= 1;
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&sealed, &bytes).unwrap();
    let ending = stage.run(Part::Preview, &sealed).unwrap().report.ending;
    assert!(
        matches!(ending, Ending::Made(_) | Ending::Failed { .. }),
        "{ending:?}"
    );
}
