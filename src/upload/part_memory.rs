//! Memory for parts, shared by all uploads of a station: they wait for a share of the budget, and buffers are reused.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

const UNIT: u64 = 64 << 10;
/// A buffer that is longer than wanted by more than this is not reused.
const WASTE_MAX: usize = 8 << 20;
/// The number of bytes by which a buffer may exceed its part: the rest of the first and the last frame.
const FRAMES_MAX: usize = 2 << 20;

pub struct PartMemory {
    permits: Arc<Semaphore>,
    /// In [`UNIT`]s.
    total: u32,
    spare: Mutex<Vec<Vec<u8>>>,
}

impl PartMemory {
    /// At most `bytes` are in use; a part larger than that waits until no other is.
    pub fn new(bytes: u64) -> Arc<Self> {
        let total = u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX >> 3);
        let total = total.clamp(1, u32::MAX >> 3);
        Arc::new(Self {
            permits: Arc::new(Semaphore::new(total as usize)),
            total,
            spare: Mutex::default(),
        })
    }

    /// Waits until there is room for `bytes`.
    pub async fn lease(self: &Arc<Self>, bytes: u64) -> Lease {
        let units = u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX);
        let permits = Arc::clone(&self.permits).acquire_many_owned(units.clamp(1, self.total));
        Lease {
            // The semaphore is never closed.
            permit: permits.await.ok(),
            buffer: self.spare_buffer(usize::try_from(bytes).unwrap_or(0)),
            memory: Arc::clone(self),
        }
    }

    fn spare_buffer(&self, wanted: usize) -> Vec<u8> {
        let mut spare = self.spare.lock();
        let fits = spare
            .iter()
            .position(|b| b.capacity() >= wanted && b.capacity() - wanted <= WASTE_MAX);
        // With room for the rest of the frames at its ends: a buffer that had to grow would be made anew for every other
        // part, and the kernel would clear all of its pages again.
        let budget = usize::try_from(u64::from(self.total) * UNIT).unwrap_or(usize::MAX);
        fits.map_or_else(
            || Vec::with_capacity(wanted.min(budget) + FRAMES_MAX),
            |at| spare.swap_remove(at),
        )
    }
}

/// A buffer and its share of the budget; both are given back on drop.
pub struct Lease {
    permit: Option<OwnedSemaphorePermit>,
    buffer: Vec<u8>,
    memory: Arc<PartMemory>,
}

impl Lease {
    /// The buffer to fill. It may still hold bytes of an earlier part.
    pub fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.buffer
    }

    /// The filled range, without a copy.
    pub fn into_bytes(self, range: Range<usize>) -> Bytes {
        Bytes::from_owner(self).slice(range)
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lease")
            .field("bytes", &self.buffer.len())
            .finish_non_exhaustive()
    }
}

impl AsRef<[u8]> for Lease {
    fn as_ref(&self) -> &[u8] {
        &self.buffer
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let buffer = std::mem::take(&mut self.buffer);
        let spare = &self.memory.spare;
        let mut spare = spare.lock();
        let kept: usize = spare.iter().map(Vec::capacity).sum();
        let own = self
            .permit
            .as_ref()
            .map_or(0, OwnedSemaphorePermit::num_permits);
        // Leased and spare buffers together exceed the budget by a frame or two each.
        let room = (self.memory.permits.available_permits() + own) as u64 * UNIT;
        let frames = (spare.len() + 1) * FRAMES_MAX;
        if (kept + buffer.capacity()) as u64 <= room + frames as u64 {
            spare.push(buffer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn leases_wait_for_the_budget_and_buffers_come_back() {
        let memory = PartMemory::new(4 << 20);
        let mut first = memory.lease(3 << 20).await;
        first.buffer().resize(3 << 20, 7);
        let second = tokio::spawn({
            let memory = Arc::clone(&memory);
            async move { memory.lease(2 << 20).await }
        });
        tokio::task::yield_now().await;
        assert!(!second.is_finished());
        let bytes = first.into_bytes(1..3);
        assert_eq!(&bytes[..], [7, 7]);
        tokio::task::yield_now().await;
        assert!(!second.is_finished(), "the bytes still hold the memory");
        drop(bytes);
        drop(second.await.unwrap());
        let mut again = memory.lease(3 << 20).await;
        assert!(again.buffer().capacity() >= 3 << 20, "not used again");
        // Also where the frames at its ends take more this time.
        let at = again.buffer().as_ptr();
        again.buffer().resize((3 << 20) + (1 << 20), 7);
        assert_eq!(again.buffer().as_ptr(), at, "made anew");
        drop(again);
        // A part larger than the whole budget is read once no other is.
        memory.lease(1 << 40).await;
    }
}
