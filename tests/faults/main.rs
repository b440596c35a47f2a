//! Breaks on purpose everything that an item depends on: stops at every step, stores, disks and cameras that fail.

mod card;
mod conditions_at_rest;
mod disk;
#[path = "../support/footage.rs"]
#[allow(dead_code, reason = "shared with other test files")]
mod footage;
#[path = "../station/place.rs"]
#[allow(dead_code, reason = "shared with the station's tests")]
mod place;
mod points;
mod proxy;
mod small_disk;
mod store;
#[path = "../support/mod.rs"]
mod support;
mod swapped_recordings;
mod sweep;
mod unplugging;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Runs more stations than there are cores: a station mostly waits.
fn side_by_side(count: usize, work: impl Fn(usize) + Sync) {
    let next = AtomicUsize::new(0);
    let workers = std::thread::available_parallelism().map_or(1, usize::from) * 3;
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= count {
                        return;
                    }
                    work(number);
                }
            });
        }
    });
}

/// Runs each case and reports every one that went wrong.
fn all_of<T: Sync>(cases: &[T], work: impl Fn(usize, &T) -> Result<(), String> + Sync) {
    let wrong = Mutex::new(Vec::new());
    side_by_side(cases.len(), |number| {
        let done = catch_unwind(AssertUnwindSafe(|| work(number, &cases[number])));
        let problem = match done {
            Ok(Ok(())) => return,
            Ok(Err(problem)) => problem,
            Err(panic) => panic
                .downcast_ref::<String>()
                .cloned()
                .unwrap_or_else(|| "it panicked".into()),
        };
        wrong.lock().unwrap().push(problem);
    });
    let wrong = wrong.into_inner().unwrap();
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}
