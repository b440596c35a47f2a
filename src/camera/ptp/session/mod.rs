//! A session with a device, with the retry rules that cameras in the field need. Only reads, except for the clock and for
//! `erase`, whose one operation is never repeated.

mod erase;
mod footage;

pub use erase::DeleteAnswer;

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::PtpError;
use super::dataset::DeviceInfo;
use super::link::{AnswerPhase, Link, LinkTiming};
use super::transport::{BulkTransport, Presence};
use super::wire::{self, Response, op, rc};
use crate::config::PtpQuirks;
use crate::model::Explain as _;

/// Limit in bytes for an answer that is neither a list nor footage.
pub(super) const DATASET_MAX: u64 = 256 << 10;
/// Retries for a busy device, with growing pauses.
const BUSY_TRIES: u32 = 12;
const PAUSE_MAX: Duration = Duration::from_secs(3);
/// Link errors that one operation may recover from: the first by a cancel, the second by a reset.
const TROUBLES: u32 = 2;

pub struct PtpSession {
    link: Link,
    quirks: PtpQuirks,
    presence: Presence,
    next: u32,
    /// The transaction of the current operation.
    transaction: u32,
    open: bool,
    /// A session was opened before; if it is lost, the next operation opens another one.
    begun: bool,
    /// Counts the sessions that were opened.
    epoch: u64,
    gone: Arc<AtomicBool>,
    /// Operations that were answered with "not supported", whatever DeviceInfo claims.
    refused: HashSet<u16>,
    info: DeviceInfo,
    stream: Option<u64>,
    streams: u64,
}

/// One read operation, and a bound for its answer.
#[derive(Clone, Copy)]
pub struct Query<'a> {
    pub operation: u16,
    pub parameters: &'a [u32],
    pub what: &'static str,
    /// Bytes of payload at most.
    pub limit: u64,
}

impl PtpSession {
    /// Reads DeviceInfo and opens the session.
    pub fn open(
        transport: Box<dyn BulkTransport>,
        quirks: PtpQuirks,
        timing: LinkTiming,
    ) -> Result<Self, PtpError> {
        let presence = transport.presence();
        let mut session = Self {
            link: Link::new(transport, timing),
            quirks,
            presence,
            next: 1,
            transaction: 0,
            open: false,
            begun: false,
            epoch: 0,
            gone: Arc::default(),
            refused: HashSet::new(),
            info: DeviceInfo::default(),
            stream: None,
            streams: 0,
        };
        // Outside a session, as the standard allows; a few devices answer only inside one.
        let early = match session.device_info() {
            Err(error @ (PtpError::Gone | PtpError::Stopped)) => return Err(error),
            early => early.ok(),
        };
        session.open_session()?;
        session.info = match early {
            Some(info) => info,
            None => session.device_info()?,
        };
        Ok(session)
    }

    /// Set once the device has left; can be read while the session is in use.
    pub fn gone_flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.gone)
    }

    fn is_gone(&self) -> bool {
        self.gone.load(Ordering::Relaxed)
    }

    pub fn info(&self) -> &DeviceInfo {
        &self.info
    }

    pub fn quirks(&self) -> PtpQuirks {
        self.quirks
    }

    /// Whether the device claims this operation and has not refused it.
    pub fn supports(&self, operation: u16) -> bool {
        self.info.operations.contains(&operation) && !self.refused.contains(&operation)
    }

    /// Never tries this operation again.
    pub fn give_up_on(&mut self, operation: u16) {
        self.refused.insert(operation);
    }

    /// Reads DeviceInfo again.
    pub fn device_info(&mut self) -> Result<DeviceInfo, PtpError> {
        let bytes = self.read(Query {
            operation: op::GET_DEVICE_INFO,
            parameters: &[],
            what: "DeviceInfo",
            limit: DATASET_MAX,
        })?;
        Ok(DeviceInfo::parse(&bytes)?)
    }

    /// A whole dataset.
    pub fn read(&mut self, ask: Query<'_>) -> Result<Vec<u8>, PtpError> {
        self.repeatedly(|session| session.dataset(ask))
    }

    /// As [`PtpSession::read`], for answers that can be had in another way: recovers from link errors, but does not repeat.
    pub fn read_once(&mut self, ask: Query<'_>) -> Result<Vec<u8>, PtpError> {
        let read = self.with_retries(0, |session| session.dataset(ask));
        if let Err(error) = read
            && error.of_the_link()
        {
            self.recover(error, 1)?;
        }
        read
    }

    fn dataset(&mut self, ask: Query<'_>) -> Result<Vec<u8>, PtpError> {
        self.command(ask.operation, ask.parameters)?;
        let mut bytes = Vec::new();
        match self.link.answer(self.transaction, 4096)? {
            AnswerPhase::Response(response) => self.accept(ask.operation, &response)?,
            AnswerPhase::Data(length) => {
                let limit = ask.limit;
                let too_large = PtpError::TooLarge {
                    what: ask.what,
                    limit,
                };
                if length.is_some_and(|length| length > limit) {
                    return Err(too_large);
                }
                let mut chunk = vec![0; 16 << 10];
                loop {
                    let count = self.link.data(&mut chunk)?;
                    if count == 0 {
                        break;
                    }
                    bytes.extend_from_slice(&chunk[..count]);
                    if bytes.len() as u64 > limit {
                        return Err(too_large);
                    }
                }
                let response = self.link.response(self.transaction)?;
                self.accept(ask.operation, &response)?;
            }
        }
        Ok(bytes)
    }

    /// Sends a dataset. Used for the clock only.
    pub fn write(
        &mut self,
        operation: u16,
        parameters: &[u32],
        payload: &[u8],
    ) -> Result<(), PtpError> {
        self.repeatedly(|session| {
            session.command(operation, parameters)?;
            let data = wire::container(wire::DATA, operation, session.transaction, payload);
            session.link.send(&data)?;
            let response = session.link.response(session.transaction)?;
            session.accept(operation, &response)
        })
    }

    /// Waits before a retry.
    pub fn pause(&self) -> Result<(), PtpError> {
        self.link.pause(self.link.timing.pause)
    }

    /// Runs one operation and repeats it where that may help. Safe, because none of these operations changes anything
    /// else when it is repeated.
    fn repeatedly<T>(
        &mut self,
        once: impl FnMut(&mut Self) -> Result<T, PtpError>,
    ) -> Result<T, PtpError> {
        self.with_retries(TROUBLES, once)
    }

    /// `most`: link errors after which the operation is still repeated.
    fn with_retries<T>(
        &mut self,
        most: u32,
        mut once: impl FnMut(&mut Self) -> Result<T, PtpError>,
    ) -> Result<T, PtpError> {
        self.end_stream()?;
        let (mut busy, mut troubles, mut raised, mut reopened) = (0, 0, false, false);
        loop {
            if self.is_gone() {
                return Err(PtpError::Gone);
            }
            if self.begun && !self.open {
                self.open_session()?;
            }
            let done = once(self);
            match self.note_gone(done) {
                Err(PtpError::Refused { code: rc::BUSY, .. }) if busy < BUSY_TRIES => {
                    busy += 1;
                    let pause = self.link.timing.pause * 2_u32.pow(busy.min(5));
                    self.link.pause(pause.min(PAUSE_MAX))?;
                }
                Err(PtpError::Refused {
                    code: rc::BAD_TRANSACTION,
                    ..
                }) if !raised => {
                    raised = true;
                    self.next = self.next.saturating_add(0x1000);
                }
                Err(PtpError::Refused {
                    code: rc::SESSION_NOT_OPEN,
                    ..
                }) if self.open && !reopened => {
                    reopened = true;
                    self.open = false;
                }
                Err(error) if error.of_the_link() && troubles < most => {
                    troubles += 1;
                    tracing::debug!(%error, troubles, "a link error of a device");
                    self.recover(error, troubles)?;
                }
                done => return done,
            }
        }
    }

    fn command(&mut self, operation: u16, parameters: &[u32]) -> Result<(), PtpError> {
        if self.open {
            self.transaction = self.next;
            // 0 and FFFFFFFF are reserved.
            self.next = match self.next.saturating_add(1) {
                u32::MAX => 1,
                next => next,
            };
        } else {
            self.transaction = 0;
        }
        self.link
            .send(&wire::command(operation, self.transaction, parameters))
    }

    fn accept(&mut self, operation: u16, response: &Response) -> Result<(), PtpError> {
        match response.code {
            rc::OK => Ok(()),
            rc::NOT_SUPPORTED => {
                self.refused.insert(operation);
                Err(PtpError::Unsupported(operation))
            }
            code => Err(PtpError::Refused { operation, code }),
        }
    }

    fn open_session(&mut self) -> Result<(), PtpError> {
        let (mut raised, mut troubles) = (0, 0);
        loop {
            let transaction = raised;
            let tried = self
                .link
                .send(&wire::command(op::OPEN_SESSION, transaction, &[1]));
            let answered = tried.and_then(|()| self.link.response(transaction));
            match self.note_gone(answered) {
                Ok(response) => match response.code {
                    // Left open by an earlier program.
                    rc::OK | rc::ALREADY_OPEN => {
                        (self.open, self.begun) = (true, true);
                        self.epoch += 1;
                        return Ok(());
                    }
                    rc::BAD_TRANSACTION if raised < 3 => {
                        raised += 1;
                        self.next = self.next.max(raised + 1);
                    }
                    rc::BUSY if troubles < BUSY_TRIES => {
                        troubles += 1;
                        self.link
                            .pause((self.link.timing.pause * 4).min(PAUSE_MAX))?;
                    }
                    code => {
                        return Err(PtpError::Refused {
                            operation: op::OPEN_SESSION,
                            code,
                        });
                    }
                },
                Err(error) if error.of_the_link() && troubles == 0 => {
                    troubles = BUSY_TRIES;
                    self.reset(error)?;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Remembers that the device is gone. An unplugged device first looks like a failed transfer.
    fn note_gone<T>(&mut self, done: Result<T, PtpError>) -> Result<T, PtpError> {
        match done {
            Err(PtpError::Gone) => {
                self.gone.store(true, Ordering::Relaxed);
                Err(PtpError::Gone)
            }
            Err(PtpError::Transfer(_)) if !self.is_there() => {
                self.gone.store(true, Ordering::Relaxed);
                Err(PtpError::Gone)
            }
            done => done,
        }
    }

    /// Checks for a second, because the kernel takes a moment to notice that a device was unplugged.
    fn is_there(&self) -> bool {
        for _ in 0..10 {
            if !(self.presence)() {
                return false;
            }
            if self.link.pause(self.link.timing.pause).is_err() {
                break;
            }
        }
        true
    }

    /// Cancels first, which keeps the session; the second time resets and opens a new session.
    fn recover(&mut self, error: PtpError, trouble: u32) -> Result<(), PtpError> {
        if trouble <= 1 {
            self.cancel()
        } else {
            self.renew(error)
        }
    }

    fn cancel(&mut self) -> Result<(), PtpError> {
        let cancelled = super::recovery::cancel(&mut self.link, self.transaction);
        match self.note_gone(cancelled) {
            Err(error) if error.of_the_link() => self.renew(error),
            cancelled => cancelled,
        }
    }

    fn renew(&mut self, error: PtpError) -> Result<(), PtpError> {
        // A reset ends the session.
        self.open = false;
        self.reset(error)
    }

    fn reset(&mut self, error: PtpError) -> Result<(), PtpError> {
        tracing::warn!(code = error.label(), %error, next_step = error.next_step(), "a camera is reset");
        let done = super::recovery::reset(&mut self.link);
        self.note_gone(done)
    }

    /// Closes the session. Errors are only logged.
    pub fn close(&mut self) {
        if self.is_gone() || !self.open {
            return;
        }
        // A stop must not leave a device in the middle of a transfer.
        self.link.timing.stop = Arc::new(|| false);
        self.link.timing.patience = self.link.timing.patience.min(Duration::from_secs(4));
        if self.end_stream().is_err() || self.quirks.no_close {
            return;
        }
        let closed = self
            .command(op::CLOSE_SESSION, &[])
            .and_then(|()| self.link.response(self.transaction).map(drop));
        self.open = false;
        if let Err(error) = closed {
            tracing::debug!(%error, "closing a session");
        }
    }
}

impl Drop for PtpSession {
    fn drop(&mut self) {
        self.close();
    }
}
