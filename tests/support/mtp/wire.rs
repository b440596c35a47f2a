use std::sync::{Arc, Mutex};
use std::time::Duration;

use camdock::camera::ptp::{BulkTransport, Presence, Setup, TransportError};

use super::{Ending, State, content};

/// The station's end of a device.
pub struct Wire(pub(super) Arc<Mutex<State>>);

/// One container on its way, or what stands for one.
pub(super) enum Outgoing {
    /// Bytes, then an object's content; ended by a short packet.
    Data {
        head: Vec<u8>,
        sent: usize,
        /// Handle (0: zeros), offset and bytes left.
        body: (u32, u64, u64),
        alone: bool,
        trouble: Option<(u64, TransportError)>,
    },
    /// A transfer of just these bytes.
    Packet(Vec<u8>),
}

impl BulkTransport for Wire {
    fn max_packet(&self) -> usize {
        self.0.lock().unwrap().quirks.packet
    }

    fn interface(&self) -> u16 {
        0
    }

    fn send(&mut self, bytes: &[u8], _: Duration) -> Result<(), TransportError> {
        let mut state = self.0.lock().unwrap();
        state.there()?;
        if state.halted {
            return Err(TransportError::Stall);
        }
        if state.dead {
            return Err(TransportError::Timeout);
        }
        // A real device stalls a command while data waits to be taken.
        if !state.out.is_empty() && state.taking.is_none() && !state.quirks.old_response {
            state.halted = true;
            return Err(TransportError::Stall);
        }
        state.take(bytes);
        Ok(())
    }

    fn receive(&mut self, buffer: &mut [u8], _: Duration) -> Result<usize, TransportError> {
        let mut state = self.0.lock().unwrap();
        state.there()?;
        let packet = state.quirks.packet;
        assert!(
            !buffer.is_empty() && buffer.len().is_multiple_of(packet),
            "{} bytes asked for with packets of {packet}",
            buffer.len()
        );
        if state.halted {
            return Err(TransportError::Stall);
        }
        if state.dead {
            return Err(TransportError::Timeout);
        }
        if state.quirks.io_errors > 0 {
            state.quirks.io_errors -= 1;
            return Err(TransportError::Io);
        }
        if state
            .quirks
            .transfer_max
            .is_some_and(|max| buffer.len() > max)
        {
            return Err(TransportError::NoMemory);
        }
        state.give(buffer)
    }

    fn control_out(
        &mut self,
        setup: Setup,
        bytes: &[u8],
        _: Duration,
    ) -> Result<(), TransportError> {
        let mut state = self.0.lock().unwrap();
        state.there()?;
        match (setup.kind, setup.request) {
            (0x21, 0x64) => {
                assert_eq!(bytes.len(), 6);
                assert_eq!(bytes[..2], [0x01, 0x40]);
                if state.quirks.no_cancel {
                    return Err(TransportError::Stall);
                }
                state.cancels += 1;
                state.out.clear();
                state.taking = None;
                Ok(())
            }
            (0x21, 0x66) if !state.quirks.no_reset => {
                state.resets += 1;
                state.restart();
                Ok(())
            }
            _ => Err(TransportError::Stall),
        }
    }

    fn control_in(
        &mut self,
        setup: Setup,
        buffer: &mut [u8],
        _: Duration,
    ) -> Result<usize, TransportError> {
        let mut state = self.0.lock().unwrap();
        state.there()?;
        if (setup.kind, setup.request) != (0xa1, 0x67) || state.quirks.no_cancel {
            return Err(TransportError::Stall);
        }
        let code: u16 = if state.quirks.busy_status > 0 {
            state.quirks.busy_status -= 1;
            0x2019
        } else {
            0x2001
        };
        let status = [4, 0, code.to_le_bytes()[0], code.to_le_bytes()[1]];
        buffer[..4].copy_from_slice(&status);
        Ok(4)
    }

    fn clear_halts(&mut self) -> Result<(), TransportError> {
        let mut state = self.0.lock().unwrap();
        state.there()?;
        state.halted = false;
        Ok(())
    }

    fn reset(&mut self) -> Result<(), TransportError> {
        let mut state = self.0.lock().unwrap();
        state.there()?;
        state.port_resets += 1;
        state.restart();
        Ok(())
    }

    fn presence(&self) -> Presence {
        let state = Arc::clone(&self.0);
        Box::new(move || state.lock().unwrap().plugged)
    }
}

impl State {
    fn restart(&mut self) {
        self.out.clear();
        self.taking = None;
        self.halted = false;
        self.session_open = false;
        self.quirks.needs_reset = false;
    }

    /// One transfer.
    fn give(&mut self, buffer: &mut [u8]) -> Result<usize, TransportError> {
        let packet = self.quirks.packet;
        let mut filled = 0;
        loop {
            match self.out.front_mut() {
                None => break,
                Some(Outgoing::Packet(bytes)) => {
                    if filled > 0 && bytes.len() > buffer.len() - filled {
                        break;
                    }
                    let count = bytes.len().min(buffer.len());
                    buffer[filled..filled + count].copy_from_slice(&bytes[..count]);
                    self.out.pop_front();
                    return Ok(filled + count);
                }
                Some(Outgoing::Data {
                    head,
                    sent,
                    body,
                    alone,
                    trouble,
                }) => {
                    let room = buffer.len() - filled;
                    let start = filled;
                    let mut count = (head.len() - *sent).min(room);
                    if *alone {
                        count = count.min(12);
                    }
                    buffer[filled..filled + count].copy_from_slice(&head[*sent..*sent + count]);
                    *sent += count;
                    filled += count;
                    if std::mem::take(alone) {
                        return Ok(filled);
                    }
                    let (handle, offset, left) = body;
                    if let Some((after, error)) = trouble
                        && *offset >= *after
                    {
                        let error = *error;
                        if error == TransportError::Stall {
                            self.halted = true;
                        }
                        self.out.clear();
                        return Err(error);
                    }
                    let count = usize::try_from(*left)
                        .unwrap_or(usize::MAX)
                        .min(buffer.len() - filled);
                    if *handle != 0 {
                        content(*handle, *offset, &mut buffer[filled..filled + count]);
                    } else {
                        buffer[filled..filled + count].fill(0);
                    }
                    (*offset, *left) = (*offset + count as u64, *left - count as u64);
                    filled += count;
                    let over = *left == 0 && *sent == head.len();
                    self.data_sent += (filled - start) as u64;
                    if self
                        .quirks
                        .pulled_after
                        .is_some_and(|after| self.data_sent > after)
                    {
                        self.plugged = false;
                        return Err(TransportError::Io);
                    }
                    if !over {
                        return Ok(filled);
                    }
                    self.out.pop_front();
                    let exact = filled % packet == 0;
                    if !exact {
                        return Ok(filled);
                    }
                    let full = filled == buffer.len();
                    match self.quirks.ending {
                        Ending::EmptyPacket if full => {
                            self.out.push_front(Outgoing::Packet(Vec::new()));
                        }
                        Ending::StrayByte if full => {
                            self.out.push_front(Outgoing::Packet(vec![0]));
                        }
                        Ending::StrayByte => {
                            buffer[filled] = 0;
                            return Ok(filled + 1);
                        }
                        Ending::Glued if !full => continue,
                        _ => {}
                    }
                    return Ok(filled);
                }
            }
        }
        if filled > 0 {
            Ok(filled)
        } else {
            Err(TransportError::Timeout)
        }
    }
}
