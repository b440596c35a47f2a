use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::UnlockError;
use crate::model::{Sha256Digest, UsbDevice};

/// Tries of which nobody knows how they ended.
const UNCERTAIN_MAX: u32 = 2;
/// A device without a serial is known by its port alone, where another one may be docked tomorrow.
const FORGET_PORT: Duration = Duration::from_hours(1);
const KEPT_MAX: usize = 10_000;

/// Which passwords were refused by which devices, for as long as the service runs. A corrected password is another one.
#[derive(Default)]
pub struct Attempts(Mutex<HashMap<[u8; 32], Tried>>);

#[derive(Clone, Copy)]
struct Tried {
    uncertain: u32,
    refused: bool,
    at: Instant,
}

/// One log-in that is about to be tried; dropped without an outcome it counts as uncertain.
pub(super) struct Attempt<'a> {
    attempts: &'a Attempts,
    key: [u8; 32],
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
        let (who, lasting) = match &device.serial {
            Some(serial) => (format!("serial {serial}"), true),
            None => (format!("port {}", device.port), false),
        };
        // Only a digest is kept; the parts can't run into each other.
        let whole = format!("{profile:?} {} {who:?} {password:?}", device.ids());
        let key = Sha256Digest::of(zeroize::Zeroizing::new(whole).as_bytes()).0;
        if let Some(tried) = self.lock().get(&key) {
            let old = !lasting && tried.at.elapsed() > FORGET_PORT;
            if !old && (tried.refused || tried.uncertain >= UNCERTAIN_MAX) {
                return Err(UnlockError::NotRepeated);
            }
        }
        Ok(Attempt {
            attempts: self,
            key,
            outcome: Outcome::Uncertain,
        })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<[u8; 32], Tried>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
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
            refused: false,
            at: Instant::now(),
        });
        tried.at = Instant::now();
        match self.outcome {
            Outcome::Refused => tried.refused = true,
            _ => tried.uncertain += 1,
        }
    }
}
