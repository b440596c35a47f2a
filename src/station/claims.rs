//! One dock session at a time for each serial: a camera that was put into another bay waits until its last session has
//! ended, so that the two never work on the same file.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::ingest::JobControl;
use crate::model::{BayName, CameraId};
use parking_lot::{Condvar, Mutex};

/// The bus may tell of a camera's new bay before it tells that the old one is empty.
const MOVING: Duration = Duration::from_secs(2);
/// For a session whose camera left; longer only where a read of it hangs.
const ENDING: Duration = Duration::from_secs(30);

#[derive(Default)]
pub struct Claims {
    held: Mutex<HashMap<CameraId, (BayName, Arc<JobControl>)>>,
    freed: Condvar,
}

/// Its session may rely on the serial, until this is dropped.
pub struct Claim {
    claims: Arc<Claims>,
    id: CameraId,
}

impl Claims {
    /// Blocks while another session of this camera may still be ending. `Err` names the bay of another camera that gives
    /// the same serial.
    pub fn claim(
        self: &Arc<Self>,
        id: &CameraId,
        bay: &BayName,
        control: &Arc<JobControl>,
        stop: &dyn Fn() -> bool,
    ) -> Result<Claim, BayName> {
        let began = Instant::now();
        let mut held = self.held.lock();
        while let Some((other, of)) = held.get(id) {
            let ending = of.left().is_some();
            let patience = if ending { ENDING } else { MOVING };
            if stop() || began.elapsed() >= patience {
                if !ending {
                    of.meet_twin();
                }
                return Err(other.clone());
            }
            let look = Duration::from_millis(50);
            self.freed.wait_for(&mut held, look);
        }
        held.insert(id.clone(), (bay.clone(), Arc::clone(control)));
        Ok(Claim {
            claims: Arc::clone(self),
            id: id.clone(),
        })
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let held = &self.claims.held;
        held.lock().remove(&self.id);
        self.claims.freed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_camera_in_another_bay_waits_for_its_last_session_and_a_twin_is_told_of() {
        let claims = Arc::new(Claims::default());
        let id = CameraId::new("acme", "X1").unwrap();
        let (one, two) = (BayName::new("1"), BayName::new("2"));
        let first = Arc::new(JobControl::default());
        let held = claims.claim(&id, &one, &first, &|| false).ok().unwrap();
        let never = || true;
        let second = Arc::new(JobControl::default());
        let twin = claims.claim(&id, &two, &second, &never);
        assert_eq!(twin.err(), Some(one.clone()));
        assert!(first.has_twin() && !second.has_twin());
        std::thread::scope(|scope| {
            let waits = scope.spawn(|| claims.claim(&id, &two, &second, &|| false).err());
            first.leave("moved");
            drop(held);
            assert_eq!(waits.join().unwrap(), None);
        });
        // The second one is gone by now: its claim was dropped.
        assert!(claims.claim(&id, &one, &first, &never).is_ok());
    }
}
