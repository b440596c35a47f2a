//! One dock session at a time for each serial. A camera that was moved to another bay waits until its previous session has
//! ended, so that two sessions never work on the same file.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::ingest::JobControl;
use crate::model::{BayName, CameraId};
use parking_lot::{Condvar, Mutex};

/// The bus may report a camera's new bay before it reports that the old one is empty.
const MOVING: Duration = Duration::from_secs(2);
/// A session whose camera has left ends within this time unless a read hangs.
const ENDING: Duration = Duration::from_secs(30);

#[derive(Default)]
pub struct SerialClaims {
    held: Mutex<HashMap<CameraId, (BayName, Arc<JobControl>)>>,
    freed: Condvar,
}

/// The serial belongs to one session until this is dropped.
pub struct SerialClaim {
    claims: Arc<SerialClaims>,
    id: CameraId,
}

impl SerialClaims {
    /// Blocks while a previous session of this camera may still be ending. `Err` names the bay of another camera with the
    /// same serial.
    pub fn claim(
        self: &Arc<Self>,
        id: &CameraId,
        bay: &BayName,
        control: &Arc<JobControl>,
        stop: &dyn Fn() -> bool,
    ) -> Result<SerialClaim, BayName> {
        let began = Instant::now();
        let mut held = self.held.lock();
        while let Some((other, session)) = held.get(id) {
            let ending = session.left().is_some();
            let limit = if ending { ENDING } else { MOVING };
            if stop() || began.elapsed() >= limit {
                if !ending {
                    session.meet_twin();
                }
                return Err(other.clone());
            }
            // `stop` and `left` notify nobody.
            self.freed.wait_for(&mut held, Duration::from_millis(50));
        }
        held.insert(id.clone(), (bay.clone(), Arc::clone(control)));
        Ok(SerialClaim {
            claims: Arc::clone(self),
            id: id.clone(),
        })
    }
}

impl Drop for SerialClaim {
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
    fn a_moved_camera_waits_for_its_previous_session_and_a_twin_is_named() {
        let claims = Arc::new(SerialClaims::default());
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
        // The second claim was dropped with its thread.
        assert!(claims.claim(&id, &one, &first, &never).is_ok());
    }
}
