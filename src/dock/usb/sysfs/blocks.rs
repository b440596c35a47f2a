//! The disks, partitions and discs of a USB device.

use std::fs;
use std::path::{Path, PathBuf};

use super::{Sysfs, children, text};
use crate::model::UsbDevice;

/// A disk, partition or disc of a USB device, as sysfs shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlockNode {
    /// `sdb1`; empty while the kernel still looks at the disk.
    pub node: String,
    /// `8:17`; empty with `node`.
    pub dev: String,
    /// SCSI logical unit.
    pub lun: u32,
    /// 0: the whole disk, which has no partitions.
    pub partition: u32,
    /// It is in an optical drive.
    pub disc: bool,
}

impl BlockNode {
    /// Name of its folder: letters and digits only.
    pub fn storage_name(&self) -> String {
        format!("l{}p{}", self.lun, self.partition)
    }
}

/// A logical unit that is a disk or an optical drive.
struct Unit {
    dir: PathBuf,
    lun: u32,
    optical: bool,
}

impl Sysfs {
    /// Every disk without partitions and every partition of a USB device, in the order of logical unit and partition; of an
    /// optical drive, its disc. Disks and drives without a medium are skipped, and so is a drive that is part of a camera's
    /// disk: it holds the maker's own programs.
    pub fn block_nodes(&self, device: &UsbDevice) -> Vec<BlockNode> {
        let mut nodes = Vec::new();
        for unit in self.units(device) {
            if unit.optical {
                nodes.extend(self.disc(&unit));
            } else {
                disk_nodes(&unit, &mut nodes);
            }
        }
        nodes.sort_by_key(|n| (n.lun, n.partition));
        nodes
    }

    /// Whether it is an optical drive, and udev has seen no disc in it.
    pub(super) fn is_empty_drive(&self, device: &UsbDevice) -> bool {
        let units = self.units(device);
        !units.is_empty()
            && units
                .iter()
                .all(|unit| unit.optical && self.disc(unit).is_none())
    }

    /// Optical drives only where there are no disks.
    fn units(&self, device: &UsbDevice) -> Vec<Unit> {
        let mut units = Vec::new();
        let Ok(dir) = fs::canonicalize(self.devices().join(&device.name)) else {
            return units;
        };
        // <device>/<interface>/host6/target6:0:0/6:0:0:1/block/sdb
        for interface in children(&dir, |name| name.starts_with(&format!("{}:", device.name))) {
            for host in children(&interface, |name| name.starts_with("host")) {
                for target in children(&host, |name| name.starts_with("target")) {
                    let found = children(&target, |name| name.split(':').count() == 4);
                    units.extend(found.into_iter().filter_map(unit));
                }
            }
        }
        if units.iter().any(|unit| !unit.optical) {
            units.retain(|unit| !unit.optical);
        }
        units
    }

    /// The kernel gives an empty drive a size, too: only udev, which asked the drive, knows of a disc.
    fn disc(&self, unit: &Unit) -> Option<BlockNode> {
        let drive = children(&unit.dir.join("block"), |_| true).pop()?;
        let dev = text(&drive.join("dev"))?;
        (self.udev(&dev, "ID_CDROM_MEDIA").as_deref() == Some("1")).then_some(BlockNode {
            node: drive.file_name()?.to_str()?.to_owned(),
            dev,
            lun: unit.lun,
            partition: 0,
            disc: true,
        })
    }
}

/// SCSI type 0 is direct access, 5 an optical drive; others hold no files.
fn unit(dir: PathBuf) -> Option<Unit> {
    let name = dir.file_name()?.to_string_lossy();
    let lun = name.rsplit(':').next()?.parse().ok()?;
    let optical = match text(&dir.join("type")).as_deref() {
        None | Some("0") => false,
        Some("5") => true,
        Some(_) => return None,
    };
    Some(Unit { dir, lun, optical })
}

fn disk_nodes(unit: &Unit, nodes: &mut Vec<BlockNode>) {
    let node = |partition: u32, dir: &Path| {
        Some(BlockNode {
            node: dir.file_name()?.to_str()?.to_owned(),
            dev: text(&dir.join("dev"))?,
            lun: unit.lun,
            partition,
            disc: false,
        })
    };
    let disks = children(&unit.dir.join("block"), |_| true);
    if disks.is_empty() {
        nodes.push(BlockNode {
            node: String::new(),
            dev: String::new(),
            lun: unit.lun,
            partition: 0,
            disc: false,
        });
    }
    for disk in disks {
        if text(&disk.join("size")).is_none_or(|size| size == "0") {
            continue;
        }
        let mut found: Vec<(u32, PathBuf)> = children(&disk, |_| true)
            .into_iter()
            .filter_map(|part| Some((text(&part.join("partition"))?.parse().ok()?, part)))
            .collect();
        if found.is_empty() {
            found.push((0, disk));
        }
        nodes.extend(found.into_iter().filter_map(|(n, dir)| node(n, &dir)));
    }
}
