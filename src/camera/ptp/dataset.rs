//! The parts of PIMA 15740's datasets that are used here.

use super::reader::{DatasetReader, Malformed, PtpString};
use super::wire::prop;

/// A device's identity and operations, as it gives them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeviceInfo {
    /// `6` is MTP.
    pub vendor_extension: u32,
    pub extension_text: String,
    pub operations: Vec<u16>,
    pub properties: Vec<u16>,
    pub manufacturer: String,
    pub model: String,
    pub version: String,
    pub serial: String,
}

impl DeviceInfo {
    pub fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut reader = DatasetReader::new(bytes, "DeviceInfo");
        reader.u16()?; // version of the standard
        let vendor_extension = reader.u32()?;
        reader.u16()?; // version of the extension
        let extension_text = reader.string()?.to_text();
        reader.u16()?; // functional mode
        let operations = reader.array_u16()?;
        reader.array_u16()?; // events
        let properties = reader.array_u16()?;
        // Some devices cut the dataset off here; the operations are known by now.
        let _ = reader.array_u16(); // capture formats
        let _ = reader.array_u16(); // image formats
        let mut text = || reader.string().unwrap_or_default().to_text();
        Ok(Self {
            vendor_extension,
            extension_text,
            operations,
            properties,
            manufacturer: text(),
            model: text(),
            version: text(),
            serial: text(),
        })
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StorageInfo {
    /// 1 fixed ROM, 2 removable ROM, 3 fixed RAM, 4 removable RAM.
    pub kind: u16,
    /// 2 is a hierarchy as on a disk, 3 is DCF.
    pub filesystem: u16,
    /// 0 read and write, 1 read only, 2 read and delete.
    pub access: u16,
    /// Bytes.
    pub capacity: u64,
    /// Bytes.
    pub free: u64,
    pub description: String,
    pub label: String,
}

impl StorageInfo {
    pub fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut reader = DatasetReader::new(bytes, "StorageInfo");
        let (kind, filesystem, access) = (reader.u16()?, reader.u16()?, reader.u16()?);
        let (capacity, free) = (reader.u64()?, reader.u64()?);
        reader.u32()?; // free objects
        let mut text = || reader.string().unwrap_or_default().to_text();
        Ok(Self {
            kind,
            filesystem,
            access,
            capacity,
            free,
            description: text(),
            label: text(),
        })
    }
}

/// One file or folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectInfo {
    pub storage: u32,
    pub format: u16,
    /// 0: none; else it can't be written.
    pub protection: u16,
    /// Bytes; `u32::MAX` means that the size does not fit.
    pub size: u32,
    pub parent: u32,
    pub name: PtpString,
    /// As written by the device; empty when it gives none.
    pub created: String,
    pub modified: String,
}

impl ObjectInfo {
    pub fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut reader = DatasetReader::new(bytes, "ObjectInfo");
        let (storage, format, protection) = (reader.u32()?, reader.u16()?, reader.u16()?);
        let size = reader.u32()?;
        // Thumbnail (format, size, width, height), image (width, height, depth).
        reader.skip(2 + 4 * 3 + 4 * 3)?;
        let parent = reader.u32()?;
        // Association type and description, sequence number.
        reader.skip(2 + 4 + 4)?;
        let name = reader.string()?;
        // Some devices leave these out.
        let mut text = || reader.string().unwrap_or_default().to_text();
        Ok(Self {
            storage,
            format,
            protection,
            size,
            parent,
            name,
            created: text(),
            modified: text(),
        })
    }

    pub fn is_folder(&self) -> bool {
        self.format == prop::ASSOCIATION
    }
}

/// GetStorageIDs and GetObjectHandles: at most `max` are kept, the rest is counted.
pub fn parse_handles(bytes: &[u8], max: usize) -> Result<(Vec<u32>, u64), Malformed> {
    DatasetReader::new(bytes, "list of handles").array_u32(max)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeviceStatus {
    /// A response code: OK, Busy, Cancelled.
    pub code: u16,
}

impl DeviceStatus {
    /// Parses the answer to the class request 0x67.
    pub fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut reader = DatasetReader::new(bytes, "device status");
        reader.u16()?; // length
        Ok(Self {
            code: reader.u16()?,
        })
    }
}
