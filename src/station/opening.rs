//! Which camera an arrival is, and how it is opened.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::docking::Rules;
use crate::camera::{Camera, CameraError, FolderCamera, MassStorageCamera};
use crate::config::{Config, Profile};
use crate::dock::Target;
use crate::model::{BayName, CameraId, UsbDevice};

/// What a camera told while it was being unlocked.
#[derive(Debug, Clone, Default)]
pub struct Told {
    pub id: Option<CameraId>,
}

/// Between a camera's unlocking and its return in the same bay.
#[derive(Default)]
pub struct Unlocked(Mutex<HashMap<BayName, Told>>);

impl Unlocked {
    pub fn put(&self, bay: &BayName, told: Told) {
        self.lock().insert(bay.clone(), told);
    }

    pub fn take(&self, bay: &BayName) -> Option<Told> {
        self.lock().remove(bay)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<BayName, Told>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Opens what arrived. Blocks.
pub fn open(
    target: &Target,
    profile: &str,
    rules: &Rules,
    told: Option<Told>,
) -> Result<Box<dyn Camera>, CameraError> {
    match target {
        Target::Folder { root } => {
            let camera = FolderCamera::open(root, profile, &rules.profiles)?;
            Ok(Box::new(camera.with_max_files(rules.max_files)))
        }
        Target::Mounted { root, mounted } => {
            let matched = rules.profiles.for_usb(&mounted.device);
            let profile = matched.as_ref().map(|m| &m.profile);
            // Mounted all the same: the generic profile is always there.
            let Some(profile) = profile.or_else(|| rules.profiles.get("mass-storage")) else {
                return Err(CameraError::Gone { root: root.clone() });
            };
            let id = told.and_then(|told| told.id);
            let camera = MassStorageCamera::open(root, mounted.clone(), profile, id)?;
            Ok(Box::new(camera.with_max_files(rules.max_files)))
        }
        Target::Usb(device) => Err(CameraError::Unsupported {
            device: device.ids(),
            access: "ptp",
        }),
    }
}

/// Carries out a profile's unlock step; fails with the reason and the next step. Blocks.
pub fn unlock(
    device: &UsbDevice,
    profile: &Arc<Profile>,
    _config: &Config,
) -> Result<Told, (String, String)> {
    Err((
        format!(
            "{} ({}) is locked, and this version cannot unlock it",
            device.ids(),
            profile.name
        ),
        "Unlock the camera by hand, then dock it again.".into(),
    ))
}
