//! Writes dock events into the station's log, and names a bay in which a camera comes and goes.
//!
//! Bounds nothing itself: the filter before the log's writer does that for every kind of line and every bay.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::{DockEvent, Target};
use crate::model::BayName;

/// With more events than this in a [`MINUTE`], a bay or its camera has a loose contact.
const EVENTS_MAX: u32 = 6;
const MINUTE: Duration = Duration::from_mins(1);
/// Counted bays at most; beyond this those without a recent event are forgotten.
const BAYS_MAX: usize = 1024;

#[derive(Default)]
pub(super) struct EventLog {
    /// Since when events of a bay are counted, and how many there were.
    bays: BTreeMap<BayName, (Instant, u32)>,
}

impl EventLog {
    pub fn write(&mut self, event: &DockEvent) {
        let bay = match event {
            DockEvent::Arrived {
                bay,
                target,
                profile,
            } => {
                match target {
                    Target::Folder { root } | Target::Mounted { root, .. } => {
                        tracing::info!(%bay, root = %root.display(), profile, "camera arrived");
                    }
                    Target::Usb(device) => {
                        tracing::info!(%bay, device = device.name, ids = device.ids(), serial = device.serial, profile, "camera arrived");
                    }
                }
                bay
            }
            DockEvent::Plugged {
                bay,
                device,
                profile,
            } => {
                tracing::info!(%bay, device = device.name, port = device.port, ids = device.ids(), serial = device.serial, profile, "camera plugged in; its storage is being mounted");
                bay
            }
            DockEvent::Locked {
                bay,
                device,
                profile,
            } => {
                tracing::info!(%bay, device = device.name, port = device.port, ids = device.ids(), profile, "locked camera plugged in");
                bay
            }
            DockEvent::Left { bay, reason } => {
                tracing::info!(%bay, %reason, "camera left");
                bay
            }
            DockEvent::Refused { bay, reason } => {
                // The station reports it as a problem, with its code.
                tracing::debug!(%bay, reason, "refused");
                bay
            }
            DockEvent::RootMissing { root, reason } => {
                tracing::debug!(root = %root.display(), reason, "a configured folder can't be read");
                return;
            }
            DockEvent::RootBack { root } => {
                tracing::debug!(root = %root.display(), "a configured folder is back");
                return;
            }
            DockEvent::Touched { .. } | DockEvent::FirstLookDone => return,
        };
        if self.flaps(bay, Instant::now()) {
            tracing::warn!(code = "bay_flaps", %bay, next_step = "clean the contacts of bay and camera, and change the cable",
                "a camera comes and goes");
        }
    }

    /// Counts one event. True once a minute at most, for a bay that has too many.
    fn flaps(&mut self, bay: &BayName, now: Instant) -> bool {
        if self.bays.len() >= BAYS_MAX {
            self.bays.retain(|_, (since, _)| now - *since < MINUTE);
        }
        let (since, count) = self.bays.entry(bay.clone()).or_insert((now, 0));
        if now - *since >= MINUTE {
            (*since, *count) = (now, 0);
        }
        *count = count.saturating_add(1);
        *count == EVENTS_MAX + 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bay_that_flaps_is_named_once_a_minute() {
        let (mut log, start) = (EventLog::default(), Instant::now());
        let (one, other) = (BayName::new("bay-1"), BayName::new("bay-2"));
        let named = |log: &mut EventLog, bay, at| (0..1000).filter(|_| log.flaps(bay, at)).count();
        assert_eq!(named(&mut log, &one, start), 1);
        assert_eq!(named(&mut log, &one, start + MINUTE / 2), 0);
        assert_eq!(named(&mut log, &one, start + MINUTE), 1);
        assert!((0..EVENTS_MAX).all(|_| !log.flaps(&other, start)));
    }
}
