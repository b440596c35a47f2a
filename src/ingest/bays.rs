//! The newest state of each bay, for the status socket and the pages.

use std::collections::BTreeMap;

use parking_lot::Mutex;
use tokio::sync::watch;

use crate::model::{BayName, BayStatus, BayView, Problem, SessionId};

/// The code that a bay shows after its camera left before everything was secured.
pub const REMOVED_EARLY: &str = "removed_early";

fn is_early(view: &BayView) -> bool {
    matches!(&view.status, BayStatus::NeedsAttention { code, .. } if code == REMOVED_EARLY)
}

/// All bays with a camera, a refused device, or a camera that just left.
pub struct Bays {
    views: Mutex<BTreeMap<BayName, BayView>>,
    /// Problems that do not concern the evidence.
    problems: Mutex<BTreeMap<BayName, Problem>>,
    changes: watch::Sender<u64>,
}

impl Default for Bays {
    fn default() -> Self {
        Self {
            views: Mutex::default(),
            problems: Mutex::default(),
            changes: watch::Sender::new(0),
        }
    }
}

impl Bays {
    /// A camera that is back ends the warning that it left too early, wherever it left.
    /// A session that is still ending never hides the next one in its bay: ids of sessions grow with time.
    pub fn show(&self, view: BayView) {
        let mut views = self.views.lock();
        if let (Some(mine), Some(theirs)) = (view.session, views.get(&view.bay))
            && theirs.session > Some(mine)
        {
            return;
        }
        if view.camera.is_some() && !is_early(&view) {
            views.retain(|_, old| !(is_early(old) && old.camera == view.camera));
        }
        let changed = views.get(&view.bay) != Some(&view);
        views.insert(view.bay.clone(), view);
        drop(views);
        if changed {
            self.changes.send_modify(|n| *n += 1);
        }
    }

    /// Nothing is docked there any more. The warning that a camera left too early stays: its session may have ended before the
    /// bus reported that it is gone, or after.
    pub fn clear(&self, bay: &BayName) {
        self.remove(bay, None);
    }

    /// The same for a session that ended; the next one may have begun already.
    pub fn clear_after(&self, bay: &BayName, session: SessionId) {
        self.remove(bay, Some(session));
    }

    fn remove(&self, bay: &BayName, ended: Option<SessionId>) {
        let mut views = self.views.lock();
        let next = |view: &BayView| ended.is_some() && view.session > ended;
        if !views.get(bay).is_some_and(next) {
            self.problem(bay, None);
        }
        if views
            .get(bay)
            .is_some_and(|view| is_early(view) || next(view))
        {
            return;
        }
        views.remove(bay);
        drop(views);
        self.changes.send_modify(|n| *n += 1);
    }

    /// Sets or clears what somebody has to do about a bay although its footage is safe.
    pub fn problem(&self, bay: &BayName, problem: Option<Problem>) {
        let mut problems = self.problems.lock();
        match problem {
            Some(problem) => problems.insert(bay.clone(), problem),
            None => problems.remove(bay),
        };
    }

    pub fn problems(&self) -> BTreeMap<String, Problem> {
        let problems = self.problems.lock();
        problems
            .iter()
            .map(|(bay, problem)| (bay.to_string(), problem.clone()))
            .collect()
    }

    pub fn all(&self) -> Vec<BayView> {
        self.views.lock().values().cloned().collect()
    }

    /// Wakes on every change.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::CameraId;

    fn view(serial: &str, status: BayStatus) -> BayView {
        BayView {
            bay: BayName::new("bay-1"),
            camera: CameraId::new("acme", serial),
            officer: None,
            session: None,
            file: None,
            status,
        }
    }

    fn early() -> BayStatus {
        BayStatus::NeedsAttention {
            code: REMOVED_EARLY.into(),
            reason: "The camera was removed too early; missing files: 1".into(),
            next_step: "Dock it again.".into(),
            files_done: 1,
            files_total: 2,
        }
    }

    #[test]
    fn a_camera_that_left_early_is_shown_in_whatever_order_its_leaving_is_noticed() {
        let bay = BayName::new("bay-1");
        let bays = Bays::default();
        bays.show(view("1", early()));
        bays.clear(&bay);
        assert_eq!(bays.all(), [view("1", early())]);
        // It is back: the warning ends, and there is none when it leaves with everything secured.
        let stored = || BayStatus::AllStored {
            files: 2,
            bytes: 9,
            disposed: 0,
        };
        bays.show(view("1", stored()));
        bays.clear(&bay);
        assert_eq!(bays.all(), []);
    }

    #[test]
    fn a_session_that_ends_late_leaves_the_next_one_in_its_bay_as_it_is() {
        let (bay, bays) = (BayName::new("bay-1"), Bays::default());
        let of = |session, serial: &str, status| BayView {
            session: Some(session),
            ..view(serial, status)
        };
        let (old, new) = (SessionId::new(), SessionId::new());
        let stored = BayStatus::AllStored {
            files: 2,
            bytes: 9,
            disposed: 0,
        };
        bays.show(of(new, "2", stored.clone()));
        bays.show(of(old, "1", early()));
        bays.clear_after(&bay, old);
        assert_eq!(bays.all(), [of(new, "2", stored)]);
        bays.clear_after(&bay, new);
        assert_eq!(bays.all(), []);
    }
}
