//! Reads ranges of a spool file and checks every frame's tag on the way, so that uploaded bytes were verified just before.

use std::fs::File;
use std::io::{self, BufReader};
use std::os::unix::fs::FileExt as _;

use zeroize::Zeroizing;

use super::format::{END_MARK, FINAL_OVERHEAD, FRAME_OVERHEAD, IV, TAG, frame_iv};
use super::open::UnlockedMessage;
use super::{ItemKey, KeySource, SealError};
use crate::durable::BLOCK;
use crate::model::{EvidenceId, Part};

/// A spool file whose bytes are returned only after they are verified. Holds one range and one frame.
pub struct VerifiedReader {
    file: File,
    /// The same file, read past the page cache.
    direct: Option<File>,
    message: UnlockedMessage,
    size: u64,
    frames: u32,
    scratch: Zeroizing<Vec<u8>>,
}

impl VerifiedReader {
    /// `size` is what the journal says; a file of another length is damaged.
    pub fn open(
        file: File,
        key: &ItemKey,
        evidence: EvidenceId,
        part: Part,
        size: u64,
    ) -> Result<Self, SealError> {
        let message = UnlockedMessage::read(&mut BufReader::new(&file), &KeySource::Item(key))?;
        message.expect(evidence, part)?;
        let there = file.metadata()?.len();
        if there < size {
            return Err(SealError::Truncated("its frames"));
        }
        if there > size {
            return Err(SealError::Trailing);
        }
        let stride = u64::from(message.header.frame_length) + FRAME_OVERHEAD as u64;
        let body = size
            .checked_sub(message.bytes.len() as u64 + FINAL_OVERHEAD as u64)
            .ok_or(SealError::Truncated("its frames"))?;
        let frames = u32::try_from((body + FRAME_OVERHEAD as u64).div_ceil(stride))
            .map_err(|_| SealError::Limit("the number of frames"))?;
        let scratch = Zeroizing::new(Vec::with_capacity(
            message.header.frame_length as usize + TAG,
        ));
        Ok(Self {
            file,
            direct: None,
            message,
            size,
            frames,
            scratch,
        })
    }

    /// Reads through `direct`, the same file opened for direct reads, where the filesystem can.
    pub fn past_page_cache(mut self, direct: Option<File>) -> Self {
        self.direct = direct;
        self
    }

    pub const fn len(&self) -> u64 {
        self.size
    }

    pub const fn is_empty(&self) -> bool {
        self.size == 0
    }

    /// The sealed bytes `[offset, offset + length)`; every frame that they touch was read whole and verified.
    /// They and the rest of those frames replace what `into` held; returns where in it the range begins.
    pub fn read_range(
        &mut self,
        offset: u64,
        length: usize,
        into: &mut Vec<u8>,
    ) -> Result<usize, SealError> {
        let end = offset
            .checked_add(length as u64)
            .filter(|end| *end <= self.size)
            .ok_or(SealError::Limit("a range"))?;
        let header = self.message.bytes.len() as u64;
        let stride = u64::from(self.message.header.frame_length) + FRAME_OVERHEAD as u64;
        let number = |at: u64| {
            u32::try_from(at.saturating_sub(header) / stride)
                .unwrap_or(u32::MAX)
                .min(self.frames - 1)
                + 1
        };
        let (first, last) = (number(offset), number(end.max(1) - 1));
        let from = if offset < header {
            0
        } else {
            self.message.frame_offset(first)
        };
        let to = if last == self.frames {
            self.size
        } else {
            self.message.frame_offset(last + 1)
        };
        let length = usize::try_from(to - from).map_err(|_| SealError::Limit("a range"))?;
        let begin = self
            .read_at(from, length, into)
            .map_err(|e| match e.kind() {
                std::io::ErrorKind::UnexpectedEof => SealError::Truncated("a frame"),
                _ => SealError::Read(e),
            })?;
        let mut rest = &into[begin..begin + length];
        if offset < header {
            let (head, frames) = rest.split_at(self.message.bytes.len());
            if head != self.message.bytes {
                return Err(SealError::Header);
            }
            rest = frames;
        }
        for number in first..=last {
            let size = if number == self.frames {
                rest.len()
            } else {
                rest.len().min(usize::try_from(stride).unwrap_or(0))
            };
            let (frame, after) = rest.split_at(size);
            self.verify(number, frame)?;
            rest = after;
        }
        let skip = usize::try_from(offset - from).map_err(|_| SealError::Limit("a range"))?;
        Ok(begin + skip)
    }

    /// Reads `length` bytes at `from` into the buffer; returns where in it they begin.
    fn read_at(&mut self, from: u64, length: usize, into: &mut Vec<u8>) -> io::Result<usize> {
        if let Some(direct) = &self.direct {
            match read_direct(direct, from, length, into) {
                // The disk has larger blocks, so the file is read like any other from now on.
                Err(e) if e.kind() == io::ErrorKind::InvalidInput => self.direct = None,
                done => return done,
            }
        }
        resize(into, length);
        self.file.read_exact_at(into, from)?;
        Ok(0)
    }

    fn verify(&mut self, number: u32, frame: &[u8]) -> Result<(), SealError> {
        let is_final = number == self.frames;
        let wrong = SealError::Frame(number);
        let head = if is_final { 8 + IV + 4 } else { 4 + IV };
        let Some((fields, sealed)) = frame.split_at_checked(head) else {
            return Err(wrong);
        };
        let fields = if is_final {
            let length = u32::try_from(sealed.len().saturating_sub(TAG))
                .unwrap_or(u32::MAX)
                .to_be_bytes();
            if fields[..4] != END_MARK || fields[20..] != length {
                return Err(wrong);
            }
            &fields[4..20]
        } else {
            fields
        };
        if fields[..4] != number.to_be_bytes() || fields[4..] != frame_iv(number) {
            return Err(wrong);
        }
        self.scratch.clear();
        self.scratch.extend_from_slice(sealed);
        self.message
            .open_frame(number, is_final, &mut self.scratch)?;
        Ok(())
    }
}

/// Takes no more memory than is needed: a vector that grows by itself takes twice what it had.
fn resize(into: &mut Vec<u8>, length: usize) {
    into.reserve_exact(length.saturating_sub(into.len()));
    into.resize(length, 0);
}

/// Like [`VerifiedReader::read_at`], but reads whole blocks into a part of the buffer that is aligned to them.
fn read_direct(file: &File, from: u64, length: usize, into: &mut Vec<u8>) -> io::Result<usize> {
    let before = usize::try_from(from % BLOCK as u64).unwrap_or(0);
    let wanted = before + length;
    resize(into, wanted.next_multiple_of(BLOCK) + BLOCK);
    let aligned = into.as_ptr().align_offset(BLOCK);
    let space = &mut into[aligned..aligned + wanted.next_multiple_of(BLOCK)];
    let mut got = 0;
    while got < wanted {
        match file.read_at(&mut space[got..], from - before as u64 + got as u64) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(n) => got += n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
        // Only the end of the file gives less than whole blocks.
        if got < wanted && !got.is_multiple_of(BLOCK) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(aligned + before)
}
