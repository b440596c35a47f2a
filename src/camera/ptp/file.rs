//! Reads an object as a file: in pieces that the device confirms, or as a whole where it has no partial reads.

use std::io::{self, Read};
use std::sync::Arc;

use parking_lot::Mutex;

use super::PtpError;
use super::object::ObjectFacts;
use super::session::PtpSession;
use super::wire::{op, rc};
use crate::camera::{CameraError, CameraFile, Change, OpenFacts};
use crate::model::SourcePath;

/// Bytes of one partial read; the pieces of twenty cameras fit into a small machine's memory.
const PIECE: usize = 2 << 20;
/// Attempts for one piece.
const TRIES: u32 = 3;
/// Bytes that are asked for behind a file's end.
const PROBE: u32 = 64;

pub(super) type SharedSession = Arc<Mutex<PtpSession>>;

/// The operation that reads an object's bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Method {
    /// 95C1: any offset.
    Partial64,
    /// 101B: offsets below 4 GiB.
    Partial,
    /// 1009: from the start, in one go.
    Whole,
}

pub(super) struct PtpFile {
    session: SharedSession,
    handle: u32,
    path: SourcePath,
    opened: ObjectFacts,
    /// The size that the device gives.
    size: u64,
    /// The offset of the next byte that is handed out.
    offset: u64,
    piece: Vec<u8>,
    /// Bytes asked for at a time.
    piece_max: usize,
    /// Bytes of `piece` that were handed out.
    used: usize,
    /// The number of a whole read in progress.
    stream: Option<u64>,
    confirmed: bool,
}

impl PtpFile {
    /// Fails for an object of unknown size.
    pub fn new(
        session: SharedSession,
        handle: u32,
        path: SourcePath,
        opened: ObjectFacts,
    ) -> Result<Self, CameraError> {
        let Some(size) = opened.size else {
            return Err(CameraError::usb(&path, PtpError::SizeUnknown, false));
        };
        Ok(Self {
            session,
            handle,
            path,
            opened,
            size,
            offset: 0,
            piece: Vec::new(),
            piece_max: PIECE,
            used: 0,
            stream: None,
            confirmed: false,
        })
    }

    fn method(&self, session: &PtpSession) -> Method {
        let partial = !session.quirks().no_partial;
        if partial && session.supports(op::GET_PARTIAL_OBJECT_64) {
            Method::Partial64
        } else if partial
            && session.supports(op::GET_PARTIAL_OBJECT)
            && u32::try_from(self.size).is_ok()
        {
            Method::Partial
        } else {
            Method::Whole
        }
    }

    /// `Ok(0)` never comes before the end that the device gave: a file that ends early is an error.
    fn read_some(&mut self, out: &mut [u8]) -> Result<usize, PtpError> {
        if out.is_empty() {
            return Ok(0);
        }
        if self.used < self.piece.len() {
            let rest = &self.piece[self.used..];
            let count = rest.len().min(out.len());
            out[..count].copy_from_slice(&rest[..count]);
            self.used += count;
            self.offset += count as u64;
            return Ok(count);
        }
        let session = Arc::clone(&self.session);
        let mut session = session.lock();
        loop {
            if self.offset >= self.size {
                self.confirm(&mut session)?;
                return Ok(0);
            }
            let method = self.method(&session);
            // A whole read that has begun can't change to pieces.
            if self.stream.is_some() || method == Method::Whole {
                return self.read_whole(&mut session, out);
            }
            match self.read_piece(&mut session, method) {
                Err(error) if error.unsupported() => session.give_up_on(match method {
                    Method::Partial64 => op::GET_PARTIAL_OBJECT_64,
                    _ => op::GET_PARTIAL_OBJECT,
                }),
                read => {
                    read?;
                    let count = self.piece.len().min(out.len());
                    out[..count].copy_from_slice(&self.piece[..count]);
                    self.used = count;
                    self.offset += count as u64;
                    return Ok(count);
                }
            }
        }
    }

    /// The next piece, at least a byte of it.
    fn read_piece(&mut self, session: &mut PtpSession, method: Method) -> Result<(), PtpError> {
        let left = self.size - self.offset;
        let want = usize::try_from(left).unwrap_or(PIECE).min(self.piece_max);
        let length = u32::try_from(want).unwrap_or(u32::MAX);
        let [low, high] = halves(self.offset);
        let (operation, parameters): (u16, &[u32]) = match method {
            Method::Partial64 => (op::GET_PARTIAL_OBJECT_64, &[self.handle, low, high, length]),
            _ => (op::GET_PARTIAL_OBJECT, &[self.handle, low, length]),
        };
        let mut tries = 0;
        self.used = 0;
        loop {
            self.piece.resize(want, 0);
            let read = session.read_piece(operation, parameters, &mut self.piece);
            self.piece.truncate(*read.as_ref().unwrap_or(&0));
            let failed = match read {
                Ok(0) => PtpError::Short {
                    got: self.offset,
                    size: self.size,
                },
                Err(
                    error @ PtpError::Refused {
                        code: rc::INCOMPLETE | rc::GENERAL,
                        ..
                    },
                ) => error,
                read => return read.map(drop),
            };
            tries += 1;
            if tries == TRIES {
                return Err(failed);
            }
            session.pause()?;
        }
    }

    fn read_whole(&mut self, session: &mut PtpSession, out: &mut [u8]) -> Result<usize, PtpError> {
        let stream = match self.stream {
            Some(stream) => stream,
            // The bytes handed out so far belong to another read of the object: see `CameraError::spoils`.
            None if self.offset > 0 => {
                return Err(PtpError::Unsupported(op::GET_PARTIAL_OBJECT));
            }
            None => session.begin(op::GET_OBJECT, &[self.handle], self.size)?,
        };
        self.stream = Some(stream);
        let left = self.size - self.offset;
        let most = usize::try_from(left).unwrap_or(usize::MAX).min(out.len());
        match session.next(stream, &mut out[..most])? {
            Some(0) => {
                // The device's response explains more than the early end does.
                session.finish(stream, op::GET_OBJECT)?;
                Err(PtpError::Short {
                    got: self.offset,
                    size: self.size,
                })
            }
            Some(count) => {
                self.offset += count as u64;
                Ok(count)
            }
            None => Err(PtpError::Protocol(
                "a read was cut off by another operation",
            )),
        }
    }

    /// Confirms that the object ends where its size says. A whole read is confirmed by the device's response.
    fn confirm(&mut self, session: &mut PtpSession) -> Result<(), PtpError> {
        if !self.confirmed {
            match self.stream {
                Some(stream) => session.finish(stream, op::GET_OBJECT)?,
                None => self.probe_end(session)?,
            }
            self.confirmed = true;
        }
        Ok(())
    }

    /// Asks for bytes behind the end: a size that the device cut off or never knew must not pass for the whole file.
    fn probe_end(&self, session: &mut PtpSession) -> Result<(), PtpError> {
        let [low, high] = halves(self.size);
        // Where a device gives the size 0, its answer to a partial read of nothing says little.
        let method = if self.size == 0 {
            Method::Whole
        } else {
            self.method(session)
        };
        let (operation, parameters): (u16, &[u32]) = match method {
            Method::Partial64 => (op::GET_PARTIAL_OBJECT_64, &[self.handle, low, high, PROBE]),
            Method::Partial => (op::GET_PARTIAL_OBJECT, &[self.handle, low, PROBE]),
            Method::Whole if self.size == 0 => (op::GET_OBJECT, &[self.handle]),
            // The device gave up partial reads after the last piece.
            Method::Whole => return Err(PtpError::Unsupported(op::GET_PARTIAL_OBJECT)),
        };
        match session.sends_nothing(operation, parameters) {
            Ok(true) => Ok(()),
            Ok(false) => Err(PtpError::SizeWrong { size: self.size }),
            // It refuses to read behind the end.
            Err(PtpError::Refused { .. } | PtpError::Unsupported(_)) if self.size > 0 => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn failed(&self, error: PtpError) -> CameraError {
        CameraError::usb(&self.path, error, self.stream.is_some())
    }
}

/// The lower and the upper 32 bits.
fn halves(offset: u64) -> [u32; 2] {
    let low = offset & u64::from(u32::MAX);
    [low, offset >> 32].map(|half| u32::try_from(half).unwrap_or(u32::MAX))
}

impl Read for PtpFile {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        self.read_some(out).map_err(|error| {
            let kind = match error {
                PtpError::Gone => io::ErrorKind::NotConnected,
                PtpError::Short { .. } => io::ErrorKind::UnexpectedEof,
                PtpError::Silent { .. } => io::ErrorKind::TimedOut,
                _ => io::ErrorKind::Other,
            };
            io::Error::new(kind, self.failed(error))
        })
    }
}

impl CameraFile for PtpFile {
    fn facts(&self) -> OpenFacts {
        OpenFacts {
            size: self.size,
            modified: self.opened.modified,
        }
    }

    fn recheck(&mut self) -> Result<Option<Change>, CameraError> {
        let session = Arc::clone(&self.session);
        let mut session = session.lock();
        if self.offset >= self.size {
            self.confirm(&mut session)
                .map_err(|error| self.failed(error))?;
        }
        let now = match ObjectFacts::fetch(&mut session, self.handle) {
            Err(PtpError::Refused {
                code: rc::BAD_HANDLE,
                ..
            }) => return Ok(Some(Change::Removed)),
            now => now.map_err(|error| self.failed(error))?,
        };
        let was = &self.opened;
        Ok(
            if (now.folder, now.parent, &now.name) != (was.folder, was.parent, &was.name) {
                Some(Change::Replaced)
            } else if let Some(size) = now.size.filter(|size| *size != self.size) {
                Some(Change::Size {
                    was: self.size,
                    now: size,
                })
            } else if now != *was {
                Some(Change::Touched)
            } else {
                None
            },
        )
    }

    /// Fails where the device can only read from the start: the bytes before would belong to another read.
    fn seek_to(&mut self, offset: u64) -> Result<(), CameraError> {
        let session = Arc::clone(&self.session);
        let mut session = session.lock();
        if offset > 0 && self.method(&session) == Method::Whole {
            let error = PtpError::Unsupported(op::GET_PARTIAL_OBJECT);
            return Err(CameraError::usb(&self.path, error, true));
        }
        if let Some(stream) = self.stream.take() {
            session.end(stream).map_err(|error| self.failed(error))?;
        }
        self.piece.clear();
        self.used = 0;
        self.confirmed = false;
        self.offset = offset;
        Ok(())
    }

    fn can_seek(&self) -> bool {
        self.method(&self.session.lock()) != Method::Whole
    }

    fn limit_reads(&mut self, bytes: usize) {
        self.piece_max = bytes.clamp(1, PIECE);
    }
}

impl Drop for PtpFile {
    fn drop(&mut self) {
        if let Some(stream) = self.stream {
            let _ = self.session.lock().end(stream);
        }
    }
}
