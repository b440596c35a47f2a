//! What the bays show: the newest state of each, for the status socket and the pages.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::model::{BayName, BayStatus, CameraId, Officer, SessionId};

/// One bay as people see it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BayView {
    pub bay: BayName,
    pub camera: Option<CameraId>,
    pub officer: Option<Officer>,
    pub session: Option<SessionId>,
    /// The file that is being read, escaped for showing.
    pub file: Option<String>,
    #[serde(flatten)]
    pub status: BayStatus,
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
    pub fn show(&self, view: BayView) {
        let mut views = self.views.lock().unwrap_or_else(PoisonError::into_inner);
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
