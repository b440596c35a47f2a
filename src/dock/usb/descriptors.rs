//! Parses raw USB descriptors, which the kernel keeps as `descriptors` in a device's sysfs folder. Pure and bounded.

use thiserror::Error;

use crate::model::{UsbEndpoint, UsbInterface};

/// Bytes of all descriptors of one device; the largest real ones have a few thousand.
pub const BYTES_MAX: usize = 64 << 10;
/// Interfaces and their alternate settings, over all configurations.
const INTERFACES_MAX: usize = 128;
const ENDPOINTS_MAX: usize = 30;

const DEVICE: u8 = 1;
const CONFIGURATION: u8 = 2;
const INTERFACE: u8 = 4;
const ENDPOINT: u8 = 5;

/// The fields of the device descriptor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Descriptors {
    pub vendor: u16,
    pub product: u16,
    pub release: u16,
    /// `bDeviceClass`; 9: a hub.
    pub class: u8,
    pub interfaces: Vec<UsbInterface>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum AbsurdDescriptors {
    #[error("its device descriptor is cut short or missing")]
    NoDevice,
    #[error("a descriptor has an impossible length")]
    Length,
    #[error("it has more than {BYTES_MAX} bytes of descriptors")]
    TooLong,
    #[error("it has more than {INTERFACES_MAX} interfaces")]
    TooManyInterfaces,
    #[error("an interface has more than {ENDPOINTS_MAX} endpoints")]
    TooManyEndpoints,
    #[error("an interface or endpoint lies outside the part that it belongs to")]
    OutOfPlace,
}

/// Device descriptor, then each configuration with all its interfaces, alternate settings and endpoints
/// (USB 2.0, section 9.6). Descriptors of other kinds are skipped.
pub fn parse(bytes: &[u8]) -> Result<Descriptors, AbsurdDescriptors> {
    use AbsurdDescriptors as Absurd;
    if bytes.len() > BYTES_MAX {
        return Err(Absurd::TooLong);
    }
    let device = bytes.get(..18).ok_or(Absurd::NoDevice)?;
    if device[0] != 18 || device[1] != DEVICE {
        return Err(Absurd::NoDevice);
    }
    let word = |bytes: &[u8], at: usize| u16::from_le_bytes([bytes[at], bytes[at + 1]]);
    let mut found = Descriptors {
        vendor: word(device, 8),
        product: word(device, 10),
        release: word(device, 12),
        class: device[4],
        interfaces: Vec::new(),
    };
    let mut configuration = None;
    // Whether an interface that endpoints can belong to has begun.
    let mut open = false;
    let mut rest = &bytes[18..];
    while let [length, kind, ..] = *rest {
        let length = usize::from(length);
        if length < 2 || length > rest.len() {
            return Err(Absurd::Length);
        }
        let (this, after) = rest.split_at(length);
        rest = after;
        match kind {
            CONFIGURATION => {
                configuration = Some(*this.get(5).ok_or(Absurd::Length)?);
                open = false;
            }
            INTERFACE => {
                let configuration = configuration.ok_or(Absurd::OutOfPlace)?;
                if this.len() < 9 {
                    return Err(Absurd::Length);
                }
                if found.interfaces.len() == INTERFACES_MAX {
                    return Err(Absurd::TooManyInterfaces);
                }
                found.interfaces.push(UsbInterface {
                    configuration,
                    number: this[2],
                    alternate: this[3],
                    class: this[5],
                    subclass: this[6],
                    protocol: this[7],
                    text: None,
                    endpoints: Vec::new(),
                });
                open = true;
            }
            ENDPOINT => {
                if this.len() < 7 {
                    return Err(Absurd::Length);
                }
                let interface = found.interfaces.last_mut().filter(|_| open);
                let interface = interface.ok_or(Absurd::OutOfPlace)?;
                if interface.endpoints.len() == ENDPOINTS_MAX {
                    return Err(Absurd::TooManyEndpoints);
                }
                interface.endpoints.push(UsbEndpoint {
                    address: this[2],
                    kind: this[3] & 3,
                    // Bits 11 and 12 say how often a microframe.
                    max_packet: word(this, 4) & 0x07ff,
                });
            }
            DEVICE => return Err(Absurd::OutOfPlace),
            _ => {}
        }
    }
    // One byte left over is not a descriptor.
    if rest.is_empty() {
        Ok(found)
    } else {
        Err(Absurd::Length)
    }
}

/// Builds what [`parse`] reads, for tests: ids, then (class, subclass, protocol) of each interface with two bulk endpoints.
#[cfg(test)]
pub(crate) fn descriptor_bytes(vendor: u16, product: u16, interfaces: &[(u8, u8, u8)]) -> Vec<u8> {
    let mut bytes = vec![18, DEVICE, 0, 2, 0, 0, 0, 64];
    bytes.extend(vendor.to_le_bytes());
    bytes.extend(product.to_le_bytes());
    bytes.extend([0, 1, 1, 2, 3, 1]);
    bytes.extend([9, CONFIGURATION, 0, 0, 1, 1, 0, 0x80, 50]);
    for (number, (class, subclass, protocol)) in (0u8..).zip(interfaces) {
        bytes.extend([9, INTERFACE, number, 0, 2, *class, *subclass, *protocol, 0]);
        bytes.extend([7, ENDPOINT, 0x81 + number, 2, 0, 2, 0]);
        bytes.extend([7, ENDPOINT, 1 + number, 2, 0, 2, 0]);
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_interface_of_every_configuration_and_alternate_setting_is_seen() {
        let mut bytes = descriptor_bytes(0x46f4, 1, &[(8, 6, 0x50)]);
        // An alternate setting, a class descriptor between, and a second configuration with a keyboard.
        bytes.extend([9, INTERFACE, 0, 1, 4, 8, 6, 0x62, 0]);
        bytes.extend([5, 0x24, 1, 2, 3]);
        bytes.extend([7, ENDPOINT, 0x83, 3, 0, 0x0c, 1]);
        bytes.extend([9, CONFIGURATION, 0, 0, 1, 2, 0, 0x80, 50]);
        bytes.extend([9, INTERFACE, 0, 0, 0, 3, 1, 1, 0]);
        let found = parse(&bytes).unwrap();
        assert_eq!((found.vendor, found.product, found.class), (0x46f4, 1, 0));
        let seen: Vec<_> = found
            .interfaces
            .iter()
            .map(|i| (i.configuration, i.alternate, i.class, i.endpoints.len()))
            .collect();
        assert_eq!(seen, [(1, 0, 8, 2), (1, 1, 8, 1), (2, 0, 3, 0)]);
        let endpoint = found.interfaces[1].endpoints[0];
        assert_eq!(
            (endpoint.address, endpoint.kind, endpoint.max_packet),
            (0x83, 3, 0x400)
        );
    }

    #[test]
    fn absurd_descriptors_are_refused() {
        use AbsurdDescriptors as Absurd;
        let good = descriptor_bytes(1, 2, &[(8, 6, 0x50)]);
        let with = |more: &[u8]| parse(&[&good[..], more].concat());
        assert_eq!(parse(&[]), Err(Absurd::NoDevice));
        assert_eq!(parse(&good[..17]), Err(Absurd::NoDevice));
        assert_eq!(parse(&good[1..]), Err(Absurd::NoDevice));
        assert_eq!(parse(&good[..good.len() - 1]), Err(Absurd::Length));
        assert_eq!(with(&[0, 0]), Err(Absurd::Length));
        assert_eq!(with(&[1, 4]), Err(Absurd::Length));
        assert_eq!(with(&[255, 4, 1]), Err(Absurd::Length));
        assert_eq!(with(&[4, INTERFACE, 1, 0]), Err(Absurd::Length));
        assert_eq!(with(&[7]), Err(Absurd::Length));
        assert_eq!(with(&good[..18]), Err(Absurd::OutOfPlace));
        assert_eq!(
            with(
                &[
                    [9, CONFIGURATION, 0, 0, 1, 2, 0, 0, 0].as_slice(),
                    &[7, ENDPOINT, 1, 2, 0, 2, 0]
                ]
                .concat()
            ),
            Err(Absurd::OutOfPlace)
        );
        let interfaces = [9, INTERFACE, 0, 0, 0, 8, 6, 0x50, 0].repeat(INTERFACES_MAX);
        assert_eq!(with(&interfaces), Err(Absurd::TooManyInterfaces));
        let endpoints = [7, ENDPOINT, 1, 2, 0, 2, 0].repeat(ENDPOINTS_MAX);
        assert_eq!(with(&endpoints), Err(Absurd::TooManyEndpoints));
        assert_eq!(with(&[2, 0x24].repeat(BYTES_MAX)), Err(Absurd::TooLong));
        assert_eq!(parse(&good[..18]).unwrap().interfaces, []);
    }

    proptest! {
        #[test]
        fn whatever_a_device_says_nothing_panics_and_all_is_bounded(
            mut bytes in proptest::collection::vec(any::<u8>(), 0..600), whole in any::<bool>()
        ) {
            if whole {
                bytes.splice(..0, descriptor_bytes(1, 2, &[(3, 1, 1), (8, 6, 0x50)]));
            }
            if let Ok(found) = parse(&bytes) {
                prop_assert!(found.interfaces.len() <= INTERFACES_MAX);
                prop_assert!(found.interfaces.iter().all(|i| i.endpoints.len() <= ENDPOINTS_MAX));
            }
        }

        /// Cutting a device's descriptors anywhere never hides an interface silently.
        #[test]
        fn a_cut_is_an_error_or_falls_between_descriptors(cut in 0usize..82) {
            let bytes = descriptor_bytes(1, 2, &[(8, 6, 0x50), (3, 1, 1)]);
            let starts = [18, 27, 36, 43, 50, 59, 66, 73];
            let cut = cut.min(bytes.len());
            prop_assert_eq!(parse(&bytes[..cut]).is_ok(), starts.contains(&cut) || cut == bytes.len());
        }
    }
}
