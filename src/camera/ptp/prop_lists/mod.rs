//! Reads the facts of all objects in a folder at once by GetObjectPropList, where a device can do that. This is only a
//! shortcut: where such a list is incomplete or contradictory, the object itself is queried, so the listing is the same.

use std::collections::HashMap;

use super::PtpError;
use super::object::{ObjectFacts, modified};
use super::property::{Value, parse_prop_list};
use super::reader::{Malformed, PtpString};
use super::session::{DATASET_MAX, PtpSession, Query};
use super::wire::{op, prop};
use crate::config::PtpQuirks;

/// Objects of a folder by their handles.
pub(super) type Facts = HashMap<u32, ObjectFacts>;

/// As a folder, this means the top of all storages.
pub(super) const TOP: u32 = 0;
/// Facts held at a time at most, and so the longest folder that is read by a list.
pub(super) const FACTS_MAX: usize = 1 << 16;
/// In a shorter folder a list saves nothing, because one object of each folder is queried both ways.
const WORTH: usize = 3;
/// Limit in bytes for the properties of one object in a list. Devices in the field send about 400.
const OBJECT_BYTES: u64 = 1 << 10;
/// As a property, this means all of them.
const ALL: u32 = u32::MAX;
const COLUMNS: [u16; 5] = [
    prop::FILE_NAME,
    prop::OBJECT_SIZE,
    prop::OBJECT_FORMAT,
    prop::PROTECTION,
    prop::MODIFIED,
];

/// The ways to query objects, from the fewest operations to the most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Manner {
    /// All properties of all objects in a folder.
    Folders,
    /// One property of all objects in a folder.
    Columns,
    /// All properties of one object: for devices without the depth parameter.
    Each,
    /// ObjectInfo.
    Single,
}

/// The manner that works with a device. One that it refuses or answers with nonsense is not tried again.
#[derive(Debug)]
pub(super) struct PropLists {
    manner: Manner,
    /// A list agreed with the ObjectInfo of one of its objects.
    trusted: bool,
}

impl PropLists {
    pub fn new(quirks: PtpQuirks) -> Self {
        let manner = if quirks.no_lists {
            Manner::Single
        } else {
            Manner::Folders
        };
        Self {
            manner,
            trusted: false,
        }
    }

    /// The facts of `handles`, which are the objects in `folder`, as far as a list gives them.
    pub fn folder(
        &mut self,
        session: &mut PtpSession,
        folder: u32,
        handles: &[u32],
    ) -> Result<Facts, PtpError> {
        if !(WORTH..=FACTS_MAX).contains(&handles.len()) {
            return Ok(Facts::new());
        }
        while self.manner <= Manner::Columns && session.supports(op::GET_OBJECT_PROP_LIST) {
            let asked = match self.manner {
                Manner::Folders => whole(session, folder, handles),
                _ => columns(session, folder, handles),
            };
            match asked {
                Ok(facts) if facts.len() * 2 > handles.len() => {
                    return self.compared(session, handles, facts);
                }
                Err(error @ (PtpError::Gone | PtpError::Stopped)) => return Err(error),
                Err(error) if error.of_the_link() => self.give_up(&error.to_string()),
                // Devices name the top differently, so a refusal there says nothing about other folders.
                _ if folder == TOP => break,
                Err(error) => self.next(&error.to_string()),
                Ok(facts) => {
                    let (known, all) = (facts.len(), handles.len());
                    self.next(&format!("it covers {known} of {all} objects"));
                }
            }
        }
        Ok(Facts::new())
    }

    /// One object: from `facts`, else from the device.
    pub fn object(
        &mut self,
        session: &mut PtpSession,
        facts: &mut Facts,
        handle: u32,
    ) -> Result<ObjectFacts, PtpError> {
        if let Some(object) = facts.remove(&handle) {
            return Ok(object);
        }
        if self.manner != Manner::Each || !session.supports(op::GET_OBJECT_PROP_LIST) {
            return ObjectFacts::fetch(session, handle);
        }
        let mut drafts = drafts(&[handle]);
        let listed = match fill(session, [handle, ALL, 0], DATASET_MAX, &mut drafts) {
            Ok(()) => finished(drafts).remove(&handle),
            Err(error @ (PtpError::Gone | PtpError::Stopped)) => return Err(error),
            Err(error) => {
                if error.of_the_link() {
                    self.give_up(&error.to_string());
                }
                None
            }
        };
        match listed {
            Some(object) if self.trusted => Ok(object),
            listed => {
                let object = ObjectFacts::fetch(session, handle)?;
                match listed {
                    Some(listed) if listed.lists_as(&object) => self.trust(),
                    Some(_) => self.give_up("it contradicts ObjectInfo"),
                    None if !self.trusted => self.give_up("it does not give enough properties"),
                    // Only this object's list is incomplete.
                    None => {}
                }
                Ok(object)
            }
        }
    }

    /// Queries one file of each folder both ways. A device that contradicts itself is only queried object by object.
    fn compared(
        &mut self,
        session: &mut PtpSession,
        handles: &[u32],
        facts: Facts,
    ) -> Result<Facts, PtpError> {
        let known = || {
            handles
                .iter()
                .filter_map(|handle| facts.get_key_value(handle))
        };
        let sample = known().find(|(_, object)| !object.folder);
        let Some((&handle, listed)) = sample.or_else(|| known().next()) else {
            return Ok(facts);
        };
        match ObjectFacts::fetch(session, handle) {
            Ok(object) if listed.lists_as(&object) => {
                self.trust();
                return Ok(facts);
            }
            Ok(_) => self.give_up("it contradicts ObjectInfo"),
            Err(error @ (PtpError::Gone | PtpError::Stopped)) => return Err(error),
            Err(error) => tracing::debug!(%error, "an object of a list can't be queried"),
        }
        Ok(Facts::new())
    }

    fn trust(&mut self) {
        if !self.trusted {
            tracing::info!(manner = ?self.manner, "a camera lists the properties of its objects");
        }
        self.trusted = true;
    }

    fn next(&mut self, reason: &str) {
        self.trusted = false;
        self.manner = match self.manner {
            Manner::Folders => Manner::Columns,
            Manner::Columns => Manner::Each,
            Manner::Each | Manner::Single => Manner::Single,
        };
        tracing::debug!(reason, next = ?self.manner, "a camera's property list is of no use");
    }

    fn give_up(&mut self, reason: &str) {
        self.manner = Manner::Single;
        tracing::info!(
            reason,
            "a camera's property lists are of no use: its objects are queried one by one"
        );
    }
}

fn whole(session: &mut PtpSession, folder: u32, handles: &[u32]) -> Result<Facts, PtpError> {
    let mut drafts = drafts(handles);
    fill(session, [folder, ALL, 1], limit(handles), &mut drafts)?;
    Ok(finished(drafts))
}

fn columns(session: &mut PtpSession, folder: u32, handles: &[u32]) -> Result<Facts, PtpError> {
    let mut drafts = drafts(handles);
    let column = |code: u16| [folder, u32::from(code), 1];
    for code in COLUMNS {
        fill(session, column(code), limit(handles), &mut drafts)?;
        if drafts.values().all(|draft| draft.name.is_none()) {
            return Ok(Facts::new());
        }
    }
    if drafts.values().any(Draft::wants_created) {
        match fill(session, column(prop::CREATED), limit(handles), &mut drafts) {
            // Some devices don't have it.
            Err(PtpError::Refused { .. } | PtpError::Malformed(_)) => {}
            asked => asked?,
        }
    }
    Ok(finished(drafts))
}

fn limit(handles: &[u32]) -> u64 {
    DATASET_MAX + handles.len() as u64 * OBJECT_BYTES
}

/// Reads the properties of a handle, selected by property and depth.
fn fill(
    session: &mut PtpSession,
    [handle, property, depth]: [u32; 3],
    limit: u64,
    drafts: &mut HashMap<u32, Draft>,
) -> Result<(), PtpError> {
    let bytes = session.read_once(Query {
        operation: op::GET_OBJECT_PROP_LIST,
        parameters: &[handle, 0, property, 0, depth],
        what: "a property list",
        limit,
    })?;
    Ok(gather(&bytes, drafts)?)
}

/// Properties of objects that were not requested are ignored.
fn gather(bytes: &[u8], drafts: &mut HashMap<u32, Draft>) -> Result<(), Malformed> {
    parse_prop_list(bytes, |found| {
        if let Some(draft) = drafts.get_mut(&found.object) {
            draft.take(found.code, found.value);
        }
    })
}

/// The facts that lists have given for one object so far.
#[derive(Default)]
struct Draft {
    numbers: HashMap<u16, u64>,
    name: Option<PtpString>,
    created: Option<PtpString>,
    modified: Option<PtpString>,
    /// A property came twice with two values, or is of a type that it can't be.
    odd: bool,
}

fn drafts(handles: &[u32]) -> HashMap<u32, Draft> {
    handles.iter().map(|&h| (h, Draft::default())).collect()
}

fn finished(drafts: HashMap<u32, Draft>) -> Facts {
    let complete = |(handle, draft): (u32, Draft)| Some((handle, draft.finish()?));
    drafts.into_iter().filter_map(complete).collect()
}

impl Draft {
    fn take(&mut self, code: u16, value: Value) {
        let text = match code {
            prop::FILE_NAME => &mut self.name,
            prop::CREATED => &mut self.created,
            prop::MODIFIED => &mut self.modified,
            prop::OBJECT_SIZE
            | prop::OBJECT_FORMAT
            | prop::PROTECTION
            | prop::PARENT
            | prop::STORAGE => {
                let known = value
                    .as_u64()
                    .map(|number| *self.numbers.entry(code).or_insert(number) == number);
                self.odd |= known != Some(true);
                return;
            }
            _ => return,
        };
        match value {
            Value::Text(said) => {
                let known = text.get_or_insert_with(|| said.clone());
                self.odd |= *known != said;
            }
            _ => self.odd = true,
        }
    }

    fn wants_created(&self) -> bool {
        let times = (self.modified.as_ref(), self.created.as_ref());
        matches!(times, (Some(text), None) if modified(&text.to_text(), "").is_none())
    }

    /// `None`: something that ObjectInfo would give is missing.
    fn finish(self) -> Option<ObjectFacts> {
        if self.odd || self.wants_created() {
            return None;
        }
        let number = |code: u16| self.numbers.get(&code).copied();
        let handle = |code: u16| number(code).and_then(|n| u32::try_from(n).ok());
        let folder = number(prop::OBJECT_FORMAT)? == u64::from(prop::ASSOCIATION);
        let size = number(prop::OBJECT_SIZE)?;
        // The value that means "too large for u32" has no meaning in this u64.
        if !folder && size == u64::from(u32::MAX) {
            return None;
        }
        let created = self.created.unwrap_or_default().to_text();
        Some(ObjectFacts {
            storage: handle(prop::STORAGE).unwrap_or(0),
            parent: handle(prop::PARENT).unwrap_or(0),
            folder,
            protected: number(prop::PROTECTION)? != 0,
            size: Some(size),
            modified: modified(&self.modified?.to_text(), &created),
            name: self.name?,
        })
    }
}

#[cfg(test)]
mod tests;
