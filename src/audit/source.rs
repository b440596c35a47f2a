//! Reads a log's files and parses their contents.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::tiles::{TILE_WIDTH, Tile};
use super::tree::{HASH, Hash};
use super::{AuditError, ENTRY_MAX};

/// The longest bundle there can be; nothing longer is ever read.
pub const BUNDLE_MAX: u64 = TILE_WIDTH * (ENTRY_MAX as u64 + 2);

/// Reads the log's files by key: `checkpoint`, `tile/0/000.p/7`, `tile/entries/000`. `None` means that there is no such file.
pub trait LogSource {
    fn read(&self, key: &str) -> Result<Option<Vec<u8>>, AuditError>;
}

impl<S: LogSource + ?Sized> LogSource for &S {
    fn read(&self, key: &str) -> Result<Option<Vec<u8>>, AuditError> {
        (**self).read(key)
    }
}

/// A log in a folder.
#[derive(Debug, Clone)]
pub struct DirSource(PathBuf);

impl DirSource {
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self(dir.into())
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    fn read_file(&self, key: &str) -> Result<Option<Vec<u8>>, AuditError> {
        use std::io::Read as _;
        let failed = |source| AuditError::Read {
            key: key.to_owned(),
            source,
        };
        let file = match fs::File::open(self.0.join(key)) {
            Ok(file) => file,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(failed(e)),
        };
        let mut bytes = Vec::new();
        let read = file.take(BUNDLE_MAX + 1).read_to_end(&mut bytes);
        read.map_err(failed)?;
        if bytes.len() as u64 > BUNDLE_MAX {
            return Err(AuditError::Corrupt {
                what: format!("{key} is longer than any file of a log"),
            });
        }
        Ok(Some(bytes))
    }

    /// The narrowest partial file of this tile that is at least as wide.
    fn wider(&self, tile: Tile) -> Option<Tile> {
        let folder = self.0.join(tile.key());
        let listed = fs::read_dir(folder.parent()?).ok()?;
        let widths = listed.filter_map(|e| e.ok()?.file_name().to_str()?.parse::<u16>().ok());
        let width = widths
            .filter(|w| *w >= tile.width && u64::from(*w) < TILE_WIDTH)
            .min()?;
        Some(Tile { width, ..tile })
    }
}

impl LogSource for DirSource {
    /// A partial tile that a growing log has replaced is cut out of the wider one.
    fn read(&self, key: &str) -> Result<Option<Vec<u8>>, AuditError> {
        let Some(tile) = Tile::parse(key) else {
            // Keys also come from outside: nothing else in or above the folder is served.
            return if key == "checkpoint" {
                self.read_file(key)
            } else {
                Ok(None)
            };
        };
        if let Some(bytes) = self.read_file(key)? {
            return Ok(Some(bytes));
        }
        if tile.is_full() {
            return Ok(None);
        }
        // The writer may replace the file between listing and opening it, so this looks several times.
        for _ in 0..16 {
            let wide = self.wider(tile).unwrap_or(tile.full());
            if let Some(bytes) = self.read_file(&wide.key())? {
                return Ok(narrow(tile, bytes));
            }
            if wide.is_full() && self.wider(tile).is_none() {
                break;
            }
        }
        Ok(None)
    }
}

/// The first `tile.width` hashes or entries of a wider file; `None` if it has fewer.
fn narrow(tile: Tile, mut bytes: Vec<u8>) -> Option<Vec<u8>> {
    let width = usize::from(tile.width);
    let length = match tile.level {
        Some(_) => Some(width * HASH).filter(|l| *l <= bytes.len()),
        None => Entries(&bytes)
            .take(width)
            .try_fold((0, 0), |(n, length), entry| {
                Some((n + 1, length + 2 + entry?.len()))
            })
            .and_then(|(n, length)| (n == width).then_some(length)),
    }?;
    bytes.truncate(length);
    Some(bytes)
}

/// Appends an entry of at most [`ENTRY_MAX`] bytes in the form that bundles have.
#[expect(
    clippy::cast_possible_truncation,
    reason = "callers refuse longer entries"
)]
pub fn frame_into(out: &mut Vec<u8>, entry: &[u8]) {
    debug_assert!(entry.len() <= ENTRY_MAX);
    out.extend((entry.len() as u16).to_be_bytes());
    out.extend(entry);
}

/// The entries of a bundle; yields `None` once where the bundle is cut short.
pub struct Entries<'a>(pub &'a [u8]);

impl<'a> Iterator for Entries<'a> {
    type Item = Option<&'a [u8]>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let entry = self.0.split_first_chunk::<2>().and_then(|(length, rest)| {
            let (entry, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
            self.0 = rest;
            Some(entry)
        });
        if entry.is_none() {
            self.0 = &[];
        }
        Some(entry)
    }
}

/// A tile's hashes, exactly as many as its name says.
pub fn read_hashes(source: &dyn LogSource, tile: Tile) -> Result<Vec<Hash>, AuditError> {
    let key = tile.key();
    let bytes = read_tile(source, tile)?;
    let (hashes, rest) = bytes.as_chunks::<HASH>();
    if hashes.len() != usize::from(tile.width) || !rest.is_empty() {
        return Err(AuditError::Corrupt {
            what: format!("{key} has {} bytes", bytes.len()),
        });
    }
    Ok(hashes.to_vec())
}

/// The bytes of a tile or bundle. Where a partial one is gone, the full one is read instead (C2SP tlog-tiles, "Partial
/// tiles").
pub fn read_tile(source: &dyn LogSource, tile: Tile) -> Result<Vec<u8>, AuditError> {
    let key = tile.key();
    if let Some(bytes) = source.read(&key)? {
        return Ok(bytes);
    }
    let full = if tile.is_full() {
        None
    } else {
        source.read(&tile.full().key())?
    };
    full.and_then(|bytes| narrow(tile, bytes))
        .ok_or(AuditError::Missing { key })
}
