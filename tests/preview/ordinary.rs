//! The program's own worker as an ordinary user's process, and the sandbox around it while it works.

use std::cell::Cell;
use std::fs;

use camdock::model::Part;

use crate::footage::clip;
use crate::stage::Stage;
use crate::worker_stage::LIMITS;

#[test]
fn an_ordinary_users_worker_makes_both_previews_and_lacks_no_layer_that_root_has() {
    let (root, ordinary) = (Stage::new(), Stage::ordinary());
    let clip = clip("bigbuckbunny.mp4");
    for part in [Part::Storyboard, Part::Preview] {
        let (with, _, _) = root.made(part, &clip);
        let (without, made, bytes) = ordinary.made(part, &clip);
        assert_eq!(without.missing, with.missing, "{part}");
        ordinary.ffprobe("made", &bytes);
        assert!(made.picture.duration_ms > 5000, "{made:?}");
    }
}

#[test]
fn the_programs_worker_works_behind_the_filter() {
    for stage in [Stage::new(), Stage::ordinary()] {
        let sealed = stage.seal(&clip("bigbuckbunny.mp4"));
        let (confined, seen) = (Cell::new(0), Cell::new(0));
        let watched = || {
            // The processes that this very thread started.
            let children = fs::read_to_string("/proc/thread-self/children").unwrap();
            for pid in children.split_whitespace() {
                let Ok(status) = fs::read_to_string(format!("/proc/{pid}/status")) else {
                    continue;
                };
                let is = |line: &str| status.lines().any(|l| l == line);
                seen.set(seen.get() + 1);
                confined.set(confined.get() + u32::from(is("Seccomp:\t2") && is("NoNewPrivs:\t1")));
            }
        };
        stage
            .run_watched(Part::Preview, LIMITS, &sealed, &[], &watched)
            .unwrap();
        // Only its start and its end are not.
        let (confined, seen) = (confined.get(), seen.get());
        assert!(confined > 2 && seen - confined <= 5, "{confined} of {seen}");
    }
}
