//! One object's facts, from ObjectInfo and, where that is not enough, from its properties.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::PtpError;
use super::dataset::ObjectInfo;
use super::property::{Value, parse_prop_list};
use super::reader::{DatasetReader, PtpDate, PtpString};
use super::session::{DATASET_MAX, PtpSession, Query};
use super::wire::{op, prop};

/// A device's description of one object. Equal facts mean that nothing changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ObjectFacts {
    pub storage: u32,
    pub parent: u32,
    pub name: PtpString,
    pub folder: bool,
    pub protected: bool,
    /// Bytes; `None`: the device does not know or can't say.
    pub size: Option<u64>,
    /// The camera's claim; a time without a zone is taken as UTC.
    pub modified: Option<Timestamp>,
}

impl ObjectFacts {
    pub fn fetch(session: &mut PtpSession, handle: u32) -> Result<Self, PtpError> {
        let bytes = session.read(Query {
            operation: op::GET_OBJECT_INFO,
            parameters: &[handle],
            what: "ObjectInfo",
            limit: DATASET_MAX,
        })?;
        let info = ObjectInfo::parse(&bytes)?;
        let folder = info.is_folder();
        let size = if folder {
            Some(0)
        } else {
            whole_size(info.size, size_property(session, handle)?)
        };
        Ok(Self {
            storage: info.storage,
            parent: info.parent,
            folder,
            protected: info.protection != 0,
            size,
            modified: modified(&info.modified, &info.created),
            name: info.name,
        })
    }

    /// Whether a listing shows both as the same.
    pub fn lists_as(&self, other: &Self) -> bool {
        let shown = |object: &Self| {
            let file = (!object.folder).then_some((object.size, object.protected, object.modified));
            (object.folder, file)
        };
        self.name == other.name && shown(self) == shown(other)
    }
}

/// The camera's claim, from the texts for changed and created.
pub(super) fn modified(modified: &str, created: &str) -> Option<Timestamp> {
    let time = |text: &str| PtpDate::parse(text)?.timestamp(&TimeZone::UTC);
    time(modified).or_else(|| time(created))
}

/// ObjectInfo can't hold sizes of 4 GiB and more: there it says FFFFFFFF, which alone is not a size, or with some devices the
/// lower half of the size; others say 0 for files that they have not measured yet. In any other contradiction ObjectInfo
/// counts. Whatever is returned is only believed once the file was read to its end.
fn whole_size(info: u32, property: Option<u64>) -> Option<u64> {
    let given = u64::from(info);
    let Some(property) = property else {
        return (info != u32::MAX).then_some(given);
    };
    let cut_off = property > u64::from(u32::MAX) && property & u64::from(u32::MAX) == given;
    if info == 0 || info == u32::MAX || cut_off {
        Some(property)
    } else {
        Some(given)
    }
}

/// ObjectSize, a u64; `None` when the device doesn't give it.
fn size_property(session: &mut PtpSession, handle: u32) -> Result<Option<u64>, PtpError> {
    if session.supports(op::GET_OBJECT_PROP_VALUE) {
        let value = session.read(Query {
            operation: op::GET_OBJECT_PROP_VALUE,
            parameters: &[handle, u32::from(prop::OBJECT_SIZE)],
            what: "ObjectSize",
            limit: DATASET_MAX,
        });
        if let Some(bytes) = unless_refused(value)? {
            let mut reader = DatasetReader::new(&bytes, "ObjectSize");
            // A u64 by the standard; a few devices send a u32.
            let size = match bytes.len() {
                4..8 => {
                    let size = reader.u32().ok().filter(|size| *size != u32::MAX);
                    size.map(u64::from)
                }
                _ => reader.u64().ok(),
            };
            if size.is_some() {
                return Ok(size);
            }
        }
    }
    if session.supports(op::GET_OBJECT_PROP_LIST) {
        let list = session.read(Query {
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

/// A property that the device refuses is no reason to give up the object.
fn unless_refused(read: Result<Vec<u8>, PtpError>) -> Result<Option<Vec<u8>>, PtpError> {
    match read {
        Ok(bytes) => Ok(Some(bytes)),
        Err(PtpError::Refused { .. } | PtpError::Unsupported(_) | PtpError::Malformed(_)) => {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}
