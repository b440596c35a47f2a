//! Footage that several of ffmpeg's inputs read, each at a place of its own.

use std::io::{self, Read, Seek, SeekFrom};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use parking_lot::Mutex;

use super::request::Footage;

/// The footage, and where it stands.
struct Reader {
    footage: Box<dyn Footage>,
    at: Option<u64>,
}

/// One place in the footage. A panic of the reader becomes an error: it must never unwind through ffmpeg.
pub struct SharedFootage {
    reader: Arc<Mutex<Reader>>,
    at: u64,
}

impl SharedFootage {
    pub fn new(footage: Box<dyn Footage>) -> Self {
        let reader = Reader { footage, at: None };
        Self {
            reader: Arc::new(Mutex::new(reader)),
            at: 0,
        }
    }

    /// Another place in the same footage: its start.
    pub fn again(&self) -> Self {
        Self {
            reader: Arc::clone(&self.reader),
            at: 0,
        }
    }
}

fn guarded<T>(work: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    catch_unwind(AssertUnwindSafe(work))
        .unwrap_or_else(|_| Err(io::Error::other("the reader panicked")))
}

impl Read for SharedFootage {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let mut reader = self.reader.lock();
        guarded(|| {
            if reader.at.take() != Some(self.at) {
                reader.footage.seek(SeekFrom::Start(self.at))?;
            }
            let count = reader.footage.read(out)?;
            self.at += count as u64;
            reader.at = Some(self.at);
            Ok(count)
        })
    }
}

impl Seek for SharedFootage {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let mut reader = self.reader.lock();
        guarded(|| {
            let to = match to {
                SeekFrom::Current(by) => {
                    let at = self.at.checked_add_signed(by);
                    SeekFrom::Start(at.ok_or(io::ErrorKind::InvalidInput)?)
                }
                to => to,
            };
            reader.at = None;
            self.at = reader.footage.seek(to)?;
            reader.at = Some(self.at);
            Ok(self.at)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    #[test]
    fn each_place_is_its_own() {
        let bytes: Vec<u8> = (0..100).collect();
        let mut one = SharedFootage::new(Box::new(Cursor::new(bytes.clone())));
        let mut other = one.again();
        let mut read = Vec::new();
        for _ in 0..10 {
            let (mut a, mut b) = ([0; 10], [0; 5]);
            one.read_exact(&mut a).unwrap();
            read.extend(a);
            other.read_exact(&mut b).unwrap();
        }
        assert_eq!(read, bytes);
        assert_eq!(other.stream_position().unwrap(), 50);
        other.seek(SeekFrom::End(-1)).unwrap();
        other.read_exact(&mut [0]).unwrap();
        assert_eq!(one.stream_position().unwrap(), 100);
        assert_eq!(one.read(&mut [0]).unwrap(), 0);
    }
}
