//! A camera's file as a plain reader. It ends when its job is to stop, however slowly the camera answers, and reports a camera
//! that hardly answers.

use std::io::{self, Read};
use std::time::{Duration, Instant};

use super::held::EndsDigest;
use super::pull::Puller;
use crate::camera::CameraFile;
use crate::journal::ContentEnds;

/// Time in reads after which a camera's speed is measured.
const WINDOW: Duration = Duration::from_secs(10);
/// Bytes a second. Anything slower is a bad contact or a dying card: a gigabyte would take three days.
const CRAWL: u64 = 4 << 10;

#[derive(Debug, PartialEq, Eq)]
enum PaceChange {
    /// Bytes a second.
    Crawls(u64),
    Recovered,
}

/// Counts only the time that reads take: waiting for the station's own disk is not the camera's fault.
struct PaceMeter {
    bytes: u64,
    time: Duration,
    crawls: bool,
}

impl PaceMeter {
    const fn new() -> Self {
        Self {
            bytes: 0,
            time: Duration::ZERO,
            crawls: false,
        }
    }

    /// Counts a read; returns what is to be reported after it.
    fn read(&mut self, bytes: u64, took: Duration) -> Option<PaceChange> {
        self.bytes += bytes;
        self.time += took;
        let enough = self.bytes >= CRAWL * WINDOW.as_secs();
        if self.time < WINDOW && !(self.crawls && enough) {
            return None;
        }
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let speed = (self.bytes as f64 / self.time.as_secs_f64().max(0.001)) as u64;
        let was = std::mem::replace(&mut self.crawls, speed < CRAWL);
        (self.bytes, self.time) = (0, Duration::ZERO);
        match (was, self.crawls) {
            (_, true) => Some(PaceChange::Crawls(speed)),
            (true, false) => Some(PaceChange::Recovered),
            (false, false) => None,
        }
    }
}

pub struct CameraReader<'a> {
    source: &'a mut dyn CameraFile,
    puller: &'a Puller<'a>,
    meter: PaceMeter,
    offset: u64,
    ends: EndsDigest,
}

impl<'a> CameraReader<'a> {
    /// A reader of a file that stands at this offset; `ends` has what was read of it before.
    pub fn new(
        source: &'a mut dyn CameraFile,
        puller: &'a Puller<'a>,
        offset: u64,
        ends: EndsDigest,
    ) -> Self {
        Self {
            source,
            puller,
            meter: PaceMeter::new(),
            offset,
            ends,
        }
    }

    /// The ends of what was read, unless some of them was not.
    pub fn ends(&self) -> Option<ContentEnds> {
        self.ends.finish()
    }
}

impl Read for CameraReader<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if (self.puller.stop)() {
            return Err(io::Error::other("stopped"));
        }
        // A file that grows while it is read must not take more room than was reserved: one byte more shows that it grew.
        let left = self
            .ends
            .size()
            .saturating_add(1)
            .saturating_sub(self.offset);
        let most = usize::try_from(left).unwrap_or(usize::MAX).min(out.len());
        let began = Instant::now();
        let read = self.source.read(&mut out[..most])?;
        match self.meter.read(read as u64, began.elapsed()) {
            Some(PaceChange::Crawls(speed)) => (self.puller.crawls)(Some(speed)),
            Some(PaceChange::Recovered) => (self.puller.crawls)(None),
            None => {}
        }
        self.ends.update(self.offset, &out[..read]);
        self.offset += read as u64;
        Ok(read)
    }
}

impl Drop for CameraReader<'_> {
    fn drop(&mut self) {
        if self.meter.crawls {
            (self.puller.crawls)(None);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_byte_a_second_is_reported_and_so_is_its_end() {
        let second = Duration::from_secs(1);
        let mut meter = PaceMeter::new();
        for _ in 0..9 {
            assert_eq!(meter.read(1, second), None);
        }
        assert_eq!(meter.read(1, second), Some(PaceChange::Crawls(1)));
        assert_eq!(meter.read(1 << 20, second), Some(PaceChange::Recovered));
        assert_eq!(meter.read(1 << 20, WINDOW), None);
        // These bytes are as slow as the slowest buses, and a file ends before its time: no reason to call anybody.
        assert_eq!(meter.read(150_000, WINDOW), None);
        assert_eq!(meter.read(10, second), None);
    }
}
