//! Simulated USB for tests: a sysfs tree in a temporary folder, and devices without one.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use super::descriptors;
pub(crate) use super::descriptors::descriptor_bytes;
use super::sysfs::Sysfs;
use crate::model::UsbDevice;

/// A sysfs tree with one xHCI controller: `usb1` (USB 2) and `usb2` (USB 3).
pub struct SysfsTree(tempfile::TempDir);

const CONTROLLER: &str = "devices/pci0000:00/0000:00:04.0";

impl SysfsTree {
    pub fn new() -> Self {
        let tree = Self(tempfile::tempdir().unwrap());
        fs::create_dir_all(tree.path("bus/usb/devices")).unwrap();
        fs::create_dir_all(tree.path("class/block")).unwrap();
        for (bus, speed) in [(1, "480"), (2, "10000")] {
            let name = format!("usb{bus}");
            tree.folder(
                &name,
                &[
                    ("speed", speed),
                    ("busnum", &bus.to_string()),
                    ("devnum", "1"),
                ],
            );
            fs::write(tree.dir(&name).join("descriptors"), hub()).unwrap();
        }
        tree
    }

    pub fn path(&self, path: &str) -> PathBuf {
        self.0.path().join("sys").join(path)
    }

    /// Beside `/sys`: `proc/self/mountinfo`, `run/udev/data/b8:17`.
    pub fn host(&self, path: &str, text: &str) {
        let path = self.0.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub fn sysfs(&self) -> Sysfs {
        Sysfs::new(self.path(""))
    }

    /// The real folder of a device: below its hub.
    pub fn dir(&self, name: &str) -> PathBuf {
        let Some((bus, chain)) = name.split_once('-') else {
            return self.path(CONTROLLER).join(name);
        };
        let mut dir = self.path(CONTROLLER).join(format!("usb{bus}"));
        let mut at = String::new();
        for port in chain.split('.') {
            at = if at.is_empty() {
                format!("{bus}-{port}")
            } else {
                format!("{at}.{port}")
            };
            dir = dir.join(&at);
        }
        dir
    }

    fn folder(&self, name: &str, files: &[(&str, &str)]) {
        let dir = self.dir(name);
        fs::create_dir_all(&dir).unwrap();
        for (file, text) in files {
            fs::write(dir.join(file), format!("{text}\n")).unwrap();
        }
        let link = self.path("bus/usb/devices").join(name);
        let _ = fs::remove_file(&link);
        symlink(&dir, link).unwrap();
    }

    pub fn plug(&self, name: &str, address: u8, descriptors: &[u8], files: &[(&str, &str)]) {
        // Before the device can be seen: a scan must not find them half written.
        fs::create_dir_all(self.dir(name)).unwrap();
        fs::write(self.dir(name).join("descriptors"), descriptors).unwrap();
        let bus = name.split('-').next().unwrap();
        let devnum = address.to_string();
        self.folder(
            name,
            &[
                ("busnum", bus),
                ("devnum", &devnum),
                ("bConfigurationValue", "1"),
                ("idVendor", "46f4"),
            ],
        );
        self.folder(name, files);
    }

    pub fn hub(&self, name: &str) {
        self.plug(name, 2, &hub(), &[]);
    }

    pub fn unplug(&self, name: &str) {
        fs::remove_dir_all(self.dir(name)).unwrap();
        for link in fs::read_dir(self.path("bus/usb/devices")).unwrap() {
            let link = link.unwrap().path();
            if !link.exists() {
                fs::remove_file(link).unwrap();
            }
        }
    }

    /// Joins two ports to one socket; each given as hub and port, `usb2` 3 or `2-3` 1.
    pub fn peer(&self, one: (&str, u8), other: (&str, u8)) {
        let port = |(hub, port): (&str, u8)| self.dir(hub).join(format!("{hub}-port{port}"));
        for (here, there) in [(one, other), (other, one)] {
            fs::create_dir_all(port(here)).unwrap();
            fs::create_dir_all(port(there)).unwrap();
            symlink(port(there), port(here).join("peer")).unwrap();
            let (hub, number) = here;
            let child = match hub.split_once('-') {
                None => format!("{}-{number}", &hub[3..]),
                Some(_) => format!("{hub}.{number}"),
            };
            let child = self.dir(&child);
            if child.is_dir() {
                symlink(port(here), child.join("port")).unwrap();
            }
        }
    }

    /// A SCSI disk of a device with the sizes of its partitions.
    pub fn disk(&self, name: &str, lun: u32, disk: &str, size: &str, partitions: u32) {
        let unit = self
            .dir(name)
            .join(format!("{name}:1.0/host6/target6:0:0/6:0:0:{lun}"));
        let dir = unit.join("block").join(disk);
        fs::create_dir_all(&dir).unwrap();
        fs::write(unit.join("type"), "0\n").unwrap();
        fs::write(dir.join("size"), size).unwrap();
        fs::write(dir.join("dev"), "8:16").unwrap();
        symlink(&dir, self.path("class/block").join(disk)).unwrap();
        for number in 1..=partitions {
            let part = dir.join(format!("{disk}{number}"));
            fs::create_dir_all(&part).unwrap();
            fs::write(part.join("partition"), number.to_string()).unwrap();
            fs::write(part.join("dev"), format!("8:{}", 16 + number)).unwrap();
            symlink(
                &part,
                self.path("class/block").join(format!("{disk}{number}")),
            )
            .unwrap();
        }
    }
}

impl SysfsTree {
    /// An optical drive of a device; `disc`: what udev has seen in it.
    pub fn drive(&self, name: &str, lun: u32, drive: &str, disc: bool) {
        self.disk(name, lun, drive, "4194300", 0);
        let unit = self
            .dir(name)
            .join(format!("{name}:1.0/host6/target6:0:0/6:0:0:{lun}"));
        fs::write(unit.join("type"), "5\n").unwrap();
        fs::write(unit.join("block").join(drive).join("dev"), "11:0").unwrap();
        let media = if disc { "E:ID_CDROM_MEDIA=1\n" } else { "" };
        self.host("run/udev/data/b11:0", &format!("E:ID_CDROM=1\n{media}"));
    }
}

fn hub() -> Vec<u8> {
    let mut bytes = descriptor_bytes(0x1d6b, 3, &[(9, 0, 0)]);
    bytes[4] = 9;
    bytes
}

pub const DISK: &[(u8, u8, u8)] = &[(8, 6, 0x50)];

/// A device at a name of the first controller, without a tree.
pub fn device(name: &str, interfaces: &[(u8, u8, u8)]) -> UsbDevice {
    let found = descriptors::parse(&descriptor_bytes(0x46f4, 1, interfaces)).unwrap();
    let (bus, chain) = name.split_once('-').unwrap();
    UsbDevice {
        port: format!("pci-0000:00:04.0-usb-0:{chain}"),
        name: name.into(),
        bus: bus.parse().unwrap(),
        vendor: found.vendor,
        product: found.product,
        release: found.release,
        interfaces: found.interfaces,
        ..UsbDevice::example()
    }
}
