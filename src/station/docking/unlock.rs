//! A locked camera in a bay: unlocked by its profile's steps, and tried again once its password was corrected.

use std::sync::Arc;
use std::time::Duration;

use super::unlock_retry::{UnlockTarget, until_unlocked};
use crate::camera::ptp::UsbTransport;
use crate::camera::unlock::{self, Attempts, UnlockError, UnlockReport};
use crate::config::{Config, Profile, Secrets};
use crate::metrics;
use crate::model::{CameraId, Explain as _, Sha256Digest, UsbDevice};

/// The password is read again this often while a refused camera stays docked.
const PASSWORD_INTERVAL: Duration = Duration::from_secs(2);
/// A camera that leaves is noticed within this time.
const STEP: Duration = Duration::from_millis(100);

/// Code, reason and next step.
pub type UnlockRefusal = (&'static str, String, String);

/// A camera that shows no footage until it is logged in to.
pub struct LockedCamera<'a> {
    pub device: &'a UsbDevice,
    pub profile: &'a Arc<Profile>,
    pub config: &'a Config,
    pub attempts: &'a Attempts,
    /// It left, or the service stops.
    pub stop: &'a dyn Fn() -> bool,
    /// Shows each refusal to people.
    pub refused: &'a dyn Fn(UnlockRefusal),
    pub again: &'a dyn Fn(),
}

impl LockedCamera<'_> {
    /// Blocks until it is unlocked; `None`: it left, or the service stops.
    pub fn unlocked(mut self) -> Option<UnlockReport> {
        until_unlocked(&mut self)
    }
}

impl UnlockTarget for LockedCamera<'_> {
    type Failure = UnlockRefusal;

    fn attempt(&mut self) -> Result<UnlockReport, UnlockRefusal> {
        unlock(self.device, self.profile, self.config, self.attempts)
    }

    fn password(&mut self) -> Option<Sha256Digest> {
        let name = self.profile.unlock.as_ref()?.secret.as_ref()?;
        let secret = Secrets::from_environment().unlock_password(self.config, name);
        Some(Sha256Digest::of(secret.ok()?.as_bytes()))
    }

    fn refused(&mut self, failure: UnlockRefusal) {
        (self.refused)(failure);
    }

    fn again(&mut self) {
        tracing::info!(
            device = self.device.ids(),
            profile = self.profile.name,
            "the password of a docked camera was changed: it is tried again"
        );
        (self.again)();
    }

    fn wait(&mut self) -> bool {
        let mut waited = Duration::ZERO;
        while waited < PASSWORD_INTERVAL {
            if (self.stop)() {
                return false;
            }
            std::thread::sleep(STEP);
            waited += STEP;
        }
        !(self.stop)()
    }
}

/// Carries out a profile's unlock step; fails with the code, the reason and the next step. Blocks.
fn unlock(
    device: &UsbDevice,
    profile: &Arc<Profile>,
    config: &Config,
    attempts: &Attempts,
) -> Result<UnlockReport, UnlockRefusal> {
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
    let unlocked = unlock::run(&mut transport, profile, device, password.as_ref(), attempts)
        .map_err(explained)?;
    tracing::info!(
        device = device.ids(),
        profile = profile.name,
        camera = unlocked.id.as_ref().map(CameraId::as_str),
        user = unlocked.user,
        department = unlocked.department,
        battery = unlocked.battery,
        "a locked camera was unlocked; waiting for it to come back"
    );
    Ok(unlocked)
}
