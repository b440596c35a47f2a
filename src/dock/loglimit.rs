//! The station's own log lines about bays, bounded.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::{DockEvent, Target};
use crate::model::BayName;

const LOG_LINES_A_MINUTE: u32 = 6;

/// A bay that comes and goes all the time must not fill the station's log.
#[derive(Default)]
pub(super) struct LogLimit {
    bays: BTreeMap<BayName, (Instant, u32)>,
}

impl LogLimit {
    pub fn event(&mut self, event: &DockEvent) {
        match event {
            DockEvent::Arrived {
                bay,
                target,
                profile,
            } => {
                if self.allows(bay) {
                    match target {
                        Target::Folder { root } | Target::Mounted { root, .. } => {
                            tracing::info!(%bay, root = %root.display(), profile, "camera arrived");
                        }
                        Target::Usb(device) => {
                            tracing::info!(%bay, device = device.name, ids = device.ids(), serial = device.serial, profile, "camera arrived");
                        }
                    }
                }
            }
            DockEvent::Plugged {
                bay,
                device,
                profile,
            } => {
                if self.allows(bay) {
                    tracing::info!(%bay, device = device.name, port = device.port, ids = device.ids(), serial = device.serial, profile, "camera plugged in; its storage is being mounted");
                }
            }
            DockEvent::Locked {
                bay,
                device,
                profile,
            } => {
                if self.allows(bay) {
                    tracing::info!(%bay, device = device.name, port = device.port, ids = device.ids(), profile, "locked camera plugged in");
                }
            }
            DockEvent::Left { bay, reason } => {
                if self.allows(bay) {
                    tracing::info!(%bay, %reason, "camera left");
                }
            }
            DockEvent::Refused { bay, reason } => {
                if self.allows(bay) {
                    // The station says it as a problem, with its code; this is the dock's own account.
                    tracing::debug!(%bay, reason, "refused");
                }
            }
            DockEvent::RootMissing { root, reason } => {
                tracing::debug!(root = %root.display(), reason, "a configured folder can't be looked at");
            }
            DockEvent::RootBack { root } => {
                tracing::debug!(root = %root.display(), "a configured folder is back");
            }
            DockEvent::Touched { .. } | DockEvent::FirstLookDone => {}
        }
    }

    fn allows(&mut self, bay: &BayName) -> bool {
        let now = Instant::now();
        if self.bays.len() > 1024 {
            self.bays
                .retain(|_, (since, _)| now - *since < Duration::from_mins(1));
        }
        let (since, count) = self.bays.entry(bay.clone()).or_insert((now, 0));
        if now - *since >= Duration::from_mins(1) {
            if *count > LOG_LINES_A_MINUTE {
                tracing::info!(%bay, "{} more lines were left out", *count - LOG_LINES_A_MINUTE);
            }
            (*since, *count) = (now, 0);
        }
        *count = count.saturating_add(1);
        if *count == LOG_LINES_A_MINUTE + 1 {
            tracing::warn!(code = "bay_flaps", %bay, next_step = "clean the contacts of bay and camera, and change the cable",
                "a camera comes and goes; its log lines are left out for a minute");
        }
        *count <= LOG_LINES_A_MINUTE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bay_that_flaps_gets_a_bounded_number_of_log_lines() {
        let mut log = LogLimit::default();
        let bay = BayName::new("bay-1");
        let allowed = (0..1000).filter(|_| log.allows(&bay)).count();
        assert_eq!(allowed, LOG_LINES_A_MINUTE as usize);
        assert!(log.allows(&BayName::new("bay-2")));
    }
}
