//! Transports whose behaviour comes from bytes.

use std::time::Duration;

use camdock::camera::ptp::{BulkTransport, Presence, Setup, TransportError};

use super::mtp::Wire;

const ERRORS: [TransportError; 8] = [
    TransportError::Timeout,
    TransportError::Stall,
    TransportError::Io,
    TransportError::Overflow,
    TransportError::NoMemory,
    TransportError::Gone,
    TransportError::Timeout,
    TransportError::Stall,
];

/// The bytes not used yet.
struct Script {
    rest: Vec<u8>,
    at: usize,
}

impl Script {
    fn byte(&mut self) -> Option<u8> {
        let byte = self.rest.get(self.at).copied();
        self.at += 1;
        byte
    }

    fn take(&mut self, count: usize) -> &[u8] {
        let start = self.at.min(self.rest.len());
        let end = (start + count).min(self.rest.len());
        self.at = end;
        &self.rest[start..end]
    }
}

/// Each transfer in takes a byte of the input for its length (or an error), then its bytes. Gone at the input's end.
pub struct Replies(Script);

impl Replies {
    pub fn new(input: &[u8]) -> Self {
        Self(Script {
            rest: input.to_vec(),
            at: 0,
        })
    }

    fn next(&mut self, buffer: &mut [u8]) -> Result<usize, TransportError> {
        let length = match self.0.byte() {
            None => return Err(TransportError::Gone),
            Some(byte @ 0xf8..) => return Err(ERRORS[usize::from(byte & 7)]),
            Some(0xf7) => 512,
            Some(0xf6) => buffer.len(),
            Some(byte) => usize::from(byte),
        };
        let length = length.min(buffer.len());
        let bytes = self.0.take(length);
        buffer[..bytes.len()].copy_from_slice(bytes);
        Ok(length)
    }
}

impl BulkTransport for Replies {
    fn max_packet(&self) -> usize {
        512
    }

    fn interface(&self) -> u16 {
        0
    }

    fn send(&mut self, _: &[u8], _: Duration) -> Result<(), TransportError> {
        Ok(())
    }

    fn receive(&mut self, buffer: &mut [u8], _: Duration) -> Result<usize, TransportError> {
        self.next(buffer)
    }

    fn control_out(&mut self, _: Setup, _: &[u8], _: Duration) -> Result<(), TransportError> {
        match self.0.byte() {
            Some(byte @ 0xf8..) => Err(ERRORS[usize::from(byte & 7)]),
            Some(_) => Ok(()),
            None => Err(TransportError::Gone),
        }
    }

    fn control_in(
        &mut self,
        _: Setup,
        buffer: &mut [u8],
        _: Duration,
    ) -> Result<usize, TransportError> {
        self.next(buffer)
    }

    fn clear_halts(&mut self) -> Result<(), TransportError> {
        Ok(())
    }

    fn reset(&mut self) -> Result<(), TransportError> {
        Ok(())
    }

    fn presence(&self) -> Presence {
        Box::new(|| true)
    }
}

/// A working device whose IN transfers are changed: one byte of the input for each transfer says how.
pub struct Mangled {
    wire: Wire,
    script: Script,
}

impl Mangled {
    pub fn new(wire: Wire, input: &[u8]) -> Self {
        let script = Script {
            rest: input.to_vec(),
            at: 0,
        };
        Self { wire, script }
    }

    fn mangle(&mut self, buffer: &mut [u8], count: usize) -> Result<usize, TransportError> {
        // After the input's end the transfers stay unchanged.
        let Some(how) = self.script.byte() else {
            return Ok(count);
        };
        match how {
            0xe0..0xf0 => {
                let (at, value) = (self.script.byte(), self.script.byte());
                if let (Some(at), Some(value)) = (at, value)
                    && let Some(byte) = buffer[..count].get_mut(usize::from(at))
                {
                    *byte = value;
                }
                Ok(count)
            }
            0xf0..0xf4 => Ok(count.min(usize::from(self.script.byte().unwrap_or(0)))),
            0xf4..0xf8 => {
                let bytes = usize::from(self.script.byte().unwrap_or(0));
                let more = self.script.take(bytes).to_vec();
                let end = (count + more.len()).min(buffer.len());
                buffer[count..end].copy_from_slice(&more[..end - count]);
                Ok(end)
            }
            0xf8.. => Err(ERRORS[usize::from(how & 7)]),
            _ => Ok(count),
        }
    }
}

impl BulkTransport for Mangled {
    fn max_packet(&self) -> usize {
        self.wire.max_packet()
    }

    fn interface(&self) -> u16 {
        self.wire.interface()
    }

    fn send(&mut self, bytes: &[u8], timeout: Duration) -> Result<(), TransportError> {
        self.wire.send(bytes, timeout)
    }

    fn receive(&mut self, buffer: &mut [u8], timeout: Duration) -> Result<usize, TransportError> {
        let count = self.wire.receive(buffer, timeout)?;
        self.mangle(buffer, count)
    }

    fn control_out(
        &mut self,
        setup: Setup,
        bytes: &[u8],
        timeout: Duration,
    ) -> Result<(), TransportError> {
        self.wire.control_out(setup, bytes, timeout)
    }

    fn control_in(
        &mut self,
        setup: Setup,
        buffer: &mut [u8],
        timeout: Duration,
    ) -> Result<usize, TransportError> {
        let count = self.wire.control_in(setup, buffer, timeout)?;
        self.mangle(buffer, count)
    }

    fn clear_halts(&mut self) -> Result<(), TransportError> {
        self.wire.clear_halts()
    }

    fn reset(&mut self) -> Result<(), TransportError> {
        self.wire.reset()
    }

    fn presence(&self) -> Presence {
        self.wire.presence()
    }
}
