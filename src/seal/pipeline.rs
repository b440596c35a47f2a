//! Read → SHA-256 → seal → write, in one pass over the source.
//!
//! Side by side: one thread does nothing but hash; the other reads ahead, seals and writes. Alone: all in one thread,
//! while the frame is in the cache, for when every core has a camera of its own.

use std::io::{self, Read};
use std::sync::mpsc;

use sha2::{Digest as _, Sha256};

use super::sealer::{FrameBuffer, Sealer};
use super::{PipelineError, SealError};
use crate::durable::{AppendFile, DurableError};
use crate::model::Sha256Digest;

/// Where sealed bytes go.
pub trait Sink {
    fn append(&mut self, bytes: &[u8]) -> Result<(), DurableError>;
}

impl Sink for AppendFile {
    fn append(&mut self, bytes: &[u8]) -> Result<(), DurableError> {
        AppendFile::append(self, bytes)
    }
}

/// Where a pull stands: at the beginning, or behind the frames that an interrupted one left.
pub struct Start {
    pub sealer: Sealer,
    pub hash: Sha256,
    /// Plaintext bytes that are sealed already; the source stands there.
    pub plaintext: u64,
    /// Sealed bytes that are written already, header included.
    pub sealed: u64,
    /// Bytes of a torn frame that was on the disk: the next bytes written must begin with them.
    pub torn: Vec<u8>,
}

impl Start {
    /// A fresh message; its header has been written by the caller.
    pub fn fresh(sealer: Sealer) -> Self {
        let sealed = sealer.header().len() as u64;
        Self {
            sealer,
            hash: Sha256::new(),
            plaintext: 0,
            sealed,
            torn: Vec::new(),
        }
    }
}

/// What came of one pass over a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sealed {
    pub sha256: Sha256Digest,
    /// Plaintext bytes.
    pub size: u64,
    pub sealed_size: u64,
}

/// Frame buffers that a camera's job keeps from file to file. Bounds its memory: `count` × (frame length + 40).
pub struct Buffers {
    frame_length: u32,
    count: usize,
    free: Vec<FrameBuffer>,
}

impl Buffers {
    pub fn new(frame_length: u32, count: usize) -> Self {
        Self {
            frame_length,
            count: count.max(2),
            free: Vec::new(),
        }
    }

    fn take(&mut self, out: usize) -> Option<FrameBuffer> {
        self.free
            .pop()
            .or_else(|| (out < self.count).then(|| FrameBuffer::new(self.frame_length)))
    }
}

/// Watches one pull from outside.
pub trait Watch {
    /// Plaintext bytes done, from the file's beginning.
    fn progress(&self, plaintext: u64);
    fn cancelled(&self) -> bool;
}

/// Seals a source to its end. What was written is one whole message only when this returns without error.
pub fn seal_stream(
    source: &mut dyn Read,
    sink: &mut dyn Sink,
    start: Start,
    buffers: &mut Buffers,
    side_by_side: bool,
    watch: &dyn Watch,
) -> Result<Sealed, PipelineError> {
    if start.sealer.frame_length() != buffers.frame_length {
        // A partial from before a change of the configured frame length.
        *buffers = Buffers::new(start.sealer.frame_length(), buffers.count);
    }
    let mut out = Output {
        sink,
        sealed: start.sealed,
        torn: start.torn,
    };
    if side_by_side {
        two_threads(
            source,
            &mut out,
            start.sealer,
            start.hash,
            start.plaintext,
            buffers,
            watch,
        )
    } else {
        one_thread(
            source,
            &mut out,
            start.sealer,
            start.hash,
            start.plaintext,
            buffers,
            watch,
        )
    }
}

struct Output<'a> {
    sink: &'a mut dyn Sink,
    sealed: u64,
    torn: Vec<u8>,
}

impl Output<'_> {
    fn write(&mut self, bytes: &[u8]) -> Result<(), PipelineError> {
        if !self.torn.is_empty() {
            let torn = std::mem::take(&mut self.torn);
            // The same frame number under the same key may never seal two different plaintexts.
            if !bytes.starts_with(&torn) {
                return Err(SealError::SourceChanged.into());
            }
        }
        self.sink.append(bytes)?;
        self.sealed += bytes.len() as u64;
        Ok(())
    }
}

/// Fills one frame; `true` when the source ended within it or right before it.
fn read_frame(source: &mut dyn Read, buffer: &mut FrameBuffer) -> Result<bool, PipelineError> {
    let space = buffer.space();
    let mut filled = 0;
    let mut ended = false;
    while filled < space.len() {
        match source.read(&mut space[filled..]) {
            Ok(0) => {
                ended = true;
                break;
            }
            Ok(n) => filled += n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(PipelineError::Source(e)),
        }
    }
    buffer.fill(filled);
    Ok(ended)
}

fn one_thread(
    source: &mut dyn Read,
    out: &mut Output<'_>,
    mut sealer: Sealer,
    mut hash: Sha256,
    mut plaintext: u64,
    buffers: &mut Buffers,
    watch: &dyn Watch,
) -> Result<Sealed, PipelineError> {
    let (Some(mut current), Some(mut next)) = (buffers.take(0), buffers.take(1)) else {
        return Err(SealError::Limit("fewer than two frame buffers").into());
    };
    let mut ended = read_frame(source, &mut current)?;
    loop {
        if watch.cancelled() {
            return Err(PipelineError::Cancelled);
        }
        hash.update(current.plaintext());
        plaintext += current.plaintext().len() as u64;
        // A full frame is the last one when nothing follows it, so look ahead before sealing.
        if !ended {
            ended = read_frame(source, &mut next)?;
            if !(ended && next.plaintext().is_empty()) {
                out.write(sealer.seal_regular(&mut current)?)?;
                std::mem::swap(&mut current, &mut next);
                watch.progress(plaintext);
                continue;
            }
        }
        out.write(sealer.seal_final(&mut current)?)?;
        watch.progress(plaintext);
        buffers.free.extend([current, next]);
        return Ok(Sealed {
            sha256: Sha256Digest(hash.finalize().into()),
            size: plaintext,
            sealed_size: out.sealed,
        });
    }
}

fn two_threads(
    source: &mut dyn Read,
    out: &mut Output<'_>,
    sealer: Sealer,
    mut hash: Sha256,
    plaintext: u64,
    buffers: &mut Buffers,
    watch: &dyn Watch,
) -> Result<Sealed, PipelineError> {
    let (to_hash, frames) = mpsc::sync_channel::<FrameBuffer>(buffers.count);
    let (hashed, from_hash) = mpsc::sync_channel::<FrameBuffer>(buffers.count);
    std::thread::scope(|scope| {
        let hasher = scope.spawn(move || {
            for frame in frames {
                hash.update(frame.plaintext());
                if hashed.send(frame).is_err() {
                    break;
                }
            }
            hash
        });
        let sealed = feed(
            source, out, sealer, plaintext, buffers, watch, &to_hash, &from_hash,
        );
        drop((to_hash, from_hash));
        let hash = hasher.join().map_err(|_| SealError::Crypto)?;
        let size = sealed?;
        Ok(Sealed {
            sha256: Sha256Digest(hash.finalize().into()),
            size,
            sealed_size: out.sealed,
        })
    })
}

/// Reads ahead as long as there are buffers, seals and writes what came back hashed, in order.
#[allow(clippy::too_many_arguments)]
fn feed(
    source: &mut dyn Read,
    out: &mut Output<'_>,
    sealer: Sealer,
    mut plaintext: u64,
    buffers: &mut Buffers,
    watch: &dyn Watch,
    to_hash: &mpsc::SyncSender<FrameBuffer>,
    from_hash: &mpsc::Receiver<FrameBuffer>,
) -> Result<u64, PipelineError> {
    let mut sealer = Some(sealer);
    let (mut read, mut done, mut ended) = (0u64, 0u64, false);
    loop {
        if watch.cancelled() {
            return Err(PipelineError::Cancelled);
        }
        let in_flight = usize::try_from(read - done).unwrap_or(usize::MAX);
        if !ended && let Some(mut buffer) = buffers.take(in_flight) {
            ended = read_frame(source, &mut buffer)?;
            if ended && buffer.plaintext().is_empty() && read > 0 {
                buffers.free.push(buffer);
            } else {
                read += 1;
                to_hash.send(buffer).map_err(|_| SealError::Crypto)?;
            }
            // Keep two frames ahead of the hash before turning to sealing.
            if !ended && read - done < 3 {
                continue;
            }
        }
        let mut frame = from_hash.recv().map_err(|_| SealError::Crypto)?;
        plaintext += frame.plaintext().len() as u64;
        done += 1;
        let last = ended && done == read;
        if last {
            let Some(sealer) = sealer.take() else {
                return Err(SealError::Crypto.into());
            };
            out.write(sealer.seal_final(&mut frame)?)?;
        } else if let Some(sealer) = sealer.as_mut() {
            out.write(sealer.seal_regular(&mut frame)?)?;
        }
        buffers.free.push(frame);
        watch.progress(plaintext);
        if last {
            return Ok(plaintext);
        }
    }
}
