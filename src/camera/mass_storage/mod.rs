//! A camera that is a USB disk, mounted read-only by the mount helper: one folder for each storage, one camera for all.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::folder::FolderFile;
use super::folder_walk::FolderWalk;
use super::root_dir::{self, RootDir};
use super::{Camera, CameraEntry, CameraError, CameraFile, RefusedEntry, WipeOrder};
use super::{identity, wipe_client};
use crate::config::{Access, IdentitySource, Profile};
use crate::model::{
    CameraId, CameraIdentity, Condition, FileFacts, FileTimes, Mounted, MountedStorage, SourcePath,
    StorageState, WipeAnswer, WipeRequest,
};

const MAX_FILES: u64 = 1_000_000;
const USB_DEVICES: &str = "/sys/bus/usb/devices";

pub struct MassStorageCamera {
    /// The helper's folder, which holds the mounts.
    root: PathBuf,
    root_id: (u32, u32, u64),
    mounted: Mounted,
    storages: Vec<Storage>,
    profile: Arc<Profile>,
    identity: CameraIdentity,
    max_files: u64,
    /// A storage must be a mount: an empty folder in its place would look like an empty camera.
    mounts_only: bool,
}

struct Storage {
    name: String,
    /// The first name of this storage's paths; none for the first storage, so that most cameras' paths stay as they are.
    prefix: Option<String>,
    opened: Result<Arc<RootDir>, String>,
}

impl MassStorageCamera {
    /// Opens the mounted storages. `unlocked` is the identity that the camera gave when it was unlocked.
    pub fn open(
        root: &Path,
        mounted: Mounted,
        profile: &Arc<Profile>,
        unlocked: Option<CameraId>,
    ) -> Result<Self, CameraError> {
        Self::opened(root, mounted, profile, unlocked, true)
    }

    fn opened(
        root: &Path,
        mounted: Mounted,
        profile: &Arc<Profile>,
        unlocked: Option<CameraId>,
        mounts_only: bool,
    ) -> Result<Self, CameraError> {
        let stat = root_dir::stat_path(root).map_err(|source| CameraError::Root {
            root: root.to_owned(),
            source,
        })?;
        let mut camera = Self {
            root: root.to_owned(),
            root_id: root_dir::file_id(&stat),
            storages: Vec::new(),
            profile: Arc::clone(profile),
            identity: CameraIdentity {
                id: None,
                profile: profile.name.clone(),
                access: Access::MassStorage.as_str().into(),
            },
            max_files: MAX_FILES,
            mounts_only,
            mounted,
        };
        camera.open_storages();
        camera.identity.id = camera.identify(unlocked);
        Ok(camera)
    }

    /// Entries listed at most, over all storages; see `max_files` in [ingest].
    pub fn with_max_files(mut self, max_files: u64) -> Self {
        self.max_files = max_files;
        self
    }

    /// Opens the storages that are not open yet.
    fn open_storages(&mut self) {
        for (index, storage) in self.mounted.storages.iter().enumerate() {
            let known = self.storages.iter().position(|s| s.name == storage.name);
            if known.is_some_and(|at| self.storages[at].opened.is_ok()) {
                continue;
            }
            let opened = Storage {
                name: storage.name.clone(),
                prefix: (index > 0).then(|| storage.name.clone()),
                opened: self.open_storage(storage).map(Arc::new),
            };
            match known {
                Some(at) => self.storages[at] = opened,
                None => self.storages.push(opened),
            }
        }
    }

    fn open_storage(&self, storage: &MountedStorage) -> Result<RootDir, String> {
        match &storage.state {
            StorageState::Mounted { .. } => {
                let root_dir = RootDir::new(&self.root.join(&storage.name))
                    .map_err(|error| format!("its folder cannot be opened: {error}"))?;
                let mount =
                    root_dir::stat(root_dir.fd()).is_ok_and(|s| root_dir::is_mount_root(&s));
                if self.mounts_only && !mount {
                    return Err("it is no longer mounted".into());
                }
                Ok(root_dir)
            }
            StorageState::Failed { reason } => Err(reason.clone()),
            StorageState::Expected => Err("it is not mounted yet".into()),
        }
    }

    fn identify(&self, unlocked: Option<CameraId>) -> Option<CameraId> {
        let device = &self.mounted.device;
        let make = self.profile.make.clone().unwrap_or_else(|| device.make());
        self.profile
            .identity
            .iter()
            .find_map(|source| match source {
                IdentitySource::Descriptor => CameraId::new(&make, device.serial.as_deref()?),
                IdentitySource::Unlock => unlocked.clone(),
                IdentitySource::File => self
                    .storages
                    .iter()
                    .filter_map(|storage| storage.opened.as_ref().ok())
                    .find_map(|root_dir| {
                        identity::from_files(root_dir, &self.profile, Some(&make))
                    }),
                IdentitySource::Marker
                | IdentitySource::FolderName
                | IdentitySource::DeviceInfo => None,
            })
    }

    fn marker(&self) -> Option<Mounted> {
        Mounted::parse(&identity::marker_bytes(&self.root, Mounted::BYTES_MAX)?)
    }

    fn gone(&self) -> CameraError {
        CameraError::Gone {
            root: self.root.clone(),
        }
    }

    /// The storage that holds a path, and the path inside it.
    fn storage_of(&self, path: &SourcePath) -> Option<(&Storage, SourcePath)> {
        let prefixed = self.storages.iter().find_map(|storage| {
            let rest = path
                .as_bytes()
                .strip_prefix(storage.prefix.as_ref()?.as_bytes())?
                .strip_prefix(b"/")?;
            Some((storage, SourcePath::new(rest).ok()?))
        });
        prefixed.or_else(|| {
            let first = self.storages.iter().find(|s| s.prefix.is_none())?;
            Some((first, path.clone()))
        })
    }

    /// Makes an entry's path one of the whole camera.
    fn with_prefix(&self, storage: &Storage, listed: CameraEntry) -> CameraEntry {
        let Some(prefix) = &storage.prefix else {
            return self.unambiguous(listed);
        };
        let under = |path: &SourcePath| {
            SourcePath::new([prefix.as_bytes(), b"/", path.as_bytes()].concat())
        };
        match listed {
            CameraEntry::File(facts) => match under(&facts.path) {
                Ok(path) => CameraEntry::File(FileFacts { path, ..facts }),
                Err(error) => CameraEntry::Refused(RefusedEntry {
                    path: None,
                    name: format!("{prefix}/{}", facts.path),
                    size: Some(facts.size),
                    code: "path_too_long",
                    reason: error.to_string(),
                }),
            },
            CameraEntry::Refused(refused) => CameraEntry::Refused(RefusedEntry {
                path: refused.path.as_ref().and_then(|path| under(path).ok()),
                name: format!("{prefix}/{}", refused.name),
                ..refused
            }),
        }
    }

    /// Refuses an entry in a folder that is named like another storage: two files could get the same path.
    fn unambiguous(&self, listed: CameraEntry) -> CameraEntry {
        let CameraEntry::File(facts) = &listed else {
            return listed;
        };
        let bytes = facts.path.as_bytes();
        let top = bytes.split(|b| *b == b'/').next().unwrap_or(bytes);
        let taken = self
            .storages
            .iter()
            .any(|s| s.prefix.as_ref().is_some_and(|p| p.as_bytes() == top));
        if !taken || top.len() == bytes.len() {
            return listed;
        }
        CameraEntry::Refused(RefusedEntry {
            path: Some(facts.path.clone()),
            name: facts.path.to_string(),
            size: Some(facts.size),
            code: "path_ambiguous",
            reason: "lies in a folder that is named like one of the camera's other storages".into(),
        })
    }
}

impl Camera for MassStorageCamera {
    fn identity(&self) -> &CameraIdentity {
        &self.identity
    }

    fn condition(&mut self) -> Condition {
        let fat = self
            .mounted
            .storages
            .iter()
            .any(|s| matches!(&s.state, StorageState::Mounted { kind, .. } if kind == "vfat"));
        let times = match &self.profile.time_zone {
            // exFAT can keep the zone itself, and the kernel then gives instants.
            Some(zone) if fat => FileTimes::Local(zone.clone()),
            _ => FileTimes::Utc,
        };
        Condition {
            file_times: Some(times),
            device: Some(self.mounted.device.facts()),
            ..Condition::default()
        }
    }

    fn list(
        &mut self,
        sink: &mut dyn FnMut(CameraEntry) -> ControlFlow<()>,
    ) -> Result<(), CameraError> {
        // More storages may have been mounted since the last listing.
        let marker = self.marker().ok_or_else(|| self.gone())?;
        if marker.device != self.mounted.device {
            return Err(self.gone());
        }
        self.mounted = marker;
        self.open_storages();
        // A camera without a storage says nothing about its files.
        if self.mounted.storages.is_empty() {
            return Err(CameraError::NoStorage);
        }
        // Its contents are unknown, so nothing may be called safe yet.
        let expected = |s: &&MountedStorage| s.state == StorageState::Expected;
        if let Some(storage) = self.mounted.storages.iter().find(expected) {
            return Err(CameraError::StillMounting {
                storage: storage.name.clone(),
            });
        }
        let mut left = self.max_files;
        for storage in &self.storages {
            let failed = |reason: String| {
                CameraEntry::Refused(RefusedEntry {
                    path: None,
                    name: format!("(storage {})", storage.name),
                    size: None,
                    code: "storage_unreadable",
                    reason,
                })
            };
            let root_dir = match &storage.opened {
                Ok(root_dir) => root_dir,
                Err(reason) => {
                    if sink(failed(reason.clone())).is_break() {
                        return Ok(());
                    }
                    continue;
                }
            };
            let mut ended = false;
            let walk = FolderWalk::new(root_dir, &self.profile, left, self.max_files);
            let walked = walk.run(&mut |listed| {
                left = left.saturating_sub(1);
                let step = sink(self.with_prefix(storage, listed));
                ended |= step.is_break();
                step
            });
            if ended {
                return Ok(());
            }
            if let Err(error) = walked {
                if !self.still_there() {
                    return Err(self.gone());
                }
                if sink(failed(format!("its top folder cannot be read: {error}"))).is_break() {
                    return Ok(());
                }
            }
        }
        // A camera that left during the listing looks like one with fewer files.
        if self.still_there() {
            Ok(())
        } else {
            Err(self.gone())
        }
    }

    fn open(&mut self, path: &SourcePath) -> Result<Box<dyn CameraFile>, CameraError> {
        let opened = match self.storage_of(path) {
            Some((storage, inner)) => match &storage.opened {
                Ok(root_dir) => FolderFile::open(Arc::clone(root_dir), &inner),
                Err(_) => Err(CameraError::NotFound { path: path.clone() }),
            },
            None => Err(CameraError::NotFound { path: path.clone() }),
        };
        match opened {
            Ok(file) => Ok(Box::new(file)),
            Err(_) if !self.still_there() => Err(self.gone()),
            Err(error) => Err(error),
        }
    }

    /// Asks root's helper, which checks everything itself.
    fn wipe(
        &mut self,
        order: &WipeOrder<'_>,
        stop: &dyn Fn() -> bool,
    ) -> Result<WipeAnswer, CameraError> {
        let request = WipeRequest {
            v: 1,
            port: self.mounted.device.port.clone(),
            level: order.level,
            rehash: order.rehash,
            files: order.files.iter().map(|(_, proof)| proof.clone()).collect(),
        };
        wipe_client::ask(order.helper, &request, stop)
    }

    fn still_there(&self) -> bool {
        let device = &self.mounted.device;
        let folder =
            root_dir::stat_path(&self.root).is_ok_and(|s| root_dir::file_id(&s) == self.root_id);
        // The kernel removes a device at once, but its mounts only when the last file is closed.
        let devices = Path::new(USB_DEVICES);
        let plugged = !devices.is_dir()
            || std::fs::read_to_string(devices.join(&device.name).join("devnum"))
                .is_ok_and(|devnum| devnum.trim() == device.address.to_string());
        folder && plugged
    }
}

#[cfg(test)]
mod tests;
