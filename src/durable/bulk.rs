//! A spool file while it is written. Where the filesystem can, writes bypass the page cache, so that a flood of footage is
//! not copied once more and does not push everything else out of memory.

use std::fs::{File, OpenOptions};
use std::io;
use std::ops::Range;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::Path;

use super::{AppendFile, DurableError, at};
use crate::failpoint::disk;

/// The alignment of direct writes: offset, length and memory. No disk needs more.
pub const BLOCK: usize = 4096;
/// From this many files on, one sync of the filesystem is cheaper than a sync of each.
const SYNC_ALL_FROM: usize = 8;

/// Appends like [`AppendFile`]; the last bytes, less than a block, may still be in memory until [`Self::finish`].
#[derive(Debug)]
pub struct BulkFile {
    file: AppendFile,
    direct: Option<File>,
    /// The bytes that were appended behind the file's last whole block; always empty without direct writes.
    tail: Vec<u8>,
}

/// Opens a file for reads that are aligned to [`BLOCK`] and leave nothing in the page cache; `None` where the filesystem
/// can't.
pub fn open_direct(path: &Path) -> Option<File> {
    direct(OpenOptions::new().read(true), path)
}

fn direct(options: &mut OpenOptions, path: &Path) -> Option<File> {
    let flags = rustix::fs::OFlags::DIRECT.bits().cast_signed();
    options.custom_flags(flags).open(path).ok()
}

impl BulkFile {
    /// Creates the file for about `expected` bytes; an existing one of that name is an error.
    pub fn create(path: &Path, expected: u64) -> Result<Self, DurableError> {
        Self::over(AppendFile::create(path)?, expected)
    }

    /// Opens the file, to continue after `length` bytes (at most what is there). What lies behind them stays until it is written
    /// over.
    pub fn resume(path: &Path, length: u64, expected: u64) -> Result<Self, DurableError> {
        Self::over(AppendFile::resume(path, length)?, expected)
    }

    fn over(file: AppendFile, expected: u64) -> Result<Self, DurableError> {
        let mut bulk = Self {
            file,
            direct: None,
            tail: Vec::new(),
        };
        // For small files the second descriptor costs more than it saves.
        if expected < 1 << 20 {
            return Ok(bulk);
        }
        // Filesystems in memory, and some others, refuse; the file is then written like any other.
        if let Some(direct) = direct(OpenOptions::new().write(true), bulk.file.path()) {
            let kept = usize::try_from(bulk.file.len() % BLOCK as u64).unwrap_or(0);
            bulk.tail = vec![0; kept];
            let offset = bulk.file.len() - kept as u64;
            let read = bulk.file.file().read_exact_at(&mut bulk.tail, offset);
            read.map_err(at("read", bulk.file.path()))?;
            bulk.direct = Some(direct);
        }
        Ok(bulk)
    }

    pub fn path(&self) -> &Path {
        self.file.path()
    }

    /// Bytes appended, written or not.
    pub fn len(&self) -> u64 {
        self.file.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn append(&mut self, bytes: &[u8]) -> Result<(), DurableError> {
        if self.direct.is_none() {
            return self.file.append(bytes);
        }
        self.tail.extend_from_slice(bytes);
        self.file.length += bytes.len() as u64;
        if self.tail.len() >= BLOCK {
            self.write_tail()?;
            let kept = self.tail.len() % BLOCK;
            self.tail.drain(..self.tail.len() - kept);
        }
        Ok(())
    }

    /// Appends `buffer[range]` without copying it, if the range begins in memory at the same place within a block as in
    /// the file. The block before the range is overwritten.
    pub fn append_in_place(
        &mut self,
        buffer: &mut [u8],
        range: Range<usize>,
    ) -> Result<(), DurableError> {
        let kept = self.tail.len();
        let fits = range.start >= kept
            && (buffer.as_ptr().addr() + range.start - kept).is_multiple_of(BLOCK)
            && kept + range.len() >= BLOCK;
        let Some(direct) = self.direct.as_ref().filter(|_| fits) else {
            return self.append(&buffer[range]);
        };
        let begin = range.start - kept;
        buffer[begin..range.start].copy_from_slice(&self.tail);
        let whole = begin + (range.end - begin) / BLOCK * BLOCK;
        let offset = self.file.length - kept as u64;
        disk!(
            "append frames",
            self.file.path(),
            at("write", self.file.path())
        );
        match direct.write_all_at(&buffer[begin..whole], offset) {
            Ok(()) => {
                self.tail.clear();
                self.tail.extend_from_slice(&buffer[whole..range.end]);
                self.file.length += range.len() as u64;
                Ok(())
            }
            // The disk has larger blocks, or the filesystem no longer takes direct writes.
            Err(e) if e.kind() == io::ErrorKind::InvalidInput => {
                self.finish()?;
                tracing::debug!(path = %self.file.path().display(), "no direct writes here");
                self.file.append(&buffer[range])
            }
            Err(e) => Err(at("write", self.file.path())(e)),
        }
    }

    /// Writes the bytes behind the last whole block, through the page cache.
    fn write_tail(&mut self) -> Result<(), DurableError> {
        let offset = self.file.length - self.tail.len() as u64;
        disk!(
            "append tail",
            self.file.path(),
            at("write", self.file.path())
        );
        let written = self.file.file().write_all_at(&self.tail, offset);
        written.map_err(at("write", self.file.path()))
    }

    /// Writes what is still in memory. Must be called before others read the file.
    pub fn finish(&mut self) -> Result<(), DurableError> {
        if self.direct.take().is_some() {
            self.write_tail()?;
            self.tail.clear();
            self.file.truncate(self.file.length)?;
        }
        Ok(())
    }

    /// Content and length durable, of a finished file; the name in the folder is not yet (see [`super::sync_dir`]).
    pub fn sync(&self) -> Result<(), DurableError> {
        self.file.sync()
    }
}

/// Makes finished files of one folder durable together; their names in the folder are not yet (see [`super::sync_dir`]).
///
/// From a few files on, one `syncfs` writes them all, which is cheaper than a write for each. It does not answer for each file:
/// a failed write that the kernel reported to another descriptor of the filesystem is not reported again to the one that is
/// opened here. A file's own descriptor, open since before its first byte, learns of every failed write, so it is synced, too:
/// without `fsync`, which would flush the disk once for each file.
pub fn sync_together(folder: &Path, files: &[&BulkFile]) -> Result<(), DurableError> {
    if files.len() < SYNC_ALL_FROM {
        return files.iter().try_for_each(|file| file.sync());
    }
    super::sync_filesystem(folder)?;
    files.iter().try_for_each(|file| file.file.check_written())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failpoint::hook::{self, Act};
    use rustix::io::Errno;

    #[test]
    fn a_file_that_could_not_be_written_is_noticed_behind_a_sync_of_the_whole_filesystem() {
        let dir = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).unwrap();
        let path = |number: usize| dir.path().join(number.to_string());
        for count in [SYNC_ALL_FROM - 1, SYNC_ALL_FROM, 3 * SYNC_ALL_FROM] {
            let files: Vec<_> = (0..count)
                .map(|number| {
                    let _ = std::fs::remove_file(path(number));
                    let mut file = BulkFile::create(&path(number), 0).unwrap();
                    file.append(b"frame").unwrap();
                    file
                })
                .collect();
            let files: Vec<_> = files.iter().collect();
            sync_together(dir.path(), &files).unwrap();
            let bad = path(count - 2);
            let failing = bad.clone();
            hook::set(Some(Box::new(move |name, at| {
                if matches!(name, "sync appended" | "ask written") && at == Some(&failing) {
                    Act::Fail(Errno::IO)
                } else {
                    Act::Pass
                }
            })));
            let synced = sync_together(dir.path(), &files);
            hook::set(None);
            let error = synced.unwrap_err().to_string();
            assert!(error.contains(bad.to_str().unwrap()), "{error}");
        }
    }

    /// A buffer whose `at` lies at `phase` within a block.
    fn placed(bytes: &[u8], phase: usize) -> (Vec<u8>, Range<usize>) {
        let mut buffer = vec![0; bytes.len() + 3 * BLOCK];
        let start = BLOCK + buffer.as_ptr().align_offset(BLOCK) + phase;
        buffer[start..start + bytes.len()].copy_from_slice(bytes);
        (buffer, start..start + bytes.len())
    }

    fn noise(length: usize, seed: u8) -> Vec<u8> {
        (0..length)
            .map(|n| (n / 256 + n).to_le_bytes()[0] ^ seed)
            .collect()
    }

    #[test]
    fn frames_written_in_place_or_copied_arrive_bit_for_bit() {
        let dir = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).unwrap();
        for expected in [0, 1 << 30] {
            let path = dir.path().join(expected.to_string());
            let mut file = BulkFile::create(&path, expected).unwrap();
            let mut all = Vec::new();
            for (n, length) in [7, 9000, 100_000, 1, 4095, 12_288, 65_568]
                .into_iter()
                .enumerate()
            {
                let bytes = noise(length, u8::try_from(n).unwrap());
                // Every other frame lies where it can be written from in place.
                let phase = (all.len() + n % 2) % BLOCK;
                let (mut buffer, range) = placed(&bytes, phase);
                file.append_in_place(&mut buffer, range).unwrap();
                all.extend_from_slice(&bytes);
                assert_eq!(file.len(), all.len() as u64);
            }
            file.append(b"end").unwrap();
            all.extend_from_slice(b"end");
            file.finish().unwrap();
            file.sync().unwrap();
            assert!(std::fs::read(&path).unwrap() == all);
        }
    }

    #[test]
    fn it_resumes_anywhere_within_a_block() {
        let dir = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).unwrap();
        let path = dir.path().join("spool");
        let bytes = noise(50_000, 3);
        for cut in [0, 1, 4095, 4096, 4097, 20_000] {
            std::fs::write(&path, &bytes).unwrap();
            let mut file = BulkFile::resume(&path, cut as u64, 1 << 30).unwrap();
            assert!(std::fs::read(&path).unwrap() == bytes, "nothing is cut");
            let (mut buffer, range) = placed(&bytes[cut..], cut % BLOCK);
            file.append_in_place(&mut buffer, range).unwrap();
            file.finish().unwrap();
            assert!(std::fs::read(&path).unwrap() == bytes, "{cut}");
        }
    }
}
