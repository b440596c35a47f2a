//! The folder that the station watches: one folder and one marker for each USB disk, one folder in it for each storage.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use rustix::fs::{FlockOperation, flock};

use crate::dock::usb::{BlockNode, Sysfs};
use crate::durable;
use crate::model::{Mounted, MountedStorage, StorageState, UsbDevice};
use crate::sys;

/// Held while folders or markers change; helpers of several storages run at the same time.
pub struct Media {
    dir: PathBuf,
    lock: File,
}

impl Media {
    /// Refuses a folder that others could have put there.
    pub fn open(dir: &Path) -> anyhow::Result<Self> {
        let facts = fs::symlink_metadata(dir).with_context(|| {
            format!(
                "{} is missing: is systemd/camdock.tmpfiles installed?",
                dir.display()
            )
        })?;
        if !facts.is_dir()
            || facts.uid() != rustix::process::geteuid().as_raw()
            || facts.mode() & 0o022 != 0
        {
            bail!(
                "{} is not this user's own folder: remove it and run systemd-tmpfiles --create",
                dir.display()
            );
        }
        Ok(Self {
            dir: dir.to_owned(),
            lock: File::open(dir)?,
        })
    }

    fn locked<T>(&self, work: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<T> {
        flock(&self.lock, FlockOperation::LockExclusive)?;
        let done = work();
        let _ = flock(&self.lock, FlockOperation::Unlock);
        done
    }

    pub fn folder(&self, port: &str) -> PathBuf {
        self.dir.join(port)
    }

    fn marker(&self, port: &str) -> PathBuf {
        self.dir.join(format!("{port}.camera"))
    }

    /// Reads the marker of a port.
    pub fn read(&self, port: &str) -> Option<Mounted> {
        Mounted::parse(&fs::read(self.marker(port)).ok()?)
    }

    fn write(&self, mounted: &Mounted) -> anyhow::Result<()> {
        let bytes = serde_json::to_vec_pretty(mounted)?;
        Ok(durable::write_shared(
            &self.marker(&mounted.device.port),
            &bytes,
        )?)
    }

    /// Names all storages of a device as expected and makes the folder for one of them. The marker is there before the
    /// folder, so that nobody takes the folder for a finished camera.
    pub fn expect(
        &self,
        sysfs: &Sysfs,
        device: &UsbDevice,
        nodes: &[BlockNode],
        node: &BlockNode,
    ) -> anyhow::Result<PathBuf> {
        let port = &device.port;
        if port.contains('/') || port.starts_with('.') {
            bail!("{port:?} cannot be a folder's name");
        }
        self.locked(|| {
            let known = match self.read(port) {
                Some(known) if known.device == *device => {
                    self.drop_unlisted(&known, nodes)?;
                    known.storages
                }
                Some(other) if sysfs.is_there(&other.device) => {
                    bail!("another device is mounted for the port {port}");
                }
                Some(other) => {
                    self.clear(&other)?;
                    Vec::new()
                }
                None => Vec::new(),
            };
            let storages = nodes.iter().map(|node| {
                let name = node.storage_name();
                let known = known.iter().find(|s| s.name == name && s.node == node.node);
                known.cloned().unwrap_or(MountedStorage {
                    name,
                    node: node.node.clone(),
                    state: StorageState::Expected,
                })
            });
            self.write(&Mounted {
                device: device.clone(),
                storages: storages.collect(),
            })?;
            let target = self.folder(port).join(node.storage_name());
            fs::DirBuilder::new()
                .recursive(true)
                .mode(0o755)
                .create(&target)
                .with_context(|| format!("cannot make {}", target.display()))?;
            Ok(target)
        })
    }

    /// Takes away what was mounted of the device before more of it was known: a drive beside a camera's disk.
    fn drop_unlisted(&self, known: &Mounted, nodes: &[BlockNode]) -> anyhow::Result<()> {
        for storage in &known.storages {
            if nodes.iter().all(|node| node.storage_name() != storage.name) {
                self.detach(&known.device.port, &storage.name)?;
            }
        }
        Ok(())
    }

    pub fn set(
        &self,
        device: &UsbDevice,
        node: &BlockNode,
        state: StorageState,
    ) -> anyhow::Result<()> {
        self.locked(|| {
            let mut mounted = self
                .read(&device.port)
                .filter(|mounted| mounted.device == *device)
                .context("the device was replaced meanwhile")?;
            let name = node.storage_name();
            for storage in &mut mounted.storages {
                if storage.name == name {
                    storage.state = state.clone();
                }
            }
            self.write(&mounted)
        })
    }

    /// Every marker there is.
    pub fn all(&self) -> anyhow::Result<Vec<Mounted>> {
        let entries = fs::read_dir(&self.dir)?.flatten();
        Ok(entries
            .filter_map(|entry| {
                let name = entry.file_name();
                self.read(name.to_str()?.strip_suffix(".camera")?)
            })
            .collect())
    }

    /// Takes away what was mounted from a block device; the last storage takes folder and marker along.
    pub fn remove(&self, node: &str) -> anyhow::Result<()> {
        self.locked(|| {
            for entry in fs::read_dir(&self.dir)?.flatten() {
                let name = entry.file_name();
                let port = name.to_str().and_then(|name| name.strip_suffix(".camera"));
                let Some(mut mounted) = port.and_then(|port| self.read(port)) else {
                    continue;
                };
                let Some(at) = mounted.storages.iter().position(|s| s.node == node) else {
                    continue;
                };
                self.detach(&mounted.device.port, &mounted.storages.remove(at).name)?;
                let rest = mounted
                    .storages
                    .iter()
                    .any(|s| s.state != StorageState::Expected);
                if rest {
                    self.write(&mounted)?;
                } else {
                    self.clear(&mounted)?;
                }
            }
            Ok(())
        })
    }

    fn clear(&self, mounted: &Mounted) -> anyhow::Result<()> {
        let port = &mounted.device.port;
        for storage in &mounted.storages {
            self.detach(port, &storage.name)?;
        }
        gone(fs::remove_dir(self.folder(port)))?;
        gone(fs::remove_file(self.marker(port)))?;
        Ok(())
    }

    fn detach(&self, port: &str, storage: &str) -> anyhow::Result<()> {
        let target = self.folder(port).join(storage);
        // More than one mount on top of each other should never be; all of them must go.
        while sys::unmount_lazily(&target)
            .with_context(|| format!("cannot unmount {}", target.display()))?
        {}
        Ok(gone(fs::remove_dir(&target))?)
    }
}

fn gone(done: io::Result<()>) -> io::Result<()> {
    match done {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Place {
        dir: tempfile::TempDir,
        sysfs: Sysfs,
    }

    impl Place {
        fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            fs::DirBuilder::new()
                .mode(0o755)
                .create(dir.path().join("media"))
                .unwrap();
            let sysfs = Sysfs::new(dir.path().join("sys"));
            Self { dir, sysfs }
        }

        fn media(&self) -> Media {
            Media::open(&self.dir.path().join("media")).unwrap()
        }

        fn names(&self) -> Vec<String> {
            let entries = fs::read_dir(self.dir.path().join("media")).unwrap();
            let mut names: Vec<_> = entries
                .map(|e| e.unwrap().file_name().into_string().unwrap())
                .collect();
            names.sort();
            names
        }
    }

    fn device(address: u8) -> UsbDevice {
        UsbDevice {
            address,
            ..UsbDevice::example()
        }
    }

    fn node(name: &str, lun: u32, partition: u32) -> BlockNode {
        BlockNode {
            node: name.into(),
            dev: "8:17".into(),
            lun,
            partition,
            disc: false,
        }
    }

    const PORT: &str = "pci-0000:00:04.0-usb-0:3";

    fn mounted() -> StorageState {
        StorageState::Mounted {
            kind: "vfat".into(),
            disc: None,
        }
    }

    #[test]
    fn the_marker_names_every_storage_before_the_folder_is_there_and_goes_with_the_last() {
        use std::os::unix::fs::PermissionsExt as _;
        let (place, nodes) = (Place::new(), [node("sdb1", 0, 1), node("sdb2", 0, 2)]);
        let media = place.media();
        let target = media
            .expect(&place.sysfs, &device(5), &nodes, &nodes[0])
            .unwrap();
        assert!(target.ends_with(format!("{PORT}/l0p1")) && target.is_dir());
        let marker = media.read(PORT).unwrap();
        assert_eq!(marker.storages.len(), 2);
        assert!(!marker.settled());
        let mode = fs::metadata(media.marker(PORT))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o644);
        media.set(&device(5), &nodes[0], mounted()).unwrap();
        media
            .expect(&place.sysfs, &device(5), &nodes, &nodes[1])
            .unwrap();
        let failed = StorageState::Failed { reason: "x".into() };
        media.set(&device(5), &nodes[1], failed).unwrap();
        assert!(media.read(PORT).unwrap().settled());
        media.remove("sdb1").unwrap();
        assert_eq!(media.read(PORT).unwrap().storages[0].name, "l0p2");
        assert_eq!(place.names(), [PORT.to_owned(), format!("{PORT}.camera")]);
        media.remove("sdz").unwrap();
        media.remove("sdb2").unwrap();
        assert_eq!(place.names(), [] as [&str; 0]);
    }

    #[test]
    fn a_new_device_on_the_port_replaces_one_that_is_gone_and_never_one_that_is_there() {
        let (place, nodes) = (Place::new(), [node("sdb", 0, 0)]);
        let media = place.media();
        media
            .expect(&place.sysfs, &device(5), &nodes, &nodes[0])
            .unwrap();
        media
            .expect(&place.sysfs, &device(6), &nodes, &nodes[0])
            .unwrap();
        assert_eq!(media.read(PORT).unwrap().device.address, 6);
        assert!(media.set(&device(5), &nodes[0], mounted()).is_err());
        let there = place.dir.path().join("sys/bus/usb/devices/2-3");
        fs::create_dir_all(&there).unwrap();
        fs::write(there.join("devnum"), "6\n").unwrap();
        let refused = media.expect(&place.sysfs, &device(7), &nodes, &nodes[0]);
        assert!(refused.unwrap_err().to_string().contains("another device"));
    }

    #[test]
    fn a_folder_that_others_can_write_to_is_not_used() {
        use std::os::unix::fs::{PermissionsExt as _, symlink};
        let place = Place::new();
        let dir = place.dir.path().join("media");
        let link = place.dir.path().join("link");
        symlink(&dir, &link).unwrap();
        assert!(Media::open(&link).is_err());
        fs::set_permissions(&dir, fs::Permissions::from_mode(0o775)).unwrap();
        assert!(Media::open(&dir).is_err());
        assert!(Media::open(&place.dir.path().join("none")).is_err());
    }
}
