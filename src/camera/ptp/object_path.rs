//! The handles on the path to a file, and the check that the camera still confirms each of them.

use super::PtpError;
use super::name::path_name;
use super::object::ObjectFacts;
use super::object_walk::{Index, storage_name};
use super::session::PtpSession;
use super::wire::rc;
use crate::model::{Explain as _, Left, SourcePath};

/// The handles that lead to a file, from the top folder to the file itself.
pub(super) struct ObjectPath {
    steps: Vec<(u32, Vec<u8>)>,
    /// The storage that the path names, on a camera with several.
    storage: Option<u32>,
}

impl ObjectPath {
    pub fn to(path: &SourcePath, index: &Index) -> Result<Self, Left> {
        let bytes = path.as_bytes();
        let mut object_path = Self {
            steps: Vec::new(),
            storage: None,
        };
        let mut from = 0;
        while from < bytes.len() {
            let rest = &bytes[from..];
            let length = rest.iter().position(|&b| b == b'/').unwrap_or(rest.len());
            let (name, whole) = (&rest[..length], &bytes[..from + length]);
            if index.is_shared(whole) {
                return Err(Left::new(
                    "path_unsure",
                    "several objects of the camera share a name on its path",
                ));
            }
            match index.at(whole) {
                Some(handle) => object_path.steps.push((handle, name.to_vec())),
                None if from == 0 && length < rest.len() => {
                    object_path.storage = Some(storage_of(name).ok_or_else(not_found)?);
                }
                None => return Err(not_found()),
            }
            from += length + 1;
        }
        if object_path.steps.is_empty() {
            return Err(not_found());
        }
        Ok(object_path)
    }

    pub fn handle(&self) -> u32 {
        self.steps.last().map_or(0, |(handle, _)| *handle)
    }

    /// Asks the camera about each step: nested folders with these names, and a file at the end.
    pub fn follow(&self, session: &mut PtpSession) -> Result<ObjectFacts, Left> {
        let mut above = None;
        let last = self.steps.len().saturating_sub(1);
        for (number, (handle, name)) in self.steps.iter().enumerate() {
            let object = ObjectFacts::fetch(session, *handle).map_err(|error| match error {
                PtpError::Refused {
                    code: rc::BAD_HANDLE,
                    ..
                } => not_found(),
                error => of_usb(&error),
            })?;
            if path_name(&object.name, *handle) != *name
                || above.is_some_and(|above| object.parent != above)
                || self
                    .storage
                    .is_some_and(|storage| object.storage != storage)
            {
                return Err(Left::new(
                    "path_unsure",
                    "the camera does not confirm the path by which it is known",
                ));
            }
            match (number == last, object.folder) {
                (true, false) => return Ok(object),
                (true, true) => {
                    return Err(Left::new("file_changed", "a folder lies at its path"));
                }
                (false, true) => above = Some(*handle),
                (false, false) => {
                    return Err(Left::new("file_changed", "a file lies on its path"));
                }
            }
        }
        Err(not_found())
    }
}

/// The storage that a path's first name stands for.
fn storage_of(name: &[u8]) -> Option<u32> {
    let digits = std::str::from_utf8(name).ok()?.strip_prefix("storage-")?;
    let storage = u32::from_str_radix(digits, 16).ok()?;
    (storage_name(storage).as_bytes() == name).then_some(storage)
}

pub(super) fn not_found() -> Left {
    Left::new("file_gone", "it is no longer on the camera")
}

pub(super) fn of_usb(error: &PtpError) -> Left {
    Left::new(error.label(), error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_storage_has_one_name() {
        assert_eq!(storage_of(b"storage-00010001"), Some(0x0001_0001));
        for name in [
            "storage-10001",
            "storage-+0010001",
            "storage-0001000G",
            "DCIM",
            "",
        ] {
            assert_eq!(storage_of(name.as_bytes()), None, "{name}");
        }
    }
}
