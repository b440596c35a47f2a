//! Decides whether a USB device is a camera that may be read. Pure, so that the service and the mount helper agree.

use std::sync::Arc;

use crate::config::{Matched, Profile, Profiles};
use crate::model::{UsbDevice, UsbInterface};

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UsbVerdict {
    /// Matches no profile: left alone.
    Other,
    Camera {
        profile: Arc<Profile>,
        /// It must be unlocked first.
        locked: bool,
    },
    /// A camera that also presents something else; one clause.
    Refused(String),
}

pub fn judge(device: &UsbDevice, profiles: &Profiles) -> UsbVerdict {
    let Some(Matched { profile, locked }) = profiles.for_usb(device) else {
        return UsbVerdict::Other;
    };
    match hostile(device) {
        Some(reason) => UsbVerdict::Refused(reason),
        None => UsbVerdict::Camera { profile, locked },
    }
}

/// The reason why a device that shows files must not be read as a camera; `None`: no objection.
pub fn hostile(device: &UsbDevice) -> Option<String> {
    let wrong = device.interfaces.iter().find_map(forbidden)?;
    Some(format!(
        "{} also presents {wrong}: no camera does that",
        device.ids()
    ))
}

fn forbidden(interface: &UsbInterface) -> Option<&'static str> {
    match interface.triple() {
        // Any HID can type: the protocol byte is only a hint.
        (0x03, _, 1) => Some("a keyboard"),
        (0x03, ..) => Some("an input device"),
        // CDC with Ethernet, EEM, NCM or MBIM; ACM with a vendor's protocol is RNDIS, as in the two below.
        (0x02, 0x06 | 0x0c..=0x0e, _)
        | (0x02, 0x02, 0xff)
        | (0xe0, 0x01, 0x03)
        | (0xef, 0x04, 0x01..=0x03) => Some("a network interface"),
        (0xe0, ..) => Some("a wireless interface"),
        (0x09, ..) => Some("a hub"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dock::usb::test_tree::device;

    #[test]
    fn a_camera_that_is_also_a_keyboard_or_a_network_is_refused_in_any_configuration() {
        let profiles = Profiles::builtin();
        let disk = (8, 6, 0x50);
        for (also, word) in [
            ((3, 1, 1), "keyboard"),
            ((3, 0, 0), "input"),
            ((2, 6, 0), "network"),
            ((2, 0x0d, 0), "network"),
            ((2, 2, 0xff), "network"),
            ((0xe0, 1, 3), "network"),
            ((0xef, 4, 1), "network"),
            ((0xe0, 1, 1), "wireless"),
            ((9, 0, 0), "hub"),
        ] {
            for interfaces in [[disk, also], [also, disk]] {
                let mut device = device("2-3", &interfaces);
                device.interfaces[1].configuration = 2;
                device.interfaces[1].alternate = 3;
                let UsbVerdict::Refused(reason) = judge(&device, &profiles) else {
                    panic!("{also:?}")
                };
                assert!(reason.contains(word), "{reason}");
            }
            // Alone, such devices are ignored.
            assert_eq!(judge(&device("2-3", &[also]), &profiles), UsbVerdict::Other);
        }
        for fine in [
            (0x0e, 1, 0),
            (1, 1, 0),
            (0xff, 0, 0),
            (0xfe, 1, 1),
            (2, 2, 1),
            (0x0a, 0, 0),
        ] {
            let verdict = judge(&device("2-3", &[disk, fine]), &profiles);
            assert!(
                matches!(verdict, UsbVerdict::Camera { locked: false, .. }),
                "{fine:?}"
            );
        }
    }
}
