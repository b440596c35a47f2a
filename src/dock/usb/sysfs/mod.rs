//! Reads `/sys/bus/usb/devices`, which decides what is plugged in. The root is a parameter, so that tests can build a tree.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read as _};
use std::path::{Component, Path, PathBuf};

mod blocks;

use super::descriptors;
use crate::model::UsbDevice;
pub use blocks::BlockNode;

/// Entries of `/sys/bus/usb/devices` read at most: devices and their interfaces.
const ENTRIES_MAX: usize = 16_384;
/// Characters of a string descriptor.
const TEXT_MAX: usize = 126;
const PORT_BYTES_MAX: usize = 200;
const MOUNTS_BYTES_MAX: usize = 4 << 20;
const UDEV_BYTES_MAX: usize = 64 << 10;
/// The mount helper's mounts do not make a disk one of the station's own.
const MEDIA: &str = "/run/camdock/media/";

/// `/sys`, or a test's tree of the same shape.
#[derive(Debug, Clone)]
pub struct Sysfs {
    root: PathBuf,
}

/// The device in one port. Hubs are skipped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plug {
    /// As [`UsbDevice::port`].
    pub port: String,
    pub peer_port: Option<String>,
    /// The kernel's name, `1-6.4`.
    pub name: String,
    pub bus: u8,
    pub address: u8,
    pub state: PlugState,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PlugState {
    Device(Box<UsbDevice>),
    /// The kernel has not configured it, for a moment after plugging in, or for good.
    Unready,
    /// One clause.
    Absurd(String),
    /// A disk that the station itself uses, or that the configuration says to ignore.
    Own,
    /// An optical drive without a disc.
    NoDisc,
}

impl Sysfs {
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    fn devices(&self) -> PathBuf {
        self.root.join("bus/usb/devices")
    }

    /// Scans all ports. Fails when this kernel has no USB.
    pub fn scan(&self) -> io::Result<Vec<Plug>> {
        let mut plugs = BTreeMap::new();
        for entry in fs::read_dir(self.devices())?.take(ENTRIES_MAX) {
            let name = entry?.file_name();
            let Some(name) = name.to_str().filter(|name| is_device(name)) else {
                continue;
            };
            // A device that vanishes during the scan counts as absent.
            if let Some(plug) = self.plug(name) {
                plugs.insert(plug.name.clone(), plug);
            }
        }
        Ok(plugs.into_values().collect())
    }

    /// The device with the kernel's name `2-3`; `None`: there is none, or it is a hub.
    pub fn plug(&self, name: &str) -> Option<Plug> {
        let dir = fs::canonicalize(self.devices().join(name)).ok()?;
        let number = |file: &str| text(&dir.join(file))?.parse::<u8>().ok();
        let (bus, address) = (number("busnum")?, number("devnum")?);
        let own = port_path(&dir)?;
        let (port, peer_port) = match peer(&dir) {
            Some(peer) if self.is_superspeed(bus) => (peer, Some(own)),
            Some(peer) => (own, Some(peer)),
            None => (own, None),
        };
        let peer_port = peer_port.filter(|peer| *peer != port);
        let mut state = match device_in(&dir, name, &port, peer_port.as_deref(), bus, address) {
            Ok(device) => device.map_or(PlugState::Unready, |d| PlugState::Device(Box::new(d))),
            Err(Skip::Hub) => return None,
            Err(Skip::Absurd(reason)) => PlugState::Absurd(reason),
        };
        if let PlugState::Device(device) = &state
            && device.interfaces.iter().any(|i| i.class == 8)
        {
            if self.is_own_disk(device) {
                state = PlugState::Own;
            } else if self.is_empty_drive(device) {
                state = PlugState::NoDisc;
            }
        }
        // The same before and after: all in between belongs to one device.
        (number("devnum") == Some(address)).then_some(Plug {
            port,
            peer_port,
            name: name.to_owned(),
            bus,
            address,
            state,
        })
    }

    /// A disk that is mounted elsewhere, held by another driver, or marked with `CAMDOCK_IGNORE` in udev.
    fn is_own_disk(&self, device: &UsbDevice) -> bool {
        // The folder that holds `/sys`.
        let host = self.root.parent().unwrap_or(&self.root);
        let mounts = read(&host.join("proc/self/mountinfo"), MOUNTS_BYTES_MAX).unwrap_or_default();
        let mounts = String::from_utf8_lossy(&mounts);
        self.block_nodes(device).iter().any(|node| {
            let elsewhere = mounts.lines().any(|line| {
                // Number, parent, device, root, mount point.
                let mut fields = line.split(' ').skip(2);
                fields.next() == Some(node.dev.as_str())
                    && fields.nth(1).is_some_and(|point| !point.starts_with(MEDIA))
            });
            let holders = self
                .root
                .join("class/block")
                .join(&node.node)
                .join("holders");
            let held = fs::read_dir(holders).is_ok_and(|mut holders| holders.next().is_some());
            let ignored = self.udev(&node.dev, "CAMDOCK_IGNORE").as_deref() == Some("1");
            !node.node.is_empty() && (elsewhere || held || ignored)
        })
    }

    /// What udev knows of the block device with this number, `8:17`.
    pub fn udev(&self, dev: &str, key: &str) -> Option<String> {
        let host = self.root.parent().unwrap_or(&self.root);
        let data = read(&host.join(format!("run/udev/data/b{dev}")), UDEV_BYTES_MAX)?;
        let wanted = format!("E:{key}=");
        let mut lines = data.split(|b| *b == b'\n');
        let value = lines.find_map(|line| line.strip_prefix(wanted.as_bytes()))?;
        Some(String::from_utf8_lossy(value).into_owned())
    }

    /// Whether the same device is still on the same port.
    pub fn is_there(&self, device: &UsbDevice) -> bool {
        text(&self.devices().join(&device.name).join("devnum"))
            .is_some_and(|devnum| devnum == device.address.to_string())
    }

    fn is_superspeed(&self, bus: u8) -> bool {
        text(&self.devices().join(format!("usb{bus}")).join("speed"))
            .and_then(|speed| speed.parse::<f32>().ok())
            .is_some_and(|megabits| megabits >= 5000.0)
    }

    /// The USB device of a block device: `sdb` or `sdb1`.
    pub fn device_of_block(&self, node: &str) -> Option<Plug> {
        let dir = fs::canonicalize(self.root.join("class/block").join(node)).ok()?;
        let usb = dir.ancestors().find(|dir| dir.join("idVendor").is_file())?;
        self.plug(usb.file_name()?.to_str()?)
    }
}

enum Skip {
    Hub,
    Absurd(String),
}

fn device_in(
    dir: &Path,
    name: &str,
    port: &str,
    peer_port: Option<&str>,
    bus: u8,
    address: u8,
) -> Result<Option<UsbDevice>, Skip> {
    let Some(bytes) = read(&dir.join("descriptors"), descriptors::BYTES_MAX + 1) else {
        return Ok(None);
    };
    let found = descriptors::parse(&bytes).map_err(|absurd| Skip::Absurd(absurd.to_string()))?;
    if found.class == 9 && found.interfaces.iter().all(|i| i.class == 9) {
        return Err(Skip::Hub);
    }
    let Some(active) = text(&dir.join("bConfigurationValue")).and_then(|v| v.parse::<u8>().ok())
    else {
        return Ok(None);
    };
    let mut interfaces = found.interfaces;
    for interface in &mut interfaces {
        if interface.configuration == active && interface.alternate == 0 {
            let folder = format!("{name}:{active}.{}", interface.number);
            interface.text = text(&dir.join(folder).join("interface"));
        }
    }
    Ok(Some(UsbDevice {
        port: port.to_owned(),
        peer_port: peer_port.map(str::to_owned),
        name: name.to_owned(),
        bus,
        address,
        vendor: found.vendor,
        product: found.product,
        release: found.release,
        manufacturer: text(&dir.join("manufacturer")),
        product_name: text(&dir.join("product")),
        serial: text(&dir.join("serial")),
        interfaces,
    }))
}

/// The path of the same socket on the bus of the other speed.
fn peer(dir: &Path) -> Option<String> {
    let peer = fs::canonicalize(dir.join("port/peer")).ok()?;
    // `usb1-port3` of a root hub, `1-3-port1` of any other.
    let name = peer.file_name()?.to_str()?;
    let (hub, port) = name.rsplit_once("-port")?;
    port.parse::<u8>().ok()?;
    let chain = match hub.split_once('-') {
        None => port.to_owned(),
        Some((_, chain)) => format!("{chain}.{port}"),
    };
    Some(format!("{}-usb-0:{chain}", controller(&peer)?))
}

/// The sub-folders of a sysfs folder that have a wanted name, sorted. Links are not followed.
fn children(dir: &Path, wanted: impl Fn(&str) -> bool) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = fs::read_dir(dir)
        .into_iter()
        .flatten()
        .take(ENTRIES_MAX)
        .flatten()
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .filter(|entry| entry.file_name().to_str().is_some_and(&wanted))
        .map(|entry| entry.path())
        .collect();
    found.sort();
    found
}

/// `1-6.4`, but no root hub (`usb1`) and no interface (`1-6.4:1.0`).
fn is_device(name: &str) -> bool {
    let Some((bus, chain)) = name.split_once('-') else {
        return false;
    };
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    digits(bus) && chain.split('.').all(digits) && name.len() <= 64
}

/// `pci-0000:00:14.0-usb-0:6.4` of a device's folder.
fn port_path(dir: &Path) -> Option<String> {
    let (_, chain) = dir.file_name()?.to_str()?.split_once('-')?;
    Some(format!("{}-usb-0:{chain}", controller(dir)?))
}

/// The host controller above a root hub, `pci-0000:00:14.0` or `platform-dummy_hcd.0`, as udev names it.
fn controller(dir: &Path) -> Option<String> {
    let names: Vec<&str> = dir
        .components()
        .filter_map(|component| match component {
            Component::Normal(name) => name.to_str(),
            _ => None,
        })
        .collect();
    let root_hub = |name: &&str| {
        name.strip_prefix("usb")
            .is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
    };
    let at = names.iter().rposition(root_hub)?;
    let name = names.get(at.checked_sub(1)?)?;
    let shape = [4, 2, 2];
    let pci = name.split(':').count() == 3
        && name.split([':', '.']).zip(shape).all(|(part, length)| {
            part.len() == length && part.bytes().all(|b| b.is_ascii_hexdigit())
        });
    let kind = if pci { "pci" } else { "platform" };
    // The kernel's own name; it becomes a folder's name of the mount helper.
    let clean: String = name
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || "-_.:".contains(c) {
                c
            } else {
                '_'
            }
        })
        .take(PORT_BYTES_MAX)
        .collect();
    Some(format!("{kind}-{clean}"))
}

fn read(path: &Path, limit: usize) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    fs::File::open(path)
        .ok()?
        .take(limit as u64)
        .read_to_end(&mut bytes)
        .ok()?;
    Some(bytes)
}

/// One line, trimmed; `None` when empty or absent.
fn text(path: &Path) -> Option<String> {
    let bytes = read(path, 4 * TEXT_MAX + 1)?;
    let text = String::from_utf8_lossy(&bytes);
    let text: String = text
        .trim_matches(|c: char| c.is_whitespace() || c == '\0')
        .chars()
        .take(TEXT_MAX)
        .collect();
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests;
