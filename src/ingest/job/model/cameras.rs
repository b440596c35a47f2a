//! The cameras of a scenario: the files on them and how they misbehave.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;

use jiff::Timestamp;
use parking_lot::{Mutex, MutexGuard};

use crate::camera::{
    Camera, CameraEntry, CameraError, CameraFile, Change, OpenFacts, RefusedEntry,
};
use crate::model::{CameraId, CameraIdentity, FileFacts, ItemKind, SourcePath};

/// The last camera gives no serial.
pub const CAMERAS: usize = 3;
pub const FILES: usize = 4;
/// Below and above a frame's length, and above the least size that is resumed.
const SIZES: [u64; 4] = [0, 40, 64, 200];

/// Size and time, which distinguish one content from another.
pub type Version = (u64, Option<Timestamp>);

#[derive(Clone, Default)]
pub struct CardFile {
    pub size: usize,
    /// 2: the camera gives none.
    pub time: usize,
    pub growing: bool,
    /// Reads that fail, and after how many bytes.
    pub fails: u8,
    pub fails_at: u64,
    /// Somebody writes to it during the next read.
    pub touched: bool,
}

impl CardFile {
    pub fn version(&self) -> Version {
        let at = match (self.growing, self.time) {
            (true, _) => "2099-01-01T00:00:00Z",
            (_, 0) => "2020-01-01T00:00:00Z",
            (_, 1) => "2020-01-02T00:00:00Z",
            _ => return (SIZES[self.size], None),
        };
        (SIZES[self.size], at.parse().ok())
    }
}

#[derive(Clone, Default)]
pub struct Device {
    pub present: bool,
    pub files: BTreeMap<usize, CardFile>,
    /// It has an entry that is not a file.
    pub odd: bool,
    pub list_fails: u8,
    /// The last whole listing since it was docked, and whether it had the odd entry.
    pub listed: Option<BTreeMap<SourcePath, Version>>,
    pub listed_odd: bool,
    /// It had a file that may never be known to be whole.
    pub unquiet: bool,
    /// Files that could not be read at some time.
    pub troubled: Vec<SourcePath>,
}

#[derive(Clone)]
pub struct Cameras(Arc<Mutex<Vec<Device>>>);

impl Cameras {
    pub fn new() -> Self {
        Self(Arc::new(Mutex::new(vec![Device::default(); CAMERAS])))
    }

    pub fn lock(&self) -> MutexGuard<'_, Vec<Device>> {
        self.0.lock()
    }

    pub fn camera(&self, device: usize) -> Box<dyn Camera> {
        Box::new(Docked {
            cameras: self.clone(),
            device,
            identity: CameraIdentity {
                id: id(device),
                profile: "model".into(),
                access: "folder".into(),
            },
        })
    }
}

pub fn id(device: usize) -> Option<CameraId> {
    (device + 1 < CAMERAS).then(|| CameraId::new("acme", &device.to_string()))?
}

pub fn path(file: usize) -> SourcePath {
    let name = format!("DCIM/A000{file}.{}", if file == 3 { "GPS" } else { "MP4" });
    SourcePath::new(name).unwrap()
}

/// The bytes of one version of a file.
pub fn content(device: usize, path: &SourcePath, (size, time): Version) -> Vec<u8> {
    let seed = time.map_or(7, |t| t.as_second().cast_unsigned()) ^ (size << 7) ^ (device as u64);
    let seed = path
        .as_bytes()
        .iter()
        .fold(seed, |n, b| n.wrapping_mul(31) + u64::from(*b));
    (0..size)
        .map(|n| (seed.wrapping_mul(n * 2 + 1) >> 11).to_le_bytes()[0])
        .collect()
}

struct Docked {
    cameras: Cameras,
    device: usize,
    identity: CameraIdentity,
}

fn gone() -> CameraError {
    CameraError::Gone {
        root: PathBuf::from("/model"),
    }
}

impl Camera for Docked {
    fn identity(&self) -> &CameraIdentity {
        &self.identity
    }

    fn list(
        &mut self,
        sink: &mut dyn FnMut(CameraEntry) -> ControlFlow<()>,
    ) -> Result<(), CameraError> {
        let (files, odd) = {
            let mut cameras = self.cameras.lock();
            let device = &mut cameras[self.device];
            if !device.present {
                return Err(gone());
            }
            if device.list_fails > 0 {
                device.list_fails -= 1;
                return Err(CameraError::Root {
                    root: "/model".into(),
                    source: io::ErrorKind::TimedOut.into(),
                });
            }
            (device.files.clone(), device.odd)
        };
        let mut listed = BTreeMap::new();
        for (file, on_card) in &files {
            let (size, modified) = on_card.version();
            listed.insert(path(*file), (size, modified));
            let facts = FileFacts {
                path: path(*file),
                size,
                modified,
                flagged: *file == 1,
                kind: if *file == 3 {
                    ItemKind::Sidecar
                } else {
                    ItemKind::Video
                },
            };
            if sink(CameraEntry::File(facts)).is_break() {
                return Ok(());
            }
        }
        if odd {
            let entry = RefusedEntry {
                path: None,
                name: "odd".into(),
                size: None,
                code: "not_regular",
                reason: "is a symbolic link".into(),
            };
            if sink(CameraEntry::Refused(entry)).is_break() {
                return Ok(());
            }
        }
        let device = &mut self.cameras.lock()[self.device];
        (device.listed, device.listed_odd) = (Some(listed), odd);
        Ok(())
    }

    fn open(&mut self, wanted: &SourcePath) -> Result<Box<dyn CameraFile>, CameraError> {
        let mut cameras = self.cameras.lock();
        let device = &mut cameras[self.device];
        if !device.present {
            return Err(gone());
        }
        let found = device
            .files
            .iter()
            .find(|(file, _)| path(**file) == *wanted);
        let Some((&file, on_card)) = found else {
            device.troubled.push(wanted.clone());
            return Err(CameraError::NotFound {
                path: wanted.clone(),
            });
        };
        let version = on_card.version();
        Ok(Box::new(Open {
            cameras: self.cameras.clone(),
            device: self.device,
            file,
            version,
            content: content(self.device, wanted, version),
            at: 0,
        }))
    }

    fn still_there(&self) -> bool {
        self.cameras.lock()[self.device].present
    }
}

struct Open {
    cameras: Cameras,
    device: usize,
    file: usize,
    version: Version,
    content: Vec<u8>,
    at: u64,
}

impl Read for Open {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let mut cameras = self.cameras.lock();
        let device = &mut cameras[self.device];
        if !device.present {
            return Err(io::Error::from_raw_os_error(5));
        }
        let mut most = u64::MAX;
        if let Some(on_card) = device.files.get_mut(&self.file) {
            if on_card.fails > 0 {
                if self.at >= on_card.fails_at {
                    on_card.fails -= 1;
                    device.troubled.push(path(self.file));
                    return Err(io::Error::from_raw_os_error(5));
                }
                most = on_card.fails_at - self.at;
            }
            // The bytes from here on belong to another state of the file.
            if std::mem::take(&mut on_card.touched) && on_card.time < 2 {
                on_card.time = 1 - on_card.time;
                let other = content(self.device, &path(self.file), on_card.version());
                let at = usize::try_from(self.at).unwrap_or(usize::MAX);
                if at < self.content.len() && at < other.len() {
                    self.content.truncate(at);
                    self.content.extend_from_slice(&other[at..]);
                }
            }
        }
        let rest = &self.content[usize::try_from(self.at).unwrap()..];
        let length = rest
            .len()
            .min(out.len())
            .min(usize::try_from(most).unwrap_or(usize::MAX));
        out[..length].copy_from_slice(&rest[..length]);
        self.at += length as u64;
        Ok(length)
    }
}

impl CameraFile for Open {
    fn facts(&self) -> OpenFacts {
        OpenFacts {
            size: self.version.0,
            modified: self.version.1,
        }
    }

    fn recheck(&mut self) -> Result<Option<Change>, CameraError> {
        let cameras = self.cameras.lock();
        let device = &cameras[self.device];
        if !device.present {
            return Err(gone());
        }
        Ok(match device.files.get(&self.file) {
            None => Some(Change::Removed),
            Some(on_card) if on_card.version() != self.version => Some(Change::Touched),
            Some(_) => None,
        })
    }

    fn seek_to(&mut self, offset: u64) -> Result<(), CameraError> {
        self.at = offset;
        Ok(())
    }
}
