//! The USB devices that a profile applies to.

use serde::Deserialize;

use crate::config::Patterns;
use crate::model::{UsbDevice, UsbInterface};

/// One kind of USB device. A device must match every key that is given; vendor or class must be given.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UsbMatch {
    pub vendor: Option<u16>,
    /// Only together with the vendor.
    pub product: Option<u16>,
    /// Some interface is of this class (and subclass, protocol).
    pub class: Option<InterfaceClass>,
    /// Patterns on the device's own texts, upper and lower case alike.
    pub manufacturer: Option<Patterns>,
    pub product_name: Option<Patterns>,
    /// On the text of an interface (of the class, if one is given).
    pub interface_name: Option<Patterns>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InterfaceClass {
    pub class: u8,
    pub subclass: Option<u8>,
    pub protocol: Option<u8>,
}

impl InterfaceClass {
    pub fn fits(self, interface: &UsbInterface) -> bool {
        let (class, subclass, protocol) = interface.triple();
        self.class == class
            && self.subclass.is_none_or(|s| s == subclass)
            && self.protocol.is_none_or(|p| p == protocol)
    }
}

impl UsbMatch {
    pub fn fits(&self, device: &UsbDevice) -> bool {
        let text = |patterns: &Option<Patterns>, text: &Option<String>| {
            patterns
                .as_ref()
                .is_none_or(|p| text.as_ref().is_some_and(|t| p.matches(t.as_bytes())))
        };
        let interface = || {
            device.interfaces.iter().any(|interface| {
                self.class.is_none_or(|class| class.fits(interface))
                    && text(&self.interface_name, &interface.text)
            })
        };
        self.vendor.is_none_or(|vendor| vendor == device.vendor)
            && self.product.is_none_or(|product| product == device.product)
            && text(&self.manufacturer, &device.manufacturer)
            && text(&self.product_name, &device.product_name)
            && ((self.class.is_none() && self.interface_name.is_none()) || interface())
    }

    /// A greater value is more specific; of all matching profiles the most specific is used.
    pub(super) fn exactness(&self) -> u32 {
        let given = |is: bool, weight: u32| if is { weight } else { 0 };
        given(self.product.is_some(), 32)
            + given(self.vendor.is_some(), 16)
            + given(self.product_name.is_some(), 8)
            + given(self.manufacturer.is_some(), 4)
            + given(self.interface_name.is_some(), 2)
            + given(self.class.is_some(), 1)
    }
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawUsbMatch {
    vendor: Option<String>,
    product: Option<String>,
    class: Option<String>,
    manufacturer: Option<String>,
    product_name: Option<String>,
    interface_name: Option<String>,
}

impl RawUsbMatch {
    /// The error is a clause that follows the key's name.
    pub fn validated(&self) -> Result<UsbMatch, String> {
        let id = |key: &str, text: &Option<String>| {
            text.as_ref()
                .map(|text| {
                    hex(text, 4).ok_or_else(|| {
                        format!("has the {key} {text:?}: write four hex digits, such as \"4255\"")
                    })
                })
                .transpose()
        };
        let pattern = |text: &Option<String>| {
            text.as_ref()
                .map(|text| Patterns::new(std::slice::from_ref(text)))
                .transpose()
        };
        let found = UsbMatch {
            vendor: id("vendor", &self.vendor)?,
            product: id("product", &self.product)?,
            class: self.class.as_deref().map(class).transpose()?,
            manufacturer: pattern(&self.manufacturer)?,
            product_name: pattern(&self.product_name)?,
            interface_name: pattern(&self.interface_name)?,
        };
        if found.vendor.is_none() && found.class.is_none() {
            return Err("has an entry with neither `vendor` nor `class`".into());
        }
        if found.product.is_some() && found.vendor.is_none() {
            return Err("has a `product` without its `vendor`".into());
        }
        Ok(found)
    }
}

fn hex(text: &str, digits: usize) -> Option<u16> {
    (text.len() == digits && text.bytes().all(|b| b.is_ascii_hexdigit()))
        .then(|| u16::from_str_radix(text, 16).ok())?
}

/// `08`, `06/01` or `06/01/01`, in hex.
fn class(text: &str) -> Result<InterfaceClass, String> {
    let wrong = || format!("has the class {text:?}: write hex digits as in \"08\" or \"06/01/01\"");
    let mut parts = Vec::new();
    for part in text.split('/') {
        let byte = hex(part, 2).and_then(|value| u8::try_from(value).ok());
        parts.push(byte.ok_or_else(wrong)?);
    }
    match parts[..] {
        [class] => Ok((class, None, None)),
        [class, subclass] => Ok((class, Some(subclass), None)),
        [class, subclass, protocol] => Ok((class, Some(subclass), Some(protocol))),
        _ => Err(wrong()),
    }
    .map(|(class, subclass, protocol)| InterfaceClass {
        class,
        subclass,
        protocol,
    })
}
