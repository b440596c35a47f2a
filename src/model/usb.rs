//! A USB device's description of itself. All of it is a claim: read from the kernel's copy of its descriptors, bounded there.

use serde::{Deserialize, Serialize};

use super::{CameraDevice, Sha256Digest};

/// A USB device as it stands on its port now. `bus` and `address` name it until it re-enumerates.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct UsbDevice {
    /// Where it is plugged: controller path and port chain as udev's `ID_PATH` has it, `pci-0000:00:14.0-usb-0:6.4`.
    /// If the socket has two paths, USB 2 and USB 3, this is the one of USB 2.
    pub port: String,
    /// The other path of that socket, where it reads differently.
    pub peer_port: Option<String>,
    /// The kernel's name below `/sys/bus/usb/devices`, `1-6.4`.
    pub name: String,
    pub bus: u8,
    pub address: u8,
    pub vendor: u16,
    pub product: u16,
    /// `bcdDevice`.
    pub release: u16,
    /// As the device gives them: any text up to 126 characters, trimmed; `None` when empty or absent.
    pub manufacturer: Option<String>,
    pub product_name: Option<String>,
    pub serial: Option<String>,
    /// The interfaces of every configuration and every alternate setting.
    pub interfaces: Vec<UsbInterface>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct UsbInterface {
    /// `bConfigurationValue` of the configuration it belongs to.
    pub configuration: u8,
    pub number: u8,
    pub alternate: u8,
    pub class: u8,
    pub subclass: u8,
    pub protocol: u8,
    /// `iInterface` of the interface in use, `MTP` for one; only for alternate 0 of the active configuration.
    pub text: Option<String>,
    pub endpoints: Vec<UsbEndpoint>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct UsbEndpoint {
    /// Bit 7: towards the host.
    pub address: u8,
    /// The transfer type: 0 control, 1 isochronous, 2 bulk, 3 interrupt.
    pub kind: u8,
    /// Bytes.
    pub max_packet: u16,
}

impl UsbInterface {
    pub const fn triple(&self) -> (u8, u8, u8) {
        (self.class, self.subclass, self.protocol)
    }
}

impl UsbDevice {
    /// `4255:0001`.
    pub fn ids(&self) -> String {
        format!("{:04x}:{:04x}", self.vendor, self.product)
    }

    /// For the custody log.
    pub fn facts(&self) -> CameraDevice {
        CameraDevice {
            port: self.port.clone(),
            ids: self.ids(),
            manufacturer: self.manufacturer.clone(),
            product: self.product_name.clone(),
            serial: self.serial.clone(),
        }
    }

    /// A make for the roster where the profile gives none: the manufacturer's text without spaces, else the vendor id.
    pub fn make(&self) -> String {
        let make: String = self
            .manufacturer
            .iter()
            .flat_map(|text| text.chars())
            .map(|c| if c == ' ' || c == '/' { '-' } else { c })
            .filter(char::is_ascii_graphic)
            .take(64)
            .collect();
        if make.is_empty() {
            format!("{:04x}", self.vendor)
        } else {
            make
        }
    }
}

/// A USB disk as the mount helper mounted it: the marker `<folder>.camera` beside the folder that holds its storages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mounted {
    pub device: UsbDevice,
    /// Every disk and partition of the device that should hold a file system; the first is the one without a prefix.
    pub storages: Vec<MountedStorage>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MountedStorage {
    /// Name of its folder, `l0p1`: logical unit and partition; partition 0 is a whole disk without a table.
    pub name: String,
    /// The kernel's name of the block device, `sdb1`; empty until it is known.
    pub node: String,
    #[serde(flatten)]
    pub state: StorageState,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum StorageState {
    /// The kernel knows of it, and the helper has not dealt with it yet.
    Expected,
    Mounted {
        /// `vfat`, `exfat`, `iso9660` or `udf`.
        kind: String,
        /// Of a medium in an optical drive.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        disc: Option<Disc>,
    },
    Failed {
        /// One clause.
        reason: String,
    },
}

/// A disc. Its drive's serial says nothing of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Disc {
    /// As udev gives it.
    pub label: Option<String>,
    /// SHA-256 of its first MiB.
    pub start: Sha256Digest,
}

impl Disc {
    const LABEL_MAX: usize = 64;

    pub fn new(label: Option<String>, start: Sha256Digest) -> Self {
        let label = label.map(|label| label.chars().take(Self::LABEL_MAX).collect());
        Self { label, start }
    }
}

impl Mounted {
    /// The disc that is mounted, and its file system.
    pub fn disc(&self) -> Option<(&Disc, &str)> {
        self.storages
            .iter()
            .find_map(|storage| match &storage.state {
                StorageState::Mounted {
                    kind,
                    disc: Some(disc),
                } => Some((disc, kind.as_str())),
                _ => None,
            })
    }

    /// It is an optical drive, whatever its disc holds.
    pub fn is_drive(&self) -> bool {
        let drive = |storage: &MountedStorage| storage.node.starts_with("sr");
        self.storages.iter().any(drive)
    }

    /// Bytes of a marker that are read at most.
    pub const BYTES_MAX: u64 = 256 << 10;

    /// Nothing of it is still to be mounted.
    pub fn settled(&self) -> bool {
        !self.storages.is_empty()
            && self
                .storages
                .iter()
                .all(|s| s.state != StorageState::Expected)
    }

    /// From a marker's bytes; `None` when it is another marker or holds what the helper never writes.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let marker: Self = serde_json::from_slice(bytes).ok()?;
        let name = |name: &str| {
            (1..=32).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric())
        };
        marker
            .storages
            .iter()
            .all(|storage| name(&storage.name))
            .then_some(marker)
    }
}

#[cfg(test)]
impl UsbDevice {
    /// A device without texts and interfaces, for the tests of every room.
    pub fn example() -> Self {
        Self {
            port: "pci-0000:00:04.0-usb-0:3".into(),
            peer_port: None,
            name: "2-3".into(),
            bus: 2,
            address: 5,
            vendor: 0x46f4,
            product: 1,
            release: 0x100,
            manufacturer: None,
            product_name: None,
            serial: None,
            interfaces: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_make_is_always_fit_for_the_roster() {
        let make = |manufacturer: Option<&str>| {
            UsbDevice {
                manufacturer: manufacturer.map(str::to_owned),
                ..UsbDevice::example()
            }
            .make()
        };
        assert_eq!(make(Some("Acme Ltd/UK")), "Acme-Ltd-UK");
        assert_eq!(make(Some("é\u{1b}")), "46f4");
        assert_eq!(make(None), "46f4");
        assert_eq!(make(Some(&"x".repeat(126))).len(), 64);
    }

    #[test]
    fn a_marker_survives_its_file_and_names_no_path() {
        let marker = Mounted {
            device: UsbDevice::example(),
            storages: vec![MountedStorage {
                name: "l0p1".into(),
                node: "sdb1".into(),
                state: StorageState::Mounted {
                    kind: "vfat".into(),
                    disc: None,
                },
            }],
        };
        let bytes = serde_json::to_vec(&marker).unwrap();
        assert_eq!(Mounted::parse(&bytes), Some(marker));
        let text = String::from_utf8(bytes).unwrap();
        for bad in ["../x", "", ".", "a/b"] {
            assert_eq!(Mounted::parse(text.replace("l0p1", bad).as_bytes()), None);
        }
        assert_eq!(Mounted::parse(br#"{"make":"acme","serial":"X8"}"#), None);
    }
}
