//! Which camera an arrival is, and how it is opened.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicU64, Ordering};

use super::docking::Rules;
use crate::camera::ptp::{LinkTiming, PtpCamera, PtpError, PtpFacts, Stop, UsbTransport};
use crate::camera::unlock::UnlockReport;
use crate::camera::{
    Camera, CameraEntry, CameraError, CameraFile, FolderCamera, MassStorageCamera, WipeOrder,
};
use crate::dock::Target;
use crate::model::{BayName, CameraIdentity, Condition, SourcePath, WipeAnswer};
use parking_lot::Mutex;

/// Between a camera's unlocking and its return in the same bay.
#[derive(Default)]
pub struct Unlocked(Mutex<HashMap<BayName, Expected>>);

/// One camera that is being unlocked; the number tells it from the bay's next one.
#[derive(Default)]
struct Expected {
    number: u64,
    told: Option<UnlockReport>,
}

impl Unlocked {
    /// A camera is about to be unlocked there; returns its number.
    pub fn expect(&self, bay: &BayName) -> u64 {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let expected = Expected { number, told: None };
        self.lock().insert(bay.clone(), expected);
        number
    }

    /// Too late when that camera left: what it told must not be taken for another one's.
    pub fn put(&self, bay: &BayName, number: u64, told: UnlockReport) {
        if let Some(expected) = self.lock().get_mut(bay)
            && expected.number == number
        {
            expected.told = Some(told);
        }
    }

    pub fn take(&self, bay: &BayName) -> Option<UnlockReport> {
        self.lock().remove(bay)?.told
    }

    fn lock(&self) -> parking_lot::MutexGuard<'_, HashMap<BayName, Expected>> {
        self.0.lock()
    }
}

/// A camera with what it told before it was unlocked.
struct Informed {
    camera: Box<dyn Camera>,
    told: UnlockReport,
}

impl Camera for Informed {
    fn identity(&self) -> &CameraIdentity {
        self.camera.identity()
    }

    fn condition(&mut self) -> Condition {
        let mut condition = self.camera.condition();
        condition.clock = condition.clock.or(self.told.clock.take());
        condition.battery = condition.battery.or(self.told.battery);
        condition.warnings.append(&mut self.told.warnings);
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

/// Opens what arrived; ends early once `stop` says so. Blocks.
pub fn open(
    target: &Target,
    profile: &str,
    rules: &Rules,
    told: Option<UnlockReport>,
    stop: Stop,
) -> Result<Box<dyn Camera>, CameraError> {
    let unlocked = told.as_ref().and_then(|told| told.id.clone());
    let camera: Box<dyn Camera> = match target {
        Target::Folder { root } => {
            let camera = FolderCamera::open(root, profile, &rules.profiles)?;
            Box::new(camera.with_max_files(rules.max_files))
        }
        Target::Mounted { root, mounted } => {
            let matched = rules.profiles.for_usb(&mounted.device);
            let profile = matched.as_ref().map(|m| &m.profile);
            // Mounted all the same: the generic profile is always there.
            let Some(profile) = profile.or_else(|| rules.profiles.get("mass-storage")) else {
                return Err(CameraError::Gone { root: root.clone() });
            };
            let camera = MassStorageCamera::open(root, mounted.clone(), profile, unlocked)?;
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
                unlocked,
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
    Ok(match told {
        Some(told) => Box::new(Informed { camera, told }),
        None => camera,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_camera_told_is_its_own_and_comes_too_late_once_it_left() {
        let (unlocked, bay) = (Unlocked::default(), BayName::new("bay-1"));
        let told = |user: &str| UnlockReport {
            user: Some(user.into()),
            ..UnlockReport::default()
        };
        let first = unlocked.expect(&bay);
        unlocked.put(&bay, first, told("Jo"));
        assert_eq!(unlocked.take(&bay), Some(told("Jo")));
        // Its thread ends after it left: the next camera there is somebody else's.
        unlocked.put(&bay, first, told("Jo"));
        assert_eq!(unlocked.take(&bay), None);
        let second = unlocked.expect(&bay);
        unlocked.put(&bay, first, told("Jo"));
        assert_eq!(unlocked.take(&bay), None);
        // Nor is what one told kept when the next is begun with.
        unlocked.put(&bay, second, told("Al"));
        unlocked.expect(&bay);
        assert_eq!(unlocked.take(&bay), None);
    }
}
