//! Sources and ledgers for uploads.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use camdock::model::{Sha256Digest, composite_checksum};
use camdock::upload::{BoxError, DonePart, Lease, Ledger, Multipart, PartSource, Resume};

/// Content that is made from a seed, and damaged where a test asks for it.
#[derive(Clone)]
pub struct SeededSource {
    len: u64,
    seed: u64,
    damaged_at: Option<u64>,
    /// Bytes read so far, over all clones.
    pub read: Arc<AtomicU64>,
}

impl SeededSource {
    pub fn new(seed: u64, len: u64) -> Self {
        Self {
            len,
            seed,
            damaged_at: None,
            read: Arc::default(),
        }
    }

    /// Reading this byte fails, as a wrong authentication tag does.
    pub fn damaged_at(mut self, offset: u64) -> Self {
        self.damaged_at = Some(offset);
        self
    }

    pub fn boxed(&self) -> Box<dyn PartSource> {
        Box::new(self.clone())
    }

    pub fn bytes(&self, offset: u64, len: u64) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(usize::try_from(len).unwrap() + 16);
        let mut block = offset / 8;
        while (bytes.len() as u64) < len + 8 {
            // SplitMix64: cheap, and no two blocks alike.
            let mut z = (block ^ (self.seed << 40)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            bytes.extend_from_slice(&(z ^ (z >> 31)).to_le_bytes());
            block += 1;
        }
        let skip = usize::try_from(offset % 8).unwrap();
        bytes.drain(..skip);
        bytes.truncate(usize::try_from(len).unwrap());
        bytes
    }

    pub fn whole(&self) -> Vec<u8> {
        self.bytes(0, self.len)
    }

    /// Computed here, independently of the upload.
    pub fn checksum(&self, part_size: u64) -> String {
        let digests: Vec<_> = (0..self.len.div_ceil(part_size))
            .map(|part| {
                let offset = part * part_size;
                Sha256Digest::of(&self.bytes(offset, part_size.min(self.len - offset)))
            })
            .collect();
        composite_checksum(&digests)
    }
}

impl PartSource for SeededSource {
    fn len(&self) -> u64 {
        self.len
    }

    fn read_range(&mut self, offset: u64, len: u64, mut memory: Lease) -> Result<Bytes, BoxError> {
        assert!(offset + len <= self.len, "asked beyond the end");
        if self
            .damaged_at
            .is_some_and(|at| (offset..offset + len).contains(&at))
        {
            return Err("the tag of a frame is wrong".into());
        }
        self.read.fetch_add(len, Ordering::SeqCst);
        let bytes = self.bytes(offset, len);
        let length = bytes.len();
        *memory.buffer() = bytes;
        Ok(memory.into_bytes(0..length))
    }
}

/// A ledger in memory; a clone is what an earlier process had noted.
#[derive(Debug, Default, Clone)]
pub struct MemoryLedger {
    pub resume: Option<Resume>,
}

impl Ledger for MemoryLedger {
    fn resume(&mut self) -> Result<Option<Resume>, BoxError> {
        Ok(self.resume.clone())
    }

    fn begin(&mut self, multipart: &Multipart) -> Result<(), BoxError> {
        self.resume = Some(Resume {
            multipart: multipart.clone(),
            parts: Vec::new(),
        });
        Ok(())
    }

    fn part_done(&mut self, part: &DonePart) -> Result<(), BoxError> {
        let resume = self.resume.as_mut().ok_or("no upload has begun")?;
        resume.parts.retain(|done| done.number != part.number);
        resume.parts.push(part.clone());
        Ok(())
    }

    fn clear(&mut self) -> Result<(), BoxError> {
        self.resume = None;
        Ok(())
    }
}
