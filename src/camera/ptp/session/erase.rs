//! Deletes one object: the only operation that is never repeated.

use std::sync::Arc;
use std::time::Duration;

use super::PtpSession;
use crate::camera::ptp::PtpError;
use crate::camera::ptp::wire::{op, rc};

/// Deleting only changes the camera's file table. A stop waits for it this long at most.
const PATIENCE: Duration = Duration::from_secs(20);

/// The outcome of one deletion request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeleteAnswer {
    /// Not sent: the session in which the object was checked is over.
    NewSession,
    /// The response's code.
    Answered(u16),
    /// Sent, but no answer came: the object may be deleted or not.
    Lost(PtpError),
}

impl PtpSession {
    /// Numbers the sessions. A handle from another session may stand for another object now.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Requests an object's deletion, once, and only in the session of `epoch`. Never repeats the request after a lost
    /// answer: the handle may stand for another object by then.
    pub fn delete(&mut self, handle: u32, epoch: u64) -> Result<DeleteAnswer, PtpError> {
        self.end_stream()?;
        if self.is_gone() {
            return Err(PtpError::Gone);
        }
        if !self.open || self.epoch != epoch {
            return Ok(DeleteAnswer::NewSession);
        }
        // A stop does not interrupt a deletion that has begun.
        let timing = self.link.timing.clone();
        self.link.timing.stop = Arc::new(|| false);
        self.link.timing.patience = timing.patience.min(PATIENCE);
        let answered = self
            .command(op::DELETE_OBJECT, &[handle, 0])
            .and_then(|()| self.link.response(self.transaction));
        let answered = self.note_gone(answered);
        self.link.timing = timing;
        Ok(match answered {
            Ok(response) => {
                if response.code == rc::NOT_SUPPORTED {
                    self.give_up_on(op::DELETE_OBJECT);
                }
                DeleteAnswer::Answered(response.code)
            }
            Err(error) => {
                // A late answer must not reach the next operation. If this fails, that operation reports it.
                if error.of_the_link() {
                    let _ = self.renew(error);
                }
                DeleteAnswer::Lost(error)
            }
        })
    }
}
