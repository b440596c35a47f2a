//! Containers over a transport, with the tolerance that devices in the field need (docs/cameras.md, "What goes wrong on the bus").

use std::sync::Arc;
use std::time::Duration;

use super::PtpError;
use super::transport::{BulkTransport, TransportError};
use super::wire::{self, ContainerHeader, HEADER, LENGTH_UNKNOWN, RESPONSE_MAX, Response};

/// Bytes of one transfer; twenty cameras must fit into the kernel's 16 MiB for all transfers.
const CHUNK: usize = 256 << 10;
const CHUNK_MIN: usize = 16 << 10;
/// No real endpoint has larger packets.
const PACKET_MAX: usize = 16 << 10;
/// Transfers in a row that may be something other than what was requested: empty, stray bytes, events, old responses.
const STRAYS: usize = 8;

/// Called between transfers: `true` ends the work.
pub type Stop = Arc<dyn Fn() -> bool + Send + Sync>;

/// The limits for waiting for a device.
#[derive(Clone)]
pub struct LinkTiming {
    /// Limit for one answer; devices in the field need up to a minute.
    pub patience: Duration,
    /// Limit for one transfer, and so how often `stop` is called.
    pub slice: Duration,
    /// Before asking a busy device again, at first.
    pub pause: Duration,
    pub stop: Stop,
}

impl Default for LinkTiming {
    fn default() -> Self {
        Self {
            patience: Duration::from_mins(1),
            slice: Duration::from_secs(2),
            pause: Duration::from_millis(100),
            stop: Arc::new(|| false),
        }
    }
}

pub enum AnswerPhase {
    /// A data phase has begun, with the payload's length in bytes if the device gives it.
    Data(Option<u64>),
    Response(Response),
}

struct DataPhase {
    transaction: u32,
    /// `None`: until a short packet.
    left: Option<u64>,
    /// Nothing behind the header yet: a packet with the header alone does not end the phase.
    fresh: bool,
    ended: bool,
}

pub struct Link {
    transport: Box<dyn BulkTransport>,
    pub timing: LinkTiming,
    staging: Vec<u8>,
    from: usize,
    to: usize,
    chunk: usize,
    /// The last transfer ended with a short or empty packet.
    short: bool,
    data: Option<DataPhase>,
}

impl Link {
    pub fn new(transport: Box<dyn BulkTransport>, timing: LinkTiming) -> Self {
        Self {
            transport,
            timing,
            staging: vec![0; CHUNK + PACKET_MAX],
            from: 0,
            to: 0,
            chunk: CHUNK,
            short: false,
            data: None,
        }
    }

    pub fn transport(&mut self) -> &mut dyn BulkTransport {
        self.transport.as_mut()
    }

    pub fn forget(&mut self) {
        (self.from, self.to, self.data) = (0, 0, None);
    }

    pub fn send(&mut self, container: &[u8]) -> Result<(), PtpError> {
        self.forget();
        let mut waited = Duration::ZERO;
        loop {
            self.check_stop()?;
            match self.transport.send(container, self.timing.slice) {
                Err(TransportError::Timeout) if waited < self.timing.patience => {
                    waited += self.timing.slice;
                }
                Err(TransportError::Timeout) => return Err(self.silent()),
                sent => return Ok(sent?),
            }
        }
    }

    /// The next data header or response of a transaction.
    pub fn answer(&mut self, transaction: u32, expect: usize) -> Result<AnswerPhase, PtpError> {
        for _ in 0..STRAYS {
            if self.from == self.to {
                self.fill(expect)?;
            }
            let pending = &self.staging[self.from..self.to];
            let Some(header) = ContainerHeader::parse(pending) else {
                // An empty packet, or the stray byte that some send in its place.
                self.from = self.to;
                continue;
            };
            match header.kind {
                wire::DATA => {
                    if (header.length as usize) < HEADER {
                        return Err(PtpError::Protocol("a data header shorter than itself"));
                    }
                    // Code and transaction are junk on some devices: only the type counts.
                    self.from += HEADER;
                    let left = (header.length != LENGTH_UNKNOWN)
                        .then(|| u64::from(header.length) - HEADER as u64);
                    self.data = Some(DataPhase {
                        transaction,
                        left,
                        fresh: self.from == self.to,
                        ended: self.short && self.from < self.to,
                    });
                    return Ok(AnswerPhase::Data(left));
                }
                wire::RESPONSE => {
                    let Some((response, length)) = Response::parse(pending) else {
                        self.from = self.to;
                        continue;
                    };
                    self.from += length;
                    // An older one was left over by a cancel. Outside a session the id means nothing.
                    if response.transaction == transaction || transaction == 0 {
                        return Ok(AnswerPhase::Response(response));
                    }
                    tracing::debug!(got = response.transaction, transaction, "an old response");
                }
                _ => self.from = self.to,
            }
        }
        Err(PtpError::Protocol("no valid answer among its packets"))
    }

    /// Sets the payload's size where the header can't hold it: objects of 4 GiB and more.
    pub fn expect(&mut self, payload: u64) {
        if let Some(data) = &mut self.data
            && data.left.is_none()
        {
            data.left = Some(payload);
        }
    }

    /// The next bytes of the payload; `Ok(0)`: the data phase has ended, perhaps early.
    pub fn data(&mut self, out: &mut [u8]) -> Result<usize, PtpError> {
        for _ in 0..STRAYS {
            let Some(data) = &mut self.data else {
                return Ok(0);
            };
            if data.left == Some(0) || out.is_empty() {
                return Ok(0);
            }
            if self.from < self.to {
                let left = data.left.map_or(usize::MAX, |left| {
                    usize::try_from(left).unwrap_or(usize::MAX)
                });
                let count = (self.to - self.from).min(out.len()).min(left);
                out[..count].copy_from_slice(&self.staging[self.from..self.from + count]);
                self.from += count;
                data.left = data.left.map(|left| left - count as u64);
                return Ok(count);
            }
            if data.left.is_none() && data.ended {
                return Ok(0);
            }
            let want = data.left.map_or(self.chunk, |left| {
                usize::try_from(left).unwrap_or(self.chunk)
            });
            let (transaction, left) = (data.transaction, data.left);
            let count = self.fill(want)?;
            let short = self.short;
            let early = left.is_none_or(|left| left > count as u64);
            let response = early && is_response(&self.staging[..count], transaction);
            let Some(data) = &mut self.data else {
                return Ok(0);
            };
            // Fewer bytes than announced, and the response behind them.
            if response {
                data.left = Some(0);
                return Ok(0);
            }
            data.ended = short && !(count == 0 && data.fresh);
            data.fresh = false;
        }
        Err(PtpError::Protocol("empty packets where data should be"))
    }

    /// Bytes of the payload that are still to come; `None`: unknown.
    pub fn left(&self) -> Option<u64> {
        self.data.as_ref().map_or(Some(0), |data| data.left)
    }

    /// The response behind the data phase.
    pub fn response(&mut self, transaction: u32) -> Result<Response, PtpError> {
        self.data = None;
        match self.answer(transaction, RESPONSE_MAX)? {
            AnswerPhase::Response(response) => Ok(response),
            AnswerPhase::Data(_) => {
                self.data = None;
                Err(PtpError::Protocol("more data than announced"))
            }
        }
    }

    /// Reads and discards what is still under way. `true`: nothing more came within `wait`.
    pub fn drain(&mut self, most: u64, wait: Duration) -> Result<bool, PtpError> {
        self.forget();
        let packet = self.packet();
        let size = (self.chunk / packet).max(1) * packet;
        let mut drained = 0;
        // Empty packets are bounded by number, the rest by bytes.
        for _ in 0..(most / size as u64).saturating_mul(4) + 64 {
            match self.transport.receive(&mut self.staging[..size], wait) {
                Ok(count) => drained += count as u64,
                Err(TransportError::Timeout) => return Ok(true),
                Err(TransportError::Stall) => self.transport.clear_halts()?,
                Err(error) => return Err(error.into()),
            }
            if drained > most {
                break;
            }
        }
        Ok(false)
    }

    /// Sleeps, unless the work is stopped.
    pub fn pause(&self, time: Duration) -> Result<(), PtpError> {
        let mut left = time;
        while !left.is_zero() {
            self.check_stop()?;
            let step = left.min(Duration::from_millis(100));
            std::thread::sleep(step);
            left -= step;
        }
        self.check_stop()
    }

    fn check_stop(&self) -> Result<(), PtpError> {
        if (self.timing.stop)() {
            Err(PtpError::Stopped)
        } else {
            Ok(())
        }
    }

    fn silent(&self) -> PtpError {
        PtpError::Silent {
            seconds: self.timing.patience.as_secs(),
        }
    }

    fn packet(&self) -> usize {
        self.transport.max_packet().clamp(8, PACKET_MAX)
    }

    /// One transfer into the empty staging buffer, of at least a packet. Time is counted in slices, so that tests with
    /// a device in memory need not wait.
    fn fill(&mut self, want: usize) -> Result<usize, PtpError> {
        let packet = self.packet();
        let mut waited = Duration::ZERO;
        loop {
            self.check_stop()?;
            let packets = want.min(self.chunk).div_ceil(packet).max(1);
            let size = packets * packet;
            match self
                .transport
                .receive(&mut self.staging[..size], self.timing.slice)
            {
                Ok(count) => {
                    let count = count.min(size);
                    (self.from, self.to) = (0, count);
                    self.short = count % packet != 0 || count == 0;
                    return Ok(count);
                }
                Err(TransportError::Timeout) if waited < self.timing.patience => {
                    waited += self.timing.slice;
                }
                Err(TransportError::Timeout) => return Err(self.silent()),
                Err(TransportError::NoMemory) if self.chunk > CHUNK_MIN => self.chunk /= 2,
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// Whether a whole transfer is just this transaction's response.
fn is_response(transfer: &[u8], transaction: u32) -> bool {
    transfer.len() <= RESPONSE_MAX
        && ContainerHeader::parse(transfer).is_some_and(|header| {
            header.kind == wire::RESPONSE
                && header.length as usize == transfer.len()
                && header.transaction == transaction
        })
}
