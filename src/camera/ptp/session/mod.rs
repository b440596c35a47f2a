//! A session with a device: operations with the retry rules of CAMERAS.md, section 2. Reads only, except for the clock and
//! for `erase`, whose one operation knows no retry.

mod erase;
mod footage;

pub use erase::Asked;

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::PtpError;
use super::dataset::DeviceInfo;
use super::link::{Answer, Link, Pace};
use super::transport::{BulkTransport, Presence};
use super::wire::{self, Response, op, rc};
use crate::config::PtpQuirks;
use crate::model::Explain as _;

/// Bytes that an answer other than a list or footage may have.
pub(super) const DATASET_MAX: u64 = 256 << 10;
/// A busy device is asked this often again, ever more slowly.
const BUSY_TRIES: u32 = 12;
const PAUSE_MAX: Duration = Duration::from_secs(3);
/// Troubles of the link that one operation may meet: the first is met with a cancel, the second with a reset.
const TROUBLES: u32 = 2;

pub struct Session {
    link: Link,
    quirks: PtpQuirks,
    presence: Presence,
    next: u32,
    /// Of the operation at work.
    transaction: u32,
    open: bool,
    /// A session was open once; one that got lost is opened anew before the next operation.
    begun: bool,
    /// Counts the sessions that were opened.
    epoch: u64,
    gone: Arc<AtomicBool>,
    /// Answered with "not supported", whatever DeviceInfo claims.
    refused: HashSet<u16>,
    info: DeviceInfo,
    stream: Option<u64>,
    streams: u64,
}

/// What is read and how much of it may come.
#[derive(Clone, Copy)]
pub struct Ask<'a> {
    pub operation: u16,
    pub parameters: &'a [u32],
    pub what: &'static str,
    /// Bytes of payload at most.
    pub limit: u64,
}

impl Session {
    /// Asks who the device is and opens the session.
    pub fn open(
        transport: Box<dyn BulkTransport>,
        quirks: PtpQuirks,
        pace: Pace,
    ) -> Result<Self, PtpError> {
        let presence = transport.presence();
        let mut session = Self {
            link: Link::new(transport, pace),
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
        // Outside of a session, as the standard allows; a few devices answer only inside of one.
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

    /// Set once the device has left; can be read while the session is at work.
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

    /// Whether the device says that it can do this, and has not shown otherwise.
    pub fn supports(&self, operation: u16) -> bool {
        self.info.operations.contains(&operation) && !self.refused.contains(&operation)
    }

    /// Don't try this operation again.
    pub fn give_up_on(&mut self, operation: u16) {
        self.refused.insert(operation);
    }

    /// DeviceInfo asked for now.
    pub fn device_info(&mut self) -> Result<DeviceInfo, PtpError> {
        let bytes = self.read(Ask {
            operation: op::GET_DEVICE_INFO,
            parameters: &[],
            what: "DeviceInfo",
            limit: DATASET_MAX,
        })?;
        Ok(DeviceInfo::parse(&bytes)?)
    }

    /// A whole dataset.
    pub fn read(&mut self, ask: Ask<'_>) -> Result<Vec<u8>, PtpError> {
        self.patiently(|session| session.dataset(ask))
    }

    /// As [`Session::read`], for what can be had in another way: trouble of the link is mended, but nothing asked again.
    pub fn read_once(&mut self, ask: Ask<'_>) -> Result<Vec<u8>, PtpError> {
        let read = self.with_patience(0, |session| session.dataset(ask));
        if let Err(error) = read
            && error.of_the_link()
        {
            self.recover(error, 1)?;
        }
        read
    }

    fn dataset(&mut self, ask: Ask<'_>) -> Result<Vec<u8>, PtpError> {
        self.command(ask.operation, ask.parameters)?;
        let mut bytes = Vec::new();
        match self.link.answer(self.transaction, 4096)? {
            Answer::Response(response) => self.accept(ask.operation, &response)?,
            Answer::Data(length) => {
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

    /// Sends a dataset: for the clock only.
    pub fn write(
        &mut self,
        operation: u16,
        parameters: &[u32],
        payload: &[u8],
    ) -> Result<(), PtpError> {
        self.patiently(|session| {
            session.command(operation, parameters)?;
            let data = wire::container(wire::DATA, operation, session.transaction, payload);
            session.link.send(&data)?;
            let response = session.link.response(session.transaction)?;
            session.accept(operation, &response)
        })
    }

    /// Waits a little before something is tried again.
    pub fn pause(&self) -> Result<(), PtpError> {
        self.link.pause(self.link.pace.pause)
    }

    /// Runs one operation, again where that may help. Each of ours can be repeated: it changes nothing.
    fn patiently<T>(
        &mut self,
        once: impl FnMut(&mut Self) -> Result<T, PtpError>,
    ) -> Result<T, PtpError> {
        self.with_patience(TROUBLES, once)
    }

    /// `most`: troubles of the link after which it is tried again.
    fn with_patience<T>(
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
            match self.noticed(done) {
                Err(PtpError::Refused { code: rc::BUSY, .. }) if busy < BUSY_TRIES => {
                    busy += 1;
                    let pause = self.link.pace.pause * 2_u32.pow(busy.min(5));
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
                    tracing::debug!(%error, troubles, "trouble with a device");
                    self.recover(error, troubles)?;
                }
                done => return done,
            }
        }
    }

    fn command(&mut self, operation: u16, parameters: &[u32]) -> Result<(), PtpError> {
        if self.open {
            self.transaction = self.next;
            // 0 and FFFFFFFF mean something else.
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
            match self.noticed(answered) {
                Ok(response) => match response.code {
                    // Left open by whoever came before.
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
                        self.link.pause((self.link.pace.pause * 4).min(PAUSE_MAX))?;
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

    /// Remembers that the device is gone; "transfer failed" is what an unplugged device looks like at first, too.
    fn noticed<T>(&mut self, done: Result<T, PtpError>) -> Result<T, PtpError> {
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

    /// Looks for a second: the kernel takes a moment to notice that a device was pulled.
    fn is_there(&self) -> bool {
        for _ in 0..10 {
            if !(self.presence)() {
                return false;
            }
            if self.link.pause(self.link.pace.pause).is_err() {
                break;
            }
        }
        true
    }

    /// First a cancel, which leaves the session; then a reset and a new session.
    fn recover(&mut self, error: PtpError, trouble: u32) -> Result<(), PtpError> {
        if trouble <= 1 {
            self.cancel()
        } else {
            self.renew(error)
        }
    }

    fn cancel(&mut self) -> Result<(), PtpError> {
        let cancelled = super::recovery::cancel(&mut self.link, self.transaction);
        match self.noticed(cancelled) {
            Err(error) if error.of_the_link() => self.renew(error),
            cancelled => cancelled,
        }
    }

    fn renew(&mut self, error: PtpError) -> Result<(), PtpError> {
        // Which ends the session, too.
        self.open = false;
        self.reset(error)
    }

    fn reset(&mut self, error: PtpError) -> Result<(), PtpError> {
        tracing::warn!(code = error.label(), %error, next_step = error.next_step(), "a camera is reset");
        let done = super::recovery::reset(&mut self.link);
        self.noticed(done)
    }

    /// Closes the session; what fails then is of no interest any more.
    pub fn close(&mut self) {
        if self.is_gone() || !self.open {
            return;
        }
        // The end of the work is no reason to leave a device in mid-transfer, so `stop` counts no longer.
        self.link.pace.stop = Arc::new(|| false);
        self.link.pace.patience = self.link.pace.patience.min(Duration::from_secs(4));
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

impl Drop for Session {
    fn drop(&mut self) {
        self.close();
    }
}
