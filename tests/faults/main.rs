//! Everything that can break on the way of an item, broken on purpose: stops at every step, stores and disks that fail.

mod disk;
#[path = "../support/footage.rs"]
#[allow(dead_code, reason = "shared with other test files")]
mod footage;
#[path = "../station/place.rs"]
#[allow(dead_code, reason = "shared with the station's tests")]
mod place;
mod points;
mod proxy;
mod store;
#[path = "../support/mod.rs"]
mod support;
mod sweep;
mod whole;

use std::sync::atomic::{AtomicUsize, Ordering};

/// A station mostly waits: more of them than there are cores.
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
