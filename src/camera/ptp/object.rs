//! One object's facts, from ObjectInfo and, where that can't say, from its properties.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::PtpError;
use super::dataset::ObjectInfo;
use super::property::{Value, parse_prop_list};
use super::reader::{PtpDate, PtpString, Reader};
use super::session::{Ask, DATASET_MAX, Session};
use super::wire::{op, prop};

/// What a device says of one object. Equal facts mean that nothing changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Object {
    pub storage: u32,
    pub parent: u32,
    pub name: PtpString,
    pub folder: bool,
    pub protected: bool,
    /// Bytes.
    pub size: u64,
    /// The camera's claim; a time without a zone stands here as if it were UTC.
    pub modified: Option<Timestamp>,
}

impl Object {
    pub fn fetch(session: &mut Session, handle: u32) -> Result<Self, PtpError> {
        let bytes = session.read(Ask {
            operation: op::GET_OBJECT_INFO,
            parameters: &[handle],
            what: "ObjectInfo",
            limit: DATASET_MAX,
        })?;
        let info = ObjectInfo::parse(&bytes)?;
        let folder = info.is_folder();
        let mut size = u64::from(info.size);
        // 4 GiB and more can't be said there; some devices say 0 for what they have not counted yet.
        if !folder
            && (info.size == u32::MAX || info.size == 0)
            && let Some(larger) = size_property(session, handle)?
        {
            size = larger;
        }
        let time = |text: &str| PtpDate::parse(text)?.timestamp(&TimeZone::UTC);
        Ok(Self {
            storage: info.storage,
            parent: info.parent,
            folder,
            protected: info.protection != 0,
            size,
            modified: time(&info.modified).or_else(|| time(&info.created)),
            name: info.name,
        })
    }
}

/// ObjectSize, a u64; `None` when the device can't say.
fn size_property(session: &mut Session, handle: u32) -> Result<Option<u64>, PtpError> {
    if session.supports(op::GET_OBJECT_PROP_VALUE) {
        let value = session.read(Ask {
            operation: op::GET_OBJECT_PROP_VALUE,
            parameters: &[handle, u32::from(prop::OBJECT_SIZE)],
            what: "ObjectSize",
            limit: DATASET_MAX,
        });
        if let Some(bytes) = unless_refused(value)? {
            let mut reader = Reader::new(&bytes, "ObjectSize");
            // Typed u64 by the standard; a few send their u32.
            let size = match bytes.len() {
                4..8 => reader.u32().map(u64::from).ok(),
                _ => reader.u64().ok(),
            };
            if size.is_some() {
                return Ok(size);
            }
        }
    }
    if session.supports(op::GET_OBJECT_PROP_LIST) {
        let list = session.read(Ask {
            operation: op::GET_OBJECT_PROP_LIST,
            parameters: &[handle, 0, u32::from(prop::OBJECT_SIZE), 0, 0],
            what: "a property list",
            limit: DATASET_MAX,
        });
        let mut size = None;
        if let Some(bytes) = unless_refused(list)? {
            let _ = parse_prop_list(&bytes, |found| {
                if (found.object, found.code) == (handle, prop::OBJECT_SIZE) {
                    size = Value::as_u64(&found.value);
                }
            });
        }
        return Ok(size);
    }
    Ok(None)
}

/// What a device would not say is no reason to give up its object.
fn unless_refused(read: Result<Vec<u8>, PtpError>) -> Result<Option<Vec<u8>>, PtpError> {
    match read {
        Ok(bytes) => Ok(Some(bytes)),
        Err(PtpError::Refused { .. } | PtpError::Unsupported(_) | PtpError::Malformed(_)) => {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}
