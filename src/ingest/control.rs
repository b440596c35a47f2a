//! The signals between the service and a job: the camera left, something changed, the job has settled.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use super::Spool;
use crate::journal::InventoryCounts;
use crate::model::NotTaken;

/// The end of a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobEnd {
    pub complete: bool,
    pub reason: String,
    pub missing: u64,
    pub counts: InventoryCounts,
    /// The files that were not taken, of an import; at most so many as one reads.
    pub not_taken: Vec<NotTaken>,
    /// Safe waits for the witnesses, and they had not cosigned.
    pub unwitnessed: bool,
}

#[derive(Default)]
struct Signals {
    left: Option<String>,
    touched: bool,
}

#[derive(Default)]
pub struct JobControl {
    signals: Mutex<Signals>,
    changed: Condvar,
    settled: AtomicBool,
    to_wipe: AtomicBool,
    twin: AtomicBool,
    /// Bytes of room in the spool that the session waits for; 0: none.
    short_of: AtomicU64,
    /// Passes fail repeatedly, for a reason that does not pass by itself.
    failing: AtomicBool,
}

impl JobControl {
    /// The camera was seen to leave its bay: the session ends, and the log says so with this reason.
    pub fn leave(&self, reason: &str) {
        let mut signals = self.signals.lock();
        signals.left.get_or_insert_with(|| reason.to_owned());
        self.changed.notify_all();
    }

    /// Something changed on the camera or in the store, or the service stops.
    pub fn touch(&self) {
        self.signals.lock().touched = true;
        self.changed.notify_all();
    }

    /// The last look at the camera found nothing left to do.
    pub fn settled(&self) -> bool {
        self.settled.load(Ordering::Acquire)
    }

    /// Once all is stored, there will be something to delete.
    pub fn to_wipe(&self) -> bool {
        self.to_wipe.load(Ordering::Acquire)
    }

    pub(super) fn set_to_wipe(&self, due: bool) {
        self.to_wipe.store(due, Ordering::Release);
    }

    /// Another docked camera gives the same serial: nothing is deleted from either of them from now on.
    pub fn meet_twin(&self) {
        self.twin.store(true, Ordering::Release);
    }

    pub fn has_twin(&self) -> bool {
        self.twin.load(Ordering::Acquire)
    }

    pub(super) fn set_settled(&self, settled: bool) {
        self.settled.store(settled, Ordering::Release);
    }

    /// The session cannot continue: it waits for room that is not there, or for a person.
    pub fn is_stuck(&self, spool: &Spool) -> bool {
        let short_of = self.short_of.load(Ordering::Acquire);
        self.failing.load(Ordering::Acquire) || short_of > 0 && !spool.has_room(short_of)
    }

    pub(super) fn set_short_of(&self, bytes: u64) {
        self.short_of.store(bytes, Ordering::Release);
    }

    pub(super) fn set_failing(&self, failing: bool) {
        self.failing.store(failing, Ordering::Release);
    }

    pub fn left(&self) -> Option<String> {
        self.signals.lock().left.clone()
    }

    /// Waits for a signal; `true` when something was touched.
    pub(super) fn wait(&self, longest: Duration) -> bool {
        let mut signals = self.signals.lock();
        self.changed
            .wait_while_for(&mut signals, |s| s.left.is_none() && !s.touched, longest);
        std::mem::take(&mut signals.touched)
    }
}
