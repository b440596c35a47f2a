//! What the bays show: the newest state of each, for the status socket and the pages.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use tokio::sync::watch;

use crate::model::{BayName, BayStatus, BayView};

/// The code of what a bay shows after its camera left before all was secured.
pub const REMOVED_EARLY: &str = "removed_early";

fn is_early(view: &BayView) -> bool {
    matches!(&view.status, BayStatus::NeedsAttention { code, .. } if code == REMOVED_EARLY)
}

/// All bays with a camera, a refused device, or a camera that just left.
pub struct Bays {
    views: Mutex<BTreeMap<BayName, BayView>>,
    changes: watch::Sender<u64>,
}

impl Default for Bays {
    fn default() -> Self {
        Self {
            views: Mutex::default(),
            changes: watch::Sender::new(0),
        }
    }
}

impl Bays {
    /// A camera that is back ends the warning that it left too early, wherever it left.
    pub fn show(&self, view: BayView) {
        let mut views = self.views.lock().unwrap_or_else(PoisonError::into_inner);
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

    pub fn clear(&self, bay: &BayName) {
        self.views
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(bay);
        self.changes.send_modify(|n| *n += 1);
    }

    pub fn all(&self) -> Vec<BayView> {
        self.views
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .values()
            .cloned()
            .collect()
    }

    /// Wakes on every change.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }
}
