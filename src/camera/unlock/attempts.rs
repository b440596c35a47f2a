use std::collections::HashMap;

use std::time::{Duration, Instant};

use super::UnlockError;
use crate::model::{Sha256Digest, UsbDevice};
use parking_lot::{Mutex, MutexGuard};

/// Tries of which nobody knows how they ended.
const UNCERTAIN_MAX: u32 = 2;
/// A device without a serial is known by its port alone, where another one may be docked next: one more try is for that
/// one. Should it be the same, its password was wrong twice within this time, of which no camera locks itself.
const PORT_MAX: u32 = 2;
const FORGET_PORT: Duration = Duration::from_hours(1);
const KEPT_MAX: usize = 10_000;

/// Which passwords were refused by which devices, for as long as the service runs. A corrected password is another one.
#[derive(Default)]
pub struct Attempts(Mutex<HashMap<[u8; 32], Tried>>);

#[derive(Clone, Copy)]
struct Tried {
    uncertain: u32,
    refused: u32,
    at: Instant,
}

impl Tried {
    /// Must not be tried again. `lasting`: it is the same device for certain.
    const fn spent(self, lasting: bool) -> bool {
        if lasting {
            self.refused > 0 || self.uncertain >= UNCERTAIN_MAX
        } else {
            self.refused + self.uncertain >= PORT_MAX
        }
    }
}

/// One log-in that is about to be tried; dropped without an outcome it counts as uncertain.
pub(super) struct Attempt<'a> {
    attempts: &'a Attempts,
    key: [u8; 32],
    at: Instant,
    outcome: Outcome,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Outcome {
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
        // Only a digest is kept; the parts can't run into each other.
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
            outcome: Outcome::Uncertain,
        })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<[u8; 32], Tried>> {
        self.0.lock()
    }
}

impl Attempt<'_> {
    pub fn succeeded(mut self) {
        self.outcome = Outcome::Succeeded;
    }

    pub fn refused(mut self) {
        self.outcome = Outcome::Refused;
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        let mut kept = self.attempts.lock();
        if self.outcome == Outcome::Succeeded {
            kept.remove(&self.key);
            return;
        }
        // A flood of made-up serials: the oldest are forgotten.
        if kept.len() >= KEPT_MAX
            && let Some(oldest) = kept.iter().min_by_key(|(_, t)| t.at).map(|(k, _)| *k)
        {
            kept.remove(&oldest);
        }
        let tried = kept.entry(self.key).or_insert(Tried {
            uncertain: 0,
            refused: 0,
            at: self.at,
        });
        tried.at = self.at;
        match self.outcome {
            Outcome::Refused => tried.refused += 1,
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
        // Nobody knows how this one ended: it counts.
        drop(begin().unwrap());
        assert_eq!(begin().err(), Some(UnlockError::NotRepeated));
    }
}
