//! The steps that unlock a camera: `[unlock]` of a profile. Plain data; the room `camera` carries them out.

use std::time::Duration;

use serde::Deserialize;

use super::usb::{RawUsbMatch, UsbMatch};

/// The way from a camera's locked form to the one that the profile's `usb` matches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unlock {
    pub protocol: UnlockProtocol,
    /// The camera's locked form, at least one. The profile's own `usb` matches the unlocked form.
    pub usb: Vec<UsbMatch>,
    pub role: UnlockRole,
    /// Name of the secret with the password: [`crate::config::Secrets::unlock_password`]. `None`: the first factory password.
    pub secret: Option<String>,
    /// The make's public default passwords. Never tried in turn; a camera that accepts one causes a warning.
    pub factory_passwords: Vec<String>,
    /// The vendor interface to claim.
    pub interface: u8,
    /// For `bulk-ascii`.
    pub endpoint_out: u8,
    /// For `bulk-ascii`; bit 7 set.
    pub endpoint_in: u8,
    /// Limit for one reply.
    pub reply: Duration,
    /// The longest time that the camera may take to come back in its other form, on the same port.
    pub returns: Duration,
    /// Read serial, user and department while the camera is unlocked.
    pub read_identity: bool,
    /// Read the battery level, where the protocol can.
    pub read_battery: bool,
}

/// The two public protocols; see the room `camera` for their bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UnlockProtocol {
    /// Vendor control transfers `0x40`/`0xC0`, request `0x55`. Passwords of six characters.
    #[serde(rename = "control-4255")]
    Control4255,
    /// `@Name;length;value;#` lines over two bulk endpoints. Passwords of eight characters.
    BulkAscii,
}

impl UnlockProtocol {
    /// Characters of a password.
    pub const fn password_length(self) -> usize {
        match self {
            Self::Control4255 => 6,
            Self::BulkAscii => 8,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UnlockRole {
    Admin,
    User,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawUnlock {
    protocol: UnlockProtocol,
    usb: Vec<RawUsbMatch>,
    #[serde(default = "admin")]
    role: UnlockRole,
    secret: Option<String>,
    #[serde(default)]
    factory_passwords: Vec<String>,
    #[serde(default)]
    interface: u8,
    #[serde(default = "out")]
    endpoint_out: u8,
    #[serde(default = "back")]
    endpoint_in: u8,
    #[serde(default = "reply")]
    reply_seconds: f64,
    #[serde(default = "returns")]
    returns_seconds: f64,
    #[serde(default = "yes")]
    read_identity: bool,
    #[serde(default = "yes")]
    read_battery: bool,
}

const fn admin() -> UnlockRole {
    UnlockRole::Admin
}
const fn out() -> u8 {
    0x01
}
const fn back() -> u8 {
    0x81
}
const fn reply() -> f64 {
    5.0
}
const fn returns() -> f64 {
    30.0
}
const fn yes() -> bool {
    true
}

impl RawUnlock {
    /// The error is the key and a clause that follows it.
    pub fn validated(self) -> Result<Unlock, (&'static str, String)> {
        let usb: Vec<UsbMatch> = self
            .usb
            .iter()
            .map(RawUsbMatch::validated)
            .collect::<Result<_, _>>()
            .map_err(|message| ("usb", message))?;
        if usb.is_empty() {
            return Err(("usb", "names no locked form of the camera".into()));
        }
        let name = |text: &str| {
            (1..=64).contains(&text.len())
                && !text.starts_with('.')
                && text
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
        };
        if let Some(secret) = &self.secret
            && !name(secret)
        {
            return Err((
                "secret",
                "is not a secret's name (at most 64 letters, digits and `-_.`)".into(),
            ));
        }
        let length = self.protocol.password_length();
        if let Some(wrong) = self
            .factory_passwords
            .iter()
            .find(|p| p.len() != length || !p.bytes().all(|b| b.is_ascii_alphanumeric()))
        {
            let message = format!(
                "holds one of {} characters where this protocol takes {length} letters and digits",
                wrong.len()
            );
            return Err(("factory_passwords", message));
        }
        if self.secret.is_none() && self.factory_passwords.is_empty() {
            return Err((
                "secret",
                "is missing, and there is no factory password either".into(),
            ));
        }
        if self.endpoint_out & 0x80 != 0 || self.endpoint_in & 0x80 == 0 {
            return Err((
                "endpoint_in",
                "must have bit 7 set, and `endpoint_out` must not".into(),
            ));
        }
        let seconds = |key: &'static str, value: f64, most: f64| {
            (0.1..=most)
                .contains(&value)
                .then(|| Duration::from_secs_f64(value))
                .ok_or_else(|| (key, format!("is not between 0.1 and {most} seconds")))
        };
        Ok(Unlock {
            protocol: self.protocol,
            usb,
            role: self.role,
            secret: self.secret,
            factory_passwords: self.factory_passwords,
            interface: self.interface,
            endpoint_out: self.endpoint_out,
            endpoint_in: self.endpoint_in,
            reply: seconds("reply_seconds", self.reply_seconds, 60.0)?,
            returns: seconds("returns_seconds", self.returns_seconds, 300.0)?,
            read_identity: self.read_identity,
            read_battery: self.read_battery,
        })
    }
}
