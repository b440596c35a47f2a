//! What a USB device says of itself. All of it is a claim: read from the kernel's copy of its descriptors, bounded there.

use serde::{Deserialize, Serialize};

use super::CameraDevice;

/// A USB device as it stands on its port now. `bus` and `address` name it until it re-enumerates.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct UsbDevice {
    /// Where it is plugged: controller path and port chain as udev's `ID_PATH` has it, `pci-0000:00:14.0-usb-0:6.4`.
    pub port: String,
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
    /// Of every configuration and every alternate setting.
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
    /// Of the transfer: 0 control, 1 isochronous, 2 bulk, 3 interrupt.
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
