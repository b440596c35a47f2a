//! Deleting one object: the only operation that is sent once, whatever becomes of it.

use std::sync::Arc;
use std::time::Duration;

use super::Session;
use crate::camera::ptp::PtpError;
use crate::camera::ptp::wire::{op, rc};

/// Deleting is an entry in a table of the camera's; the end of the work waits for it, but not for ever.
const PATIENCE: Duration = Duration::from_secs(20);

/// What came of asking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// It was not asked: the session in which the object was looked at is over.
    NewSession,
    /// The response's code.
    Answered(u16),
    /// Asked, and no answer came: it may have been done or not.
    Lost(PtpError),
}

impl Session {
    /// Which session this is. Handles that were learned in another one may stand for other objects now.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Asks for an object's deletion, once, and only in the session of `epoch`. A lost answer is never made up for by asking
    /// again: the handle may be that of another object by then.
    pub fn delete(&mut self, handle: u32, epoch: u64) -> Result<Asked, PtpError> {
        self.end_stream()?;
        if self.is_gone() {
            return Err(PtpError::Gone);
        }
        if !self.open || self.epoch != epoch {
            return Ok(Asked::NewSession);
        }
        // What was begun is seen to its end, also when the work is to stop.
        let pace = self.link.pace.clone();
        self.link.pace.stop = Arc::new(|| false);
        self.link.pace.patience = pace.patience.min(PATIENCE);
        let answered = self
            .command(op::DELETE_OBJECT, &[handle, 0])
            .and_then(|()| self.link.response(self.transaction));
        let answered = self.noticed(answered);
        self.link.pace = pace;
        Ok(match answered {
            Ok(response) => {
                if response.code == rc::NOT_SUPPORTED {
                    self.give_up_on(op::DELETE_OBJECT);
                }
                Asked::Answered(response.code)
            }
            Err(error) => {
                // What may still come belongs to a session that is over; where even this fails, the next operation tells.
                if error.of_the_link() {
                    let _ = self.renew(error);
                }
                Asked::Lost(error)
            }
        })
    }
}
