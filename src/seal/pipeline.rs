//! Read → SHA-256 → seal → write, in one pass over the source.
//!
//! One thread reads ahead and seals, another one writes. With `side_by_side`, a third thread hashes; otherwise the first one
//! hashes, too, while the frame is in the cache, which is faster when every core has a camera of its own.

use std::collections::VecDeque;
use std::io::{self, Read};
use std::ops::Range;
use std::sync::mpsc::{self, Receiver, SyncSender};

use sha2::{Digest as _, Sha256};

use super::format::FRAME_OVERHEAD;
use super::sealer::{FrameBuffer, Sealer};
use super::{PipelineError, SealError};
use crate::durable::{AppendFile, BulkFile, DurableError};
use crate::model::Sha256Digest;

/// Where sealed bytes go.
pub trait SealedSink: Send {
    fn append(&mut self, bytes: &[u8]) -> Result<(), DurableError>;

    /// Appends `buffer[range]`; what lies before the range may be overwritten.
    fn append_in_place(
        &mut self,
        buffer: &mut [u8],
        range: Range<usize>,
    ) -> Result<(), DurableError> {
        self.append(&buffer[range])
    }
}

impl SealedSink for AppendFile {
    fn append(&mut self, bytes: &[u8]) -> Result<(), DurableError> {
        AppendFile::append(self, bytes)
    }
}

impl SealedSink for BulkFile {
    fn append(&mut self, bytes: &[u8]) -> Result<(), DurableError> {
        BulkFile::append(self, bytes)
    }

    fn append_in_place(
        &mut self,
        buffer: &mut [u8],
        range: Range<usize>,
    ) -> Result<(), DurableError> {
        BulkFile::append_in_place(self, buffer, range)
    }
}

/// Where a pull begins: at the start of the file, or after the frames that an interrupted pull left.
pub struct Start {
    pub sealer: Sealer,
    pub hash: Sha256,
    /// Plaintext bytes that are sealed already; the source is positioned there.
    pub plaintext: u64,
    /// Sealed bytes that are written already, header included.
    pub sealed: u64,
    /// Bytes of a torn frame that was on the disk. The next bytes written must begin with them.
    pub torn: Vec<u8>,
}

impl Start {
    /// A new message. The caller has written its header.
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

/// The result of one pass over a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SealedStream {
    pub sha256: Sha256Digest,
    /// Plaintext bytes.
    pub size: u64,
    pub sealed_size: u64,
}

/// Frame buffers that a camera's job reuses from file to file. They bound its memory to `count` × (frame length + 13 KiB).
pub struct Buffers {
    frame_length: u32,
    count: usize,
    free: Vec<FrameBuffer>,
    /// Free buffers and those in use.
    made: usize,
}

impl Buffers {
    /// At least three: one to read ahead into, one to seal, one to write.
    pub fn new(frame_length: u32, count: usize) -> Self {
        Self {
            frame_length,
            count: count.max(3),
            free: Vec::new(),
            made: 0,
        }
    }

    fn take(&mut self) -> Option<FrameBuffer> {
        let free = self.free.pop();
        if free.is_none() && self.made < self.count {
            self.made += 1;
            return Some(FrameBuffer::new(self.frame_length));
        }
        free
    }
}

/// Follows one pull, and may cancel it.
pub trait PullWatch {
    /// Plaintext bytes done, from the file's beginning.
    fn progress(&self, plaintext: u64);
    fn cancelled(&self) -> bool;
}

/// Seals a source to its end. The written bytes are a whole message only if this returns without error.
pub fn seal_stream(
    source: &mut dyn Read,
    sink: &mut dyn SealedSink,
    start: Start,
    buffers: &mut Buffers,
    side_by_side: bool,
    watch: &dyn PullWatch,
) -> Result<SealedStream, PipelineError> {
    if start.sealer.frame_length() != buffers.frame_length {
        // The partial file is from before a change of the configured frame length.
        *buffers = Buffers::new(start.sealer.frame_length(), buffers.count);
    }
    // Buffers that a failed pull took with it are made again.
    buffers.made = buffers.free.len();
    let Start {
        sealer,
        hash,
        plaintext,
        sealed,
        torn,
    } = start;
    let mut out = CheckedSink { sink, torn };
    let stride = u64::from(sealer.frame_length()) + FRAME_OVERHEAD as u64;
    let mut feed = Feed {
        source,
        buffers,
        watch,
        sealer: Some(sealer),
        next_offset: sealed,
        stride,
        sealed,
        plaintext,
    };
    let mut first = feed.buffer()?;
    if read_frame(feed.source, &mut first)? {
        return feed.one_frame(first, hash, &mut out);
    }
    feed.threads(first, hash, &mut out, side_by_side)
}

struct CheckedSink<'a> {
    sink: &'a mut dyn SealedSink,
    torn: Vec<u8>,
}

impl CheckedSink<'_> {
    fn write(&mut self, frame: &mut FrameBuffer) -> Result<(), PipelineError> {
        if !self.torn.is_empty() {
            let torn = std::mem::take(&mut self.torn);
            // The same frame number under the same key may never seal two different plaintexts.
            if !frame.sealed().starts_with(&torn) {
                return Err(SealError::SourceChanged.into());
            }
        }
        let (buffer, range) = frame.sealed_in_place();
        Ok(self.sink.append_in_place(buffer, range)?)
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

/// The number of frames that the hash should have waiting, so that it never waits for a read or a write.
const AHEAD: usize = 3;

struct Feed<'a> {
    source: &'a mut dyn Read,
    buffers: &'a mut Buffers,
    watch: &'a dyn PullWatch,
    /// `None` once the final frame was sealed.
    sealer: Option<Sealer>,
    /// Where the next frame that is read begins in the file.
    next_offset: u64,
    stride: u64,
    /// Bytes of the message so far.
    sealed: u64,
    plaintext: u64,
}

/// The channels around the feeding thread.
struct Lines {
    to_hash: SyncSender<FrameBuffer>,
    hashed: Receiver<FrameBuffer>,
    to_write: SyncSender<FrameBuffer>,
    written: Receiver<FrameBuffer>,
}

/// The place where the hash is computed: a thread of its own, or the thread that reads.
enum Hashing {
    Beside,
    Here(Sha256),
}

impl Feed<'_> {
    fn buffer(&mut self) -> Result<FrameBuffer, PipelineError> {
        let none = SealError::Limit("fewer than three frame buffers");
        let mut buffer = self.buffers.take().ok_or(none)?;
        buffer.place(self.next_offset);
        Ok(buffer)
    }

    /// A file of at most one frame is not worth a thread.
    fn one_frame(
        mut self,
        mut frame: FrameBuffer,
        mut hash: Sha256,
        out: &mut CheckedSink<'_>,
    ) -> Result<SealedStream, PipelineError> {
        hash.update(frame.plaintext());
        self.seal_last(&mut frame)?;
        out.write(&mut frame)?;
        self.watch.progress(self.plaintext);
        self.buffers.free.push(frame);
        Ok(self.done(hash))
    }

    fn done(&self, hash: Sha256) -> SealedStream {
        SealedStream {
            sha256: Sha256Digest(hash.finalize().into()),
            size: self.plaintext,
            sealed_size: self.sealed,
        }
    }

    fn threads(
        mut self,
        first: FrameBuffer,
        hash: Sha256,
        out: &mut CheckedSink<'_>,
        side_by_side: bool,
    ) -> Result<SealedStream, PipelineError> {
        let count = self.buffers.count;
        let (to_hash, frames) = mpsc::sync_channel::<FrameBuffer>(count);
        let (hashing, hashed) = mpsc::sync_channel::<FrameBuffer>(count);
        let (to_write, sealed) = mpsc::sync_channel::<FrameBuffer>(count);
        let (writing, written) = mpsc::sync_channel::<FrameBuffer>(count);
        let lines = Lines {
            to_hash,
            hashed,
            to_write,
            written,
        };
        std::thread::scope(|scope| {
            let writer = scope.spawn(move || {
                for mut frame in sealed {
                    out.write(&mut frame)?;
                    if writing.send(frame).is_err() {
                        break;
                    }
                }
                Ok::<_, PipelineError>(())
            });
            let (mut here, hasher) = if side_by_side {
                let mut hash = hash;
                let hasher = scope.spawn(move || {
                    for frame in frames {
                        hash.update(frame.plaintext());
                        if hashing.send(frame).is_err() {
                            break;
                        }
                    }
                    hash
                });
                (Hashing::Beside, Some(hasher))
            } else {
                (Hashing::Here(hash), None)
            };
            let fed = self.feed(first, &mut here, &lines);
            let Lines {
                to_hash,
                to_write,
                written,
                ..
            } = lines;
            drop((to_hash, to_write));
            self.buffers.free.extend(written);
            let wrote = writer.join().map_err(|_| SealError::Crypto)?;
            let hash = match (hasher, here) {
                (Some(hasher), _) => hasher.join().map_err(|_| SealError::Crypto)?,
                (None, Hashing::Here(hash)) => hash,
                (None, Hashing::Beside) => return Err(SealError::Crypto.into()),
            };
            // A failed write also ends the feeding, so its error is the reason.
            wrote?;
            fed?;
            Ok(self.done(hash))
        })
    }

    /// Reads ahead as long as there are buffers, seals hashed frames in order, and passes them on.
    fn feed(
        &mut self,
        first: FrameBuffer,
        hashing: &mut Hashing,
        lines: &Lines,
    ) -> Result<(), PipelineError> {
        let gone = |_| PipelineError::Seal(SealError::Crypto);
        // Hashed but not yet sealed: a full frame is the last one if nothing follows it.
        let mut ready = VecDeque::new();
        let (mut at_hash, mut ended) = (0usize, false);
        let mut fresh = Some(first);
        loop {
            if let Some(frame) = fresh.take() {
                self.next_offset += self.stride;
                if let Hashing::Here(hash) = hashing {
                    hash.update(frame.plaintext());
                    ready.push_back(frame);
                } else {
                    lines.to_hash.send(frame).map_err(|_| SealError::Crypto)?;
                    at_hash += 1;
                }
            }
            if self.watch.cancelled() {
                return Err(PipelineError::Cancelled);
            }
            self.buffers.free.extend(lines.written.try_iter());
            let sealable = !ready.is_empty() && (ready.len() + at_hash > 1 || ended);
            let hungry = matches!(hashing, Hashing::Beside) && at_hash < AHEAD;
            if !ended
                && (hungry || !sealable)
                && let Some(mut buffer) = self.buffers.take()
            {
                buffer.place(self.next_offset);
                ended = read_frame(self.source, &mut buffer)?;
                if ended && buffer.plaintext().is_empty() {
                    self.buffers.free.push(buffer);
                } else {
                    fresh = Some(buffer);
                }
                continue;
            }
            if sealable && let Some(mut frame) = ready.pop_front() {
                let last = ended && ready.is_empty() && at_hash == 0;
                if last {
                    self.seal_last(&mut frame)?;
                } else {
                    self.seal_next(&mut frame)?;
                }
                lines.to_write.send(frame).map_err(|_| SealError::Crypto)?;
                self.watch.progress(self.plaintext);
                if last {
                    return Ok(());
                }
            }
            if let Ok(frame) = lines.hashed.try_recv() {
                at_hash -= 1;
                ready.push_back(frame);
            } else if ready.is_empty() && at_hash > 0 {
                ready.push_back(lines.hashed.recv().map_err(gone)?);
                at_hash -= 1;
            } else if !ended && ready.len() + at_hash <= 1 {
                // Every other buffer is being written.
                self.buffers.free.push(lines.written.recv().map_err(gone)?);
            }
        }
    }

    fn seal_next(&mut self, frame: &mut FrameBuffer) -> Result<(), PipelineError> {
        let sealer = self.sealer.as_mut().ok_or(SealError::Crypto)?;
        self.sealed += sealer.seal_regular(frame)?.len() as u64;
        self.plaintext += frame.filled() as u64;
        Ok(())
    }

    fn seal_last(&mut self, frame: &mut FrameBuffer) -> Result<(), PipelineError> {
        let sealer = self.sealer.take().ok_or(SealError::Crypto)?;
        self.sealed += sealer.seal_final(frame)?.len() as u64;
        self.plaintext += frame.filled() as u64;
        Ok(())
    }
}
