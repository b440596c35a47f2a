//! Bounds the number of cameras that are read at the same time: they take turns, file by file, in the order in which
//! they asked.

use std::collections::VecDeque;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

/// The pause between a waiting camera's looks whether it is to stop.
const LOOK: Duration = Duration::from_millis(50);

pub struct CameraSlots {
    /// `None`: all that are docked.
    limit: Option<usize>,
    queue: Mutex<WaitingCameras>,
    changed: Condvar,
}

#[derive(Default)]
struct WaitingCameras {
    reading: usize,
    next: u64,
    waiting: VecDeque<u64>,
}

/// Until it is dropped, this camera is one of those that are read.
pub struct CameraSlot<'a>(&'a CameraSlots);

impl CameraSlots {
    pub fn new(limit: Option<usize>) -> Self {
        Self {
            limit,
            queue: Mutex::default(),
            changed: Condvar::new(),
        }
    }

    /// Blocks until it is this camera's turn; `None` when it is to stop.
    pub fn wait(&self, stop: &dyn Fn() -> bool) -> Option<CameraSlot<'_>> {
        let Some(limit) = self.limit else {
            return Some(self.begin(&mut self.lock()));
        };
        let mut queue = self.lock();
        let mine = queue.next;
        queue.next += 1;
        queue.waiting.push_back(mine);
        while queue.reading >= limit || queue.waiting.front() != Some(&mine) {
            if stop() {
                queue.waiting.retain(|ticket| *ticket != mine);
                self.changed.notify_all();
                return None;
            }
            self.changed.wait_for(&mut queue, LOOK);
        }
        queue.waiting.pop_front();
        Some(self.begin(&mut queue))
    }

    fn begin(&self, queue: &mut WaitingCameras) -> CameraSlot<'_> {
        queue.reading += 1;
        self.changed.notify_all();
        CameraSlot(self)
    }

    fn lock(&self) -> parking_lot::MutexGuard<'_, WaitingCameras> {
        self.queue.lock()
    }
}

impl Drop for CameraSlot<'_> {
    fn drop(&mut self) {
        self.0.lock().reading -= 1;
        self.0.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn no_more_than_the_limit_read_at_once_and_nobody_waits_for_all_of_another() {
        let slots = CameraSlots::new(Some(2));
        let (reading, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let order = Mutex::new(Vec::new());
        std::thread::scope(|scope| {
            for camera in 0..8 {
                let (slots, reading, most, order) = (&slots, &reading, &most, &order);
                scope.spawn(move || {
                    for _ in 0..10 {
                        let _slot = slots.wait(&|| false).unwrap();
                        most.fetch_max(
                            reading.fetch_add(1, Ordering::SeqCst) + 1,
                            Ordering::SeqCst,
                        );
                        order.lock().push(camera);
                        std::thread::sleep(Duration::from_millis(2));
                        reading.fetch_sub(1, Ordering::SeqCst);
                    }
                });
            }
        });
        assert_eq!(most.into_inner(), 2);
        let order = order.into_inner();
        for camera in 0..8 {
            let first = order.iter().position(|c| *c == camera).unwrap();
            assert!(first < 60, "{camera} waited for {first} of 80");
        }
    }

    #[test]
    fn a_camera_that_leaves_while_it_waits_holds_nobody_up() {
        let slots = CameraSlots::new(Some(1));
        let slot = slots.wait(&|| false).unwrap();
        assert!(slots.wait(&|| true).is_none());
        drop(slot);
        assert!(slots.wait(&|| false).is_some());
        // Without a limit nobody waits.
        let all = CameraSlots::new(None);
        let _slots = [0; 100].map(|_| all.wait(&|| true).unwrap());
    }
}
