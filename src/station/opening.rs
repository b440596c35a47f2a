//! Which camera an arrival is, and how it is opened.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, PoisonError};

use super::docking::Rules;
use crate::camera::ptp::{Pace, PtpCamera, PtpError, PtpFacts, Stop, UsbTransport};
use crate::camera::unlock::{self, Attempts, UnlockError, Unlocked as Told};
use crate::camera::{
    Camera, CameraError, CameraFile, FolderCamera, Listed, MassStorageCamera, WipeOrder,
};
use crate::config::{Config, Profile, Secrets};
use crate::dock::Target;
use crate::metrics;
use crate::model::{
    BayName, CameraId, CameraIdentity, Condition, Explain as _, SourcePath, UsbDevice, WipeAnswer,
};

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

/// A camera with what it told before it was unlocked.
struct Informed {
    camera: Box<dyn Camera>,
    told: Told,
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

    fn list(&mut self, sink: &mut dyn FnMut(Listed) -> ControlFlow<()>) -> Result<(), CameraError> {
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
    told: Option<Told>,
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
            let pace = Pace {
                stop,
                ..Pace::default()
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

/// Carries out a profile's unlock step; fails with the code, the reason and the next step. Blocks.
pub fn unlock(
    device: &UsbDevice,
    profile: &Arc<Profile>,
    config: &Config,
    attempts: &Attempts,
) -> Result<Told, (&'static str, String, String)> {
    let explained = |error: UnlockError| {
        metrics::error(error.label());
        (
            error.label(),
            format!("{} ({}) is locked: {error}", device.ids(), profile.name),
            error.next_step(),
        )
    };
    let Some(steps) = &profile.unlock else {
        return Err(explained(UnlockError::NoSteps));
    };
    let password = match &steps.secret {
        None => None,
        Some(name) => {
            let secret = Secrets::from_environment().unlock_password(config, name);
            Some(secret.map_err(|error| (error.label(), error.to_string(), error.next_step()))?)
        }
    };
    let mut transport = UsbTransport::open(device, unlock::claim(steps))
        .map_err(|error| explained(error.into()))?;
    let told = unlock::run(&mut transport, profile, device, password.as_ref(), attempts)
        .map_err(explained)?;
    tracing::info!(
        device = device.ids(),
        profile = profile.name,
        camera = told.id.as_ref().map(CameraId::as_str),
        user = told.user,
        department = told.department,
        battery = told.battery,
        "a locked camera was unlocked; waiting for it to come back"
    );
    Ok(told)
}
