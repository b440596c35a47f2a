//! Opens the camera behind an arrival, by its kind and its profile.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::IntakeRules;
use crate::camera::ptp::{LinkTiming, PtpCamera, PtpError, PtpFacts, Stop, UsbTransport};
use crate::camera::unlock::UnlockReport;
use crate::camera::{
    Camera, CameraEntry, CameraError, CameraFile, FolderCamera, MassStorageCamera, WipeOrder,
};
use crate::config::Profile;
use crate::dock::Target;
use crate::model::{BayName, CameraIdentity, Condition, SourcePath, WipeAnswer};
use parking_lot::Mutex;

/// Facts that cameras gave while they were unlocked, kept until they come back in the same bay.
#[derive(Default)]
pub struct PendingUnlocks(Mutex<HashMap<BayName, PendingUnlock>>);

/// One camera that is being unlocked. The number distinguishes it from the next camera in the bay.
#[derive(Default)]
struct PendingUnlock {
    number: u64,
    unlocked: Option<UnlockReport>,
}

impl PendingUnlocks {
    /// A camera is about to be unlocked there; returns its number.
    pub fn expect(&self, bay: &BayName) -> u64 {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let pending = PendingUnlock {
            number,
            unlocked: None,
        };
        self.0.lock().insert(bay.clone(), pending);
        number
    }

    /// Does nothing when that camera has left: its facts must not be taken for another one's.
    pub fn put(&self, bay: &BayName, number: u64, unlocked: UnlockReport) {
        if let Some(pending) = self.0.lock().get_mut(bay)
            && pending.number == number
        {
            pending.unlocked = Some(unlocked);
        }
    }

    pub fn take(&self, bay: &BayName) -> Option<UnlockReport> {
        self.0.lock().remove(bay)?.unlocked
    }
}

/// A camera with the facts that it gave while it was unlocked.
struct UnlockedCamera {
    camera: Box<dyn Camera>,
    unlocked: UnlockReport,
}

impl Camera for UnlockedCamera {
    fn identity(&self) -> &CameraIdentity {
        self.camera.identity()
    }

    fn condition(&mut self) -> Condition {
        let mut condition = self.camera.condition();
        condition.clock = condition.clock.or(self.unlocked.clock.take());
        condition.battery = condition.battery.or(self.unlocked.battery);
        condition.warnings.append(&mut self.unlocked.warnings);
        condition
    }

    fn list(
        &mut self,
        sink: &mut dyn FnMut(CameraEntry) -> ControlFlow<()>,
    ) -> Result<(), CameraError> {
        self.camera.list(sink)
    }

    fn open(&mut self, path: &SourcePath) -> Result<Box<dyn CameraFile>, CameraError> {
        self.camera.open(path)
    }

    fn wipe(
        &mut self,
        order: &WipeOrder<'_>,
        stop: &dyn Fn() -> bool,
    ) -> Result<WipeAnswer, CameraError> {
        self.camera.wipe(order, stop)
    }

    fn still_there(&self) -> bool {
        self.camera.still_there()
    }
}

/// Opens what arrived; gives up once `stop` returns true. `imported`: how a disk is read that is no camera. Blocks.
pub fn open(
    target: &Target,
    profile: &str,
    rules: &IntakeRules,
    unlocked: Option<UnlockReport>,
    imported: Option<&Arc<Profile>>,
    stop: Stop,
) -> Result<Box<dyn Camera>, CameraError> {
    let id = unlocked.as_ref().and_then(|unlocked| unlocked.id.clone());
    let camera: Box<dyn Camera> = match target {
        Target::Folder { root } => {
            let camera = FolderCamera::open(root, profile, &rules.profiles)?;
            Box::new(camera.with_max_files(rules.max_files))
        }
        Target::Mounted { root, mounted } => {
            let matched = rules.profiles.for_usb(&mounted.device);
            let profile = imported.or(matched.as_ref().map(|m| &m.profile));
            // It is mounted even without a profile of its own: the generic profile always exists.
            let Some(profile) = profile.or_else(|| rules.profiles.get("mass-storage")) else {
                return Err(CameraError::Gone { root: root.clone() });
            };
            let camera = MassStorageCamera::open(root, mounted.clone(), profile, id)?;
            Box::new(camera.with_max_files(rules.max_files))
        }
        Target::Usb(device) => {
            let Some(profile) = rules.profiles.get(profile) else {
                return Err(CameraError::Unsupported {
                    device: device.ids(),
                    access: "a profile that is no longer there",
                });
            };
            let facts = PtpFacts {
                device: device.clone(),
                unlocked: id,
            };
            let pace = LinkTiming {
                stop,
                ..LinkTiming::default()
            };
            let transport =
                UsbTransport::open_ptp(device).map_err(|error| CameraError::Device {
                    at: facts.at(),
                    source: PtpError::from(error),
                })?;
            let camera = PtpCamera::open(Box::new(transport), facts, profile, pace)?;
            Box::new(camera.with_max_files(rules.max_files))
        }
    };
    Ok(match unlocked {
        Some(unlocked) => Box::new(UnlockedCamera { camera, unlocked }),
        None => camera,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_of_an_unlocked_camera_never_reach_the_next_camera_in_its_bay() {
        let (pending, bay) = (PendingUnlocks::default(), BayName::new("bay-1"));
        let unlocked_for = |user: &str| UnlockReport {
            user: Some(user.into()),
            ..UnlockReport::default()
        };
        let first = pending.expect(&bay);
        pending.put(&bay, first, unlocked_for("Jo"));
        assert_eq!(pending.take(&bay), Some(unlocked_for("Jo")));
        // A thread may end after its camera has left: the next camera there is somebody else's.
        pending.put(&bay, first, unlocked_for("Jo"));
        assert_eq!(pending.take(&bay), None);
        let second = pending.expect(&bay);
        pending.put(&bay, first, unlocked_for("Jo"));
        assert_eq!(pending.take(&bay), None);
        // Facts of the second one are dropped when unlocking the third one begins.
        pending.put(&bay, second, unlocked_for("Al"));
        pending.expect(&bay);
        assert_eq!(pending.take(&bay), None);
    }
}
