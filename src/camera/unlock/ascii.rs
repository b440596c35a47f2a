//! The protocol of lines such as `@Ver;8;…;#` over two bulk endpoints.

use jiff::civil::DateTime;
use zeroize::Zeroizing;

use super::{LockedDevice, REPLY_PARTS, StatedIdentity, UnlockError, Wait, switched, text};
use crate::camera::ptp::{BulkTransport, TransportError};

/// Bytes of a reply at most.
const REPLY_MAX: usize = 512;
/// The argument of commands that need none, as the public protocol sends it.
const FILLER: &str = "12345678";

pub(super) struct Ascii<'a> {
    transport: &'a mut dyn BulkTransport,
    wait: Wait,
}

impl<'a> Ascii<'a> {
    pub fn new(transport: &'a mut dyn BulkTransport, wait: Wait) -> Self {
        Self { transport, wait }
    }

    fn send(&mut self, name: &str, length: usize, value: &str) -> Result<String, UnlockError> {
        let line = Zeroizing::new(format!("@{name};{length};{value};#"));
        self.transport.send(line.as_bytes(), self.wait)?;
        let packet = self.transport.max_packet().clamp(8, REPLY_MAX);
        let mut buffer = vec![0; REPLY_MAX.next_multiple_of(packet)];
        let mut reply = Vec::new();
        for _ in 0..REPLY_PARTS {
            match self.transport.receive(&mut buffer, self.wait) {
                Ok(count) => reply.extend_from_slice(&buffer[..count.min(buffer.len())]),
                // Some devices end their line with silence.
                Err(TransportError::Timeout) if !reply.is_empty() => break,
                Err(error) => return Err(error.into()),
            }
            let ended = reply
                .trim_ascii_end()
                .iter()
                .rev()
                .find(|&&b| b != 0)
                .is_some_and(|&b| b == b'#');
            if ended || reply.len() >= REPLY_MAX {
                break;
            }
        }
        reply.truncate(REPLY_MAX);
        Ok(String::from_utf8_lossy(&reply).into_owned())
    }

    /// Whether the reply belongs to this command and confirms it.
    fn done(
        &mut self,
        name: &'static str,
        length: usize,
        value: &str,
    ) -> Result<bool, UnlockError> {
        let reply = self.send(name, length, value)?;
        let mut fields = reply.trim_start_matches('@').split(';').map(str::trim);
        Ok(fields.next() == Some(name) && fields.any(|field| field == "OK"))
    }
}

impl LockedDevice for Ascii<'_> {
    fn log_in(&mut self, password: &str) -> Result<bool, UnlockError> {
        self.done("Ver", 8, password)
    }

    fn identity(&mut self) -> Result<StatedIdentity, UnlockError> {
        const WHAT: &str = "give its identity";
        let reply = self.send("Gdv", 8, FILLER)?;
        let mut fields = reply.trim_start_matches('@').split(';');
        if fields.next() != Some("Gdv") {
            return Err(UnlockError::Refused(WHAT));
        }
        let serial = fields
            .nth(1)
            .and_then(|serial| text(serial.trim_end_matches('#').as_bytes()))
            .ok_or(UnlockError::Reply(WHAT))?;
        Ok(StatedIdentity {
            serial: Some(serial),
            user: None,
            department: None,
        })
    }

    fn battery(&mut self) -> Result<Option<u8>, UnlockError> {
        Ok(None)
    }

    fn set_clock(&mut self, local: DateTime) -> Result<(), UnlockError> {
        let date = format!("{:04}{:02}{:02}", local.year(), local.month(), local.day());
        // Six by the public protocol's count, eight by its characters.
        let time = format!(
            "{:02}{:02}{:02}00",
            local.hour(),
            local.minute(),
            local.second()
        );
        if self.done("Sdt", 8, &date)? && self.done("Stm", 6, &time)? {
            Ok(())
        } else {
            Err(UnlockError::Refused("set its clock"))
        }
    }

    fn to_storage(&mut self) -> Result<(), UnlockError> {
        let done = self.send("ATH", 8, FILLER).and_then(|reply| {
            if reply.split(';').any(|field| field.trim().starts_with("ER")) {
                Err(UnlockError::Refused("show its storage"))
            } else {
                Ok(())
            }
        });
        switched(done)
    }
}
