//! The folder of a pack in BagIt form (RFC 8493). It has another name until all of it is there.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{self, File, FileTimes, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

use super::PackError;
use super::zipped::zip_of;
use crate::durable::{self, AppendFile};
use crate::model::Sha256Digest;

const MANIFEST: &str = "manifest-sha256.txt";
const TAG_MANIFEST: &str = "tagmanifest-sha256.txt";
const BAGIT: &str = "BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n";

/// A pack that is being made. Dropped before it is finished, it takes everything away that it has written.
pub struct BagWriter {
    out: PathBuf,
    partial: PathBuf,
    made: Timestamp,
    payload: BTreeMap<String, Filed>,
    tags: BTreeMap<String, Filed>,
    finished: bool,
}

struct Filed {
    sha256: Sha256Digest,
    size: u64,
}

/// What a finished pack holds.
pub struct BagTotals {
    pub bytes: u64,
    /// Every file of the folder, by its path in it.
    pub files: Vec<String>,
}

impl BagWriter {
    /// Begins the pack that will be `out`, which must not exist, nor `OUT.zip` beside it if one is wanted. Every file will have the
    /// time `made`: when a file was fetched or opened is nobody's business.
    pub fn create(out: &Path, zip: bool, made: Timestamp) -> Result<Self, PackError> {
        let wanted = [Some(out.to_owned()), zip.then(|| zip_of(out))];
        for path in wanted.into_iter().flatten() {
            let partial = unfinished(&path);
            if fs::symlink_metadata(&path).is_ok() {
                return Err(PackError::Exists { path });
            }
            if fs::symlink_metadata(&partial).is_ok() {
                return Err(PackError::LeftOver { path: partial });
            }
        }
        let partial = unfinished(out);
        durable::create_dir(&partial)?;
        Ok(Self {
            out: out.to_owned(),
            partial,
            made,
            payload: BTreeMap::new(),
            tags: BTreeMap::new(),
            finished: false,
        })
    }

    /// Adds a file below `data/`.
    pub fn add(&mut self, name: &str, bytes: &[u8]) -> Result<Sha256Digest, PackError> {
        let mut file = self.begin(name)?;
        file.write(bytes)?;
        self.end(file)
    }

    /// Whether there is such a file below `data/`.
    pub fn has(&self, name: &str) -> bool {
        self.payload.contains_key(&format!("data/{name}"))
    }

    /// Begins a file below `data/` that is written bit by bit.
    pub fn begin(&self, name: &str) -> Result<BagFile, PackError> {
        self.file(format!("data/{name}"))
    }

    /// Takes a file in that was begun; it counts from now on.
    pub fn end(&mut self, file: BagFile) -> Result<Sha256Digest, PackError> {
        let (name, filed) = file.close(self.made)?;
        let digest = filed.sha256;
        self.payload.insert(name, filed);
        Ok(digest)
    }

    /// Adds a file beside the lists: it is about the pack.
    pub fn add_tag(&mut self, name: &str, bytes: &[u8]) -> Result<(), PackError> {
        let mut file = self.file(name.to_owned())?;
        file.write(bytes)?;
        let (name, filed) = file.close(self.made)?;
        self.tags.insert(name, filed);
        Ok(())
    }

    fn file(&self, name: String) -> Result<BagFile, PackError> {
        let path = self.partial.join(&name);
        if self.payload.contains_key(&name) || self.tags.contains_key(&name) {
            return Err(PackError::Twice { name });
        }
        durable::create_dir(path.parent().unwrap_or(&self.partial))?;
        Ok(BagFile {
            file: AppendFile::create(&path)?,
            hash: Sha256::new(),
            name,
        })
    }

    /// Writes the lists, and gives the folder its name. `info` becomes `bag-info.txt`.
    pub fn finish(mut self, info: &[(&str, String)]) -> Result<BagTotals, PackError> {
        let bytes = self.payload.values().map(|filed| filed.size).sum();
        let mut text = String::new();
        for (label, value) in info {
            // A value of several lines would be another label's.
            let value = value.replace(|c: char| c.is_control(), " ");
            let _ = writeln!(text, "{label}: {value}");
        }
        let _ = writeln!(text, "Payload-Oxum: {bytes}.{}", self.payload.len());
        self.add_tag("bag-info.txt", text.as_bytes())?;
        self.add_tag("bagit.txt", BAGIT.as_bytes())?;
        self.add_tag(MANIFEST, list(&self.payload).as_bytes())?;
        let tags = list(&self.tags);
        self.add_tag(TAG_MANIFEST, tags.as_bytes())?;
        share_folders(&self.partial, self.made)?;
        durable::sync_filesystem(&self.partial)?;
        durable::rename_new(&self.partial, &self.out)?;
        self.finished = true;
        let files = self.payload.keys().chain(self.tags.keys());
        Ok(BagTotals {
            bytes,
            files: files.cloned().collect(),
        })
    }
}

impl Drop for BagWriter {
    fn drop(&mut self) {
        if !self.finished {
            // Opened footage is not left lying about.
            let _ = fs::remove_dir_all(&self.partial);
        }
    }
}

/// A file of a pack that is being written.
pub struct BagFile {
    file: AppendFile,
    hash: Sha256,
    name: String,
}

impl BagFile {
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), PackError> {
        self.hash.update(bytes);
        Ok(self.file.append(bytes)?)
    }

    fn close(self, made: Timestamp) -> Result<(String, Filed), PackError> {
        self.file.sync()?;
        make_shared(self.file.file(), self.file.path(), made)?;
        let filed = Filed {
            sha256: Sha256Digest(self.hash.finalize().into()),
            size: self.file.len(),
        };
        Ok((self.name, filed))
    }
}

fn list(files: &BTreeMap<String, Filed>) -> String {
    let mut text = String::new();
    for (name, filed) in files {
        let _ = writeln!(text, "{}  {name}", filed.sha256);
    }
    text
}

/// Readable for whoever gets the disc, and with the one time of the pack.
pub(super) fn make_shared(file: &File, path: &Path, made: Timestamp) -> Result<(), PackError> {
    let mode = if path.is_dir() { 0o755 } else { 0o644 };
    let at = system_time(made);
    file.set_permissions(Permissions::from_mode(mode))
        .and_then(|()| file.set_times(FileTimes::new().set_modified(at).set_accessed(at)))
        .map_err(|source| PackError::ReadBack {
            path: path.to_owned(),
            source,
        })
}

fn system_time(at: Timestamp) -> SystemTime {
    let seconds = u64::try_from(at.as_second()).unwrap_or(0);
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

/// The folders from the innermost outwards: what changes within changes their times.
fn share_folders(dir: &Path, made: Timestamp) -> Result<(), PackError> {
    let read_back = |source| PackError::ReadBack {
        path: dir.to_owned(),
        source,
    };
    for entry in fs::read_dir(dir).map_err(read_back)? {
        let path = entry.map_err(read_back)?.path();
        if path.is_dir() {
            share_folders(&path, made)?;
        }
    }
    make_shared(&File::open(dir).map_err(read_back)?, dir, made)
}

/// The name of what is not finished: `NAME.unfinished`.
pub(super) fn unfinished(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".unfinished");
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pack_has_its_name_once_it_is_whole_and_never_takes_anothers_place() {
        let outer = tempfile::tempdir().unwrap();
        let out = outer.path().join("pack");
        let made = "2026-03-01T08:00:00Z".parse().unwrap();
        let names = || -> Vec<_> {
            let all = fs::read_dir(outer.path()).unwrap();
            all.map(|e| e.unwrap().file_name().into_string().unwrap())
                .collect()
        };
        let mut bag = BagWriter::create(&out, false, made).unwrap();
        bag.add("items/1/a.mp4", b"footage").unwrap();
        assert!(matches!(
            bag.add("items/1/a.mp4", b"x"),
            Err(PackError::Twice { .. })
        ));
        assert_eq!(names(), ["pack.unfinished"]);
        assert!(matches!(
            BagWriter::create(&out, false, made),
            Err(PackError::LeftOver { .. })
        ));
        drop(bag);
        assert!(names().is_empty());

        let mut bag = BagWriter::create(&out, false, made).unwrap();
        bag.add("items/1/a.mp4", b"footage").unwrap();
        let info = [("Source-Organization", "one\nPayload-Oxum: 9.9".to_owned())];
        let totals = bag.finish(&info).unwrap();
        assert_eq!((totals.bytes, names()), (7, vec!["pack".to_owned()]));
        let said = fs::read_to_string(out.join("bag-info.txt")).unwrap();
        assert_eq!(
            said,
            "Source-Organization: one Payload-Oxum: 9.9\nPayload-Oxum: 7.1\n"
        );
        let manifest = fs::read_to_string(out.join(MANIFEST)).unwrap();
        let digest = Sha256Digest::of(b"footage");
        assert_eq!(manifest, format!("{digest}  data/items/1/a.mp4\n"));
        for file in totals
            .files
            .iter()
            .map(|name| out.join(name))
            .chain([out.join("data")])
        {
            let seen = fs::metadata(&file).unwrap();
            assert_eq!(seen.modified().unwrap(), system_time(made), "{file:?}");
        }
        assert!(matches!(
            BagWriter::create(&out, false, made),
            Err(PackError::Exists { .. })
        ));
        fs::write(outer.path().join("other.zip"), "x").unwrap();
        assert!(matches!(
            BagWriter::create(&outer.path().join("other"), true, made),
            Err(PackError::Exists { .. })
        ));
    }
}
