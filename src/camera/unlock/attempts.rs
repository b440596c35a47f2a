use std::collections::HashMap;

use std::time::{Duration, Instant};

use super::UnlockError;
use crate::model::{Sha256Digest, UsbDevice};
use parking_lot::{Mutex, MutexGuard};

/// Attempts with an unknown outcome.
const UNCERTAIN_MAX: u32 = 2;
/// A device without a serial is known by its port alone, where another one may be docked next, so one more attempt is
/// allowed. If it is the same device, its password was wrong twice within this time, which locks no camera.
const PORT_MAX: u32 = 2;
const FORGET_PORT: Duration = Duration::from_hours(1);
const KEPT_MAX: usize = 10_000;

/// The passwords that each device has refused since the service started. A corrected password counts as a new one.
#[derive(Default)]
pub struct Attempts(Mutex<HashMap<[u8; 32], DeviceAttempts>>);

#[derive(Clone, Copy)]
struct DeviceAttempts {
    uncertain: u32,
    refused: u32,
    at: Instant,
}

impl DeviceAttempts {
    /// Whether the password must not be sent again. `lasting`: it is certainly the same device.
    const fn spent(self, lasting: bool) -> bool {
        if lasting {
            self.refused > 0 || self.uncertain >= UNCERTAIN_MAX
        } else {
            self.refused + self.uncertain >= PORT_MAX
        }
    }
}

/// One log-in about to be sent. Counts as uncertain when it is dropped without an outcome.
pub(super) struct Attempt<'a> {
    attempts: &'a Attempts,
    key: [u8; 32],
    at: Instant,
    outcome: AttemptOutcome,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum AttemptOutcome {
    Uncertain,
    Refused,
    Succeeded,
}

impl Attempts {
    /// Fails when this password must not be sent to this device again.
    pub(super) fn begin(
        &self,
        profile: &str,
        device: &UsbDevice,
        password: &str,
    ) -> Result<Attempt<'_>, UnlockError> {
        self.begin_at(profile, device, password, Instant::now())
    }

    fn begin_at(
        &self,
        profile: &str,
        device: &UsbDevice,
        password: &str,
        now: Instant,
    ) -> Result<Attempt<'_>, UnlockError> {
        let (who, lasting) = match &device.serial {
            Some(serial) => (format!("serial {serial}"), true),
            None => (format!("port {}", device.port), false),
        };
        // Only a digest is kept; quotes separate the parts.
        let whole = format!("{profile:?} {} {who:?} {password:?}", device.ids());
        let key = Sha256Digest::of(zeroize::Zeroizing::new(whole).as_bytes()).0;
        let mut kept = self.lock();
        if let Some(tried) = kept.get(&key) {
            if !lasting && now.saturating_duration_since(tried.at) > FORGET_PORT {
                kept.remove(&key);
            } else if tried.spent(lasting) {
                return Err(UnlockError::NotRepeated);
            }
        }
        drop(kept);
        Ok(Attempt {
            attempts: self,
            key,
            at: now,
            outcome: AttemptOutcome::Uncertain,
        })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<[u8; 32], DeviceAttempts>> {
        self.0.lock()
    }
}

impl Attempt<'_> {
    pub fn succeeded(mut self) {
        self.outcome = AttemptOutcome::Succeeded;
    }

    pub fn refused(mut self) {
        self.outcome = AttemptOutcome::Refused;
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        let mut kept = self.attempts.lock();
        if self.outcome == AttemptOutcome::Succeeded {
            kept.remove(&self.key);
            return;
        }
        // Bounded against a flood of invented serials: the oldest are forgotten.
        if kept.len() >= KEPT_MAX
            && let Some(oldest) = kept.iter().min_by_key(|(_, t)| t.at).map(|(k, _)| *k)
        {
            kept.remove(&oldest);
        }
        let tried = kept.entry(self.key).or_insert(DeviceAttempts {
            uncertain: 0,
            refused: 0,
            at: self.at,
        });
        tried.at = self.at;
        match self.outcome {
            AttemptOutcome::Refused => tried.refused += 1,
            _ => tried.uncertain += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::device;
    use super::*;

    #[test]
    fn a_port_is_forgotten_after_an_hour_and_a_serial_never() {
        let (attempts, start) = (Attempts::default(), Instant::now());
        let minute = |n: u64| start + Duration::from_mins(n);
        let refused = |serial, at| {
            let begun = attempts.begin_at("x", &device(serial, "p"), "secret", at);
            begun.map(Attempt::refused).is_ok()
        };
        for (serial, expected) in [
            (None, [true, true, false, false, true, true, false]),
            (Some("S1"), [true, false, false, false, false, false, false]),
        ] {
            let times = [0, 1, 2, 60, 62, 63, 64];
            assert_eq!(times.map(|at| refused(serial, minute(at))), expected);
        }
    }

    #[test]
    fn a_success_in_a_port_makes_room_for_the_next_refusal() {
        let attempts = Attempts::default();
        let begin = || attempts.begin("x", &device(None, "p"), "secret");
        for _ in 0..5 {
            begin().unwrap().refused();
            begin().unwrap().succeeded();
        }
        begin().unwrap().refused();
        // Its outcome is unknown, so it counts.
        drop(begin().unwrap());
        assert_eq!(begin().err(), Some(UnlockError::NotRepeated));
    }
}
