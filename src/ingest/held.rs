//! Decides whether a file on a camera was taken before. Path, size and time only choose the items that it may be; its content
//! decides (promise 1): a new recording may have all three of an older one, above all where a camera's clock was never set.

use std::io::Read as _;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use sha2::{Digest as _, Sha256};

use super::camera_reader::CameraReader;
use super::pull::Puller;
use super::{IngestError, now};
use crate::camera::{Camera, CameraError, CameraFile};
use crate::journal::{ContentEnds, HeldItem};
use crate::model::{EvidenceId, FileFacts, Sha256Digest};

/// Bytes at each end of a file that are compared.
const END: u64 = 64 << 10;
/// Seconds by which a file's time may be ahead of the station's clock.
const AHEAD: i64 = 120;

/// Computes the digests of a content's ends while it is read.
pub struct EndsDigest {
    size: u64,
    /// Bytes of each end that were seen.
    seen: [u64; 2],
    digests: [Sha256; 2],
}

impl EndsDigest {
    pub fn new(size: u64) -> Self {
        Self {
            size,
            seen: [0; 2],
            digests: [Sha256::new(), Sha256::new()],
        }
    }

    /// The size of the whole content.
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Where the first and the last end begin, and where they end.
    const fn ranges(&self) -> [(u64, u64); 2] {
        let length = if self.size < END { self.size } else { END };
        [(0, length), (self.size - length, self.size)]
    }

    /// Bytes of the content from this offset on; they must come in order.
    pub fn update(&mut self, offset: u64, bytes: &[u8]) {
        let end = offset + bytes.len() as u64;
        for (n, (from, until)) in self.ranges().into_iter().enumerate() {
            let (from, until) = (from.max(offset), until.min(end));
            if from < until {
                let start = usize::try_from(from - offset).unwrap_or(usize::MAX);
                let length = usize::try_from(until - from).unwrap_or(usize::MAX);
                self.digests[n].update(&bytes[start..start + length]);
                self.seen[n] += until - from;
            }
        }
    }

    /// `None`: a part of the ends was not seen.
    pub fn finish(&self) -> Option<ContentEnds> {
        let lengths = self.ranges().map(|(from, until)| until - from);
        let digest = |n: usize| Sha256Digest(self.digests[n].clone().finalize().into());
        let (first, last) = (digest(0), digest(1));
        (self.seen == lengths).then_some(ContentEnds { first, last })
    }
}

/// Reads this part of a file, and asks its camera for no more.
pub fn read_part(
    file: &mut dyn CameraFile,
    facts: &FileFacts,
    from: u64,
    until: u64,
) -> Result<Vec<u8>, IngestError> {
    let mut bytes = vec![0; usize::try_from(until - from).unwrap_or(0)];
    file.seek_to(from)?;
    file.limit_reads(bytes.len());
    let read = file.read_exact(&mut bytes);
    file.limit_reads(usize::MAX);
    read.map_err(|error| CameraError::reading(&facts.path, error))?;
    Ok(bytes)
}

/// Reads the ends alone; they may overlap.
fn read_ends(file: &mut dyn CameraFile, facts: &FileFacts) -> Result<ContentEnds, IngestError> {
    let [(from, until), last] = EndsDigest::new(facts.size).ranges();
    let bytes = read_part(file, facts, from, until)?;
    let first = Sha256Digest::of(&bytes);
    if facts.size <= END {
        return Ok(ContentEnds { first, last: first });
    }
    let bytes = read_part(file, facts, last.0, last.1)?;
    let last = Sha256Digest::of(&bytes);
    Ok(ContentEnds { first, last })
}

/// The ends, or `None` where the camera turns out to give a file from its start alone.
fn try_ends(
    file: &mut dyn CameraFile,
    facts: &FileFacts,
) -> Result<Option<ContentEnds>, IngestError> {
    match read_ends(file, facts) {
        Ok(ends) => Ok(Some(ends)),
        Err(IngestError::Camera(_)) if !file.can_seek() => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether a file's time distinguishes it from other files. A time from a camera whose clock was not set does not.
pub fn is_plausible(modified: Option<Timestamp>, earliest_year: i16, now: Timestamp) -> bool {
    modified.is_some_and(|modified| {
        let year = TimeZone::UTC.to_datetime(modified).year();
        year >= earliest_year && modified.as_second() <= now.as_second() + AHEAD
    })
}

impl Puller<'_> {
    /// Finds the one of these items that the file is. Its ends are compared where they are known and its time is plausible;
    /// otherwise it is read whole.
    pub fn find_held(
        &self,
        camera: &mut dyn Camera,
        facts: &FileFacts,
        items: &[HeldItem],
    ) -> Result<Option<EvidenceId>, IngestError> {
        let mut file = self.open(camera, facts)?;
        let plausible = is_plausible(facts.modified, self.shared.earliest_year, now());
        let any_known = items.iter().any(|item| item.ends.is_some());
        let ends = if any_known && plausible && file.can_seek() {
            try_ends(file.as_mut(), facts)?
        } else {
            None
        };
        let by_ends = ends.and_then(|ends| items.iter().find(|item| item.ends == Some(ends)));
        let all_differ = ends.is_some() && items.iter().all(|item| item.ends.is_some());
        let found = if by_ends.is_some() || all_differ {
            by_ends
        } else {
            let (sha256, ends) = self.read_whole(file.as_mut(), facts)?;
            let found = items.iter().find(|item| item.sha256 == sha256);
            if let (Some(HeldItem { id, ends: None, .. }), Some(ends)) = (found, ends) {
                self.shared.journal.note_ends(&[(*id, ends)])?;
            }
            found
        };
        if let Some(change) = file.recheck()? {
            return Err(IngestError::Changed(change.to_string()));
        }
        if found.is_none() {
            tracing::info!(path = %facts.path, size = facts.size,
                "the file has the path, size and time of an earlier one, but another content: it is new");
        }
        Ok(found.map(|item| item.id))
    }

    fn read_whole(
        &self,
        file: &mut dyn CameraFile,
        facts: &FileFacts,
    ) -> Result<(Sha256Digest, Option<ContentEnds>), IngestError> {
        file.seek_to(0)?;
        let mut reader = CameraReader::new(file, self, 0, EndsDigest::new(facts.size));
        let (mut whole, mut buffer, mut offset) = (Sha256::new(), vec![0; 1 << 20], 0);
        loop {
            let read = match reader.read(&mut buffer) {
                Ok(0) => break,
                Ok(read) => read,
                Err(_) if (self.stop)() => return Err(IngestError::Stopped),
                Err(error) => return Err(CameraError::reading(&facts.path, error).into()),
            };
            whole.update(&buffer[..read]);
            offset += read as u64;
            (self.progress)(offset);
        }
        if offset != facts.size {
            return Err(IngestError::Changed(format!(
                "{offset} bytes were read, {} listed",
                facts.size
            )));
        }
        Ok((Sha256Digest(whole.finalize().into()), reader.ends()))
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, Cursor, Seek as _, SeekFrom};

    use super::*;
    use crate::camera::{Change, OpenFacts};
    use crate::model::{ItemKind, SourcePath};

    /// Counts the bytes that its camera is asked for. It asks for as many as it may, however few of them are wanted.
    struct Counting {
        content: Cursor<Vec<u8>>,
        limit: usize,
        asked: usize,
    }

    impl io::Read for Counting {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            self.asked += self.limit.min(2 << 20);
            self.content.read(out)
        }
    }

    impl CameraFile for Counting {
        fn facts(&self) -> OpenFacts {
            unreachable!()
        }

        fn recheck(&mut self) -> Result<Option<Change>, CameraError> {
            Ok(None)
        }

        fn seek_to(&mut self, offset: u64) -> Result<(), CameraError> {
            self.content.seek(SeekFrom::Start(offset)).unwrap();
            Ok(())
        }

        fn limit_reads(&mut self, bytes: usize) {
            self.limit = bytes;
        }
    }

    #[test]
    fn no_more_than_both_ends_of_a_held_file_is_read() {
        let facts = FileFacts {
            path: SourcePath::new("A.MP4").unwrap(),
            size: 50_000_000,
            modified: None,
            flagged: false,
            kind: ItemKind::Video,
        };
        let content: Vec<u8> = (0..facts.size).map(|n| (n / 7).to_le_bytes()[0]).collect();
        let mut file = Counting {
            content: Cursor::new(content.clone()),
            limit: usize::MAX,
            asked: 0,
        };
        let ends = read_ends(&mut file, &facts).unwrap();
        // 500 such files take 2.2 s of a camera that gives 30 MB a second.
        assert_eq!(file.asked, 128 << 10);
        assert_eq!(ends_of(&content, 1 << 20), Some(ends));
    }

    fn ends_of(content: &[u8], piece: usize) -> Option<ContentEnds> {
        let mut digest = EndsDigest::new(content.len() as u64);
        for (n, bytes) in content.chunks(piece).enumerate() {
            digest.update((n * piece) as u64, bytes);
        }
        digest.finish()
    }

    #[test]
    fn the_ends_are_the_same_however_a_content_is_read() {
        let end = usize::try_from(END).unwrap();
        for size in [
            0,
            1,
            end - 1,
            end,
            end + 1,
            end * 2 - 1,
            end * 2,
            end * 5 + 7,
        ] {
            let content: Vec<u8> = (0..size).map(|n| (n * 7 / 8).to_le_bytes()[0]).collect();
            let length = size.min(end);
            let expected = ContentEnds {
                first: Sha256Digest::of(&content[..length]),
                last: Sha256Digest::of(&content[size - length..]),
            };
            for piece in [1000, end, 1 << 20] {
                assert_eq!(ends_of(&content, piece), Some(expected), "{size} {piece}");
            }
        }
        let mut resumed = EndsDigest::new(1 << 20);
        resumed.update(END * 2, &vec![0; (1 << 20) - 2 * end]);
        assert_eq!(resumed.finish(), None, "the beginning was not seen");
    }

    #[test]
    fn a_time_that_an_unset_clock_gives_is_not_plausible() {
        let now: Timestamp = "2026-05-01T12:00:00Z".parse().unwrap();
        let plausible = |time: &str| is_plausible(time.parse().ok(), 2015, now);
        assert!(plausible("2026-05-01T11:00:00Z"));
        assert!(plausible("2015-01-01T00:00:00Z"));
        for time in [
            "1970-01-01T00:00:00Z",
            "1980-01-01T00:00:00Z",
            "2014-12-31T23:59:59Z",
            "2026-05-01T12:03:00Z",
            "2099-01-01T00:00:00Z",
        ] {
            assert!(!plausible(time), "{time}");
        }
        assert!(!is_plausible(None, 2015, now));
    }
}
