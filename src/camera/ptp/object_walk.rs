//! Lists a device's objects: bounded in depth, number and time, and each object once, whatever the device claims.

use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use super::PtpError;
use super::dataset::parse_handles;
use super::name::{numbered, path_name};
use super::object::ObjectFacts;
use super::prop_lists::{self, FACTS_MAX, Facts, PropLists};
use super::session::{DATASET_MAX, PtpSession, Query};
use super::wire::{op, rc};
use crate::camera::listing::{EntrySink, FileEntry, ListingCursor};
use crate::config::Profile;
use crate::model::{Explain as _, Sha256Digest, SourcePath};

const STORAGES_MAX: usize = 64;
/// Objects in a row that can't be queried before the listing counts as failed.
const FAILURES_MAX: u32 = 16;
/// For the whole listing.
const TIME_MAX: Duration = Duration::from_hours(1);
/// As a parent, `TOP` asks for the storage's top. `ALL` asks for every object, which some devices take for the top.
const TOP: u32 = u32::MAX;
/// As a storage, for devices that name none.
const FIRST_STORAGE: u32 = 0x0001_0001;
const EVERY_STORAGE: u32 = u32::MAX;
const ALL: u32 = 0;

/// Handles of files and folders by their paths; they are valid until the device is unplugged or its session ends.
#[derive(Default)]
pub(super) struct Index {
    handles: HashMap<[u8; 16], u32>,
    /// Paths that several objects claim.
    shared: HashSet<[u8; 16]>,
}

impl Index {
    pub fn get(&self, path: &SourcePath) -> Option<u32> {
        self.at(path.as_bytes())
    }

    /// As [`Index::get`], for a part of a path.
    pub fn at(&self, path: &[u8]) -> Option<u32> {
        self.handles.get(&key(path)).copied()
    }

    pub fn is_shared(&self, path: &[u8]) -> bool {
        self.shared.contains(&key(path))
    }

    /// Removes a deleted file.
    pub fn forget(&mut self, path: &SourcePath) {
        self.handles.remove(&key(path.as_bytes()));
    }

    fn has(&self, path: &[u8]) -> bool {
        self.handles.contains_key(&key(path))
    }

    fn insert(&mut self, path: &[u8], handle: u32) {
        self.handles.insert(key(path), handle);
    }
}

/// Half of a SHA-256: saves keeping the paths of a million files, and nobody can make two of them collide.
fn key(path: &[u8]) -> [u8; 16] {
    let mut key = [0; 16];
    key.copy_from_slice(&Sha256Digest::of(path).0[..16]);
    key
}

struct ObjectFolder {
    handles: std::vec::IntoIter<u32>,
    /// Facts from the folder's property list.
    facts: Facts,
    storage: u32,
    /// Length of this folder's path in `ListingCursor::path`.
    path_len: usize,
    flagged: bool,
}

pub(super) struct ObjectWalk<'a> {
    session: &'a mut PtpSession,
    lists: &'a mut PropLists,
    listing: ListingCursor<'a>,
    max_files: u64,
    index: Index,
    /// The last number given to an object whose path was taken.
    copies: HashMap<[u8; 16], u32>,
    /// Every handle that was queried.
    seen: HashSet<u32>,
    /// Handles that may still be taken in.
    room: u64,
    failures: u32,
    until: Instant,
}

impl<'a> ObjectWalk<'a> {
    pub fn new(
        session: &'a mut PtpSession,
        lists: &'a mut PropLists,
        profile: &'a Profile,
        max_files: u64,
    ) -> Self {
        Self {
            session,
            lists,
            listing: ListingCursor::new(profile, max_files),
            max_files,
            index: Index::default(),
            copies: HashMap::new(),
            seen: HashSet::new(),
            room: max_files,
            failures: 0,
            until: Instant::now() + TIME_MAX,
        }
    }

    /// An object that can't be queried becomes an entry with its reason. An error means that the listing is incomplete.
    pub fn run(mut self, sink: EntrySink<'_>) -> Result<Index, PtpError> {
        let storages = self.storages(sink)?;
        let several = storages.len() > 1;
        for storage in storages {
            self.listing.path.clear();
            if several {
                // Ids stay what they are when a camera is docked again; labels may be anything.
                self.listing
                    .path
                    .extend_from_slice(storage_name(storage).as_bytes());
            }
            if self.storage(storage, sink)?.is_break() {
                return Ok(self.index);
            }
        }
        self.listing.refuse_beyond(sink);
        Ok(self.index)
    }

    fn storages(&mut self, sink: EntrySink<'_>) -> Result<Vec<u32>, PtpError> {
        let bytes = self.session.read(Query {
            operation: op::GET_STORAGE_IDS,
            parameters: &[],
            what: "the list of storages",
            limit: DATASET_MAX,
        })?;
        let (mut named, beyond) = parse_handles(&bytes, STORAGES_MAX)?;
        named.sort_unstable();
        named.dedup();
        // By the standard, a lower half of 0 means a slot without a card, but some devices call every storage so.
        let (slots, mut ids): (Vec<u32>, Vec<u32>) =
            named.into_iter().partition(|id| id.trailing_zeros() >= 16);
        for slot in slots {
            if !ids.contains(&(slot | 1)) {
                ids.extend(self.first_with_objects(&[slot | 1, slot])?);
            }
        }
        // A locked device names no storage. That it shows nothing must never pass for an empty camera.
        if ids.is_empty() {
            ids.extend(self.first_with_objects(&[FIRST_STORAGE, EVERY_STORAGE])?);
        }
        if ids.is_empty() {
            return Err(PtpError::NoStorage);
        }
        if beyond > 0 {
            let reason =
                format!("{beyond} more storages were not read: the limit is {STORAGES_MAX}");
            let _ = self
                .listing
                .refuse(None, ("too_many_storages", reason), sink);
        }
        Ok(ids)
    }

    /// The first of these storages that shows an object.
    fn first_with_objects(&mut self, storages: &[u32]) -> Result<Option<u32>, PtpError> {
        for &storage in storages {
            // The storage is listed again later, and counted then.
            let beyond = self.listing.beyond;
            let top = self.top(storage);
            self.listing.beyond = beyond;
            match top {
                Ok(handles) if !handles.is_empty() => return Ok(Some(storage)),
                Ok(_)
                | Err(
                    PtpError::Refused { .. } | PtpError::Unsupported(_) | PtpError::Malformed(_),
                ) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    fn storage(&mut self, storage: u32, sink: EntrySink<'_>) -> Result<ControlFlow<()>, PtpError> {
        let handles = match self.top(storage) {
            Ok(handles) => handles,
            Err(error @ (PtpError::Refused { .. } | PtpError::Malformed(_))) => {
                let reason =
                    format!("is the storage {storage:08x}, which can't be listed: {error}");
                return Ok(self
                    .listing
                    .refuse(None, ("storage_unreadable", reason), sink));
            }
            Err(error) => return Err(error),
        };
        let mut levels = vec![ObjectFolder {
            facts: self.lists.folder(self.session, prop_lists::TOP, &handles)?,
            handles: handles.into_iter(),
            storage,
            path_len: self.listing.path.len(),
            flagged: false,
        }];
        while let Some(level) = levels.last_mut() {
            self.listing.path.truncate(level.path_len);
            let Some(handle) = level.handles.next() else {
                levels.pop();
                continue;
            };
            if self.object(&mut levels, handle, sink)?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
            if Instant::now() > self.until {
                let minutes = TIME_MAX.as_secs() / 60;
                self.listing.path.clear();
                let reason = format!("listing took more than {minutes} minutes and was cut off");
                let _ = self
                    .listing
                    .refuse(None, ("listing_too_slow", reason), sink);
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// The objects at the top of a storage, by whichever parent the device accepts for it.
    fn top(&mut self, storage: u32) -> Result<Vec<u32>, PtpError> {
        let empty = match self.handles(storage, TOP) {
            Ok(handles) if handles.is_empty() => true,
            Err(PtpError::Refused { .. } | PtpError::Unsupported(_)) => false,
            handles => return handles,
        };
        // By the standard this asks for all objects; some devices answer with the top. Folders are listed before their
        // contents, so that no file inside one is taken for a file at the top.
        let all = match self.handles(storage, ALL) {
            Err(PtpError::Refused { .. } | PtpError::Unsupported(_)) if empty => Vec::new(),
            all => all?,
        };
        let set: HashSet<u32> = all.iter().copied().collect();
        let mut top = Vec::new();
        let mut rest = Vec::new();
        for handle in all {
            let parent = match ObjectFacts::fetch(self.session, handle) {
                Ok(object) => object.parent,
                Err(error)
                    if error.of_the_link()
                        || matches!(error, PtpError::Gone | PtpError::Stopped) =>
                {
                    return Err(error);
                }
                Err(_) => TOP,
            };
            if parent != handle && set.contains(&parent) {
                rest.push(handle);
            } else {
                top.push(handle);
            }
        }
        // Objects that no folder leads to are listed last.
        top.append(&mut rest);
        Ok(top)
    }

    fn handles(&mut self, storage: u32, parent: u32) -> Result<Vec<u32>, PtpError> {
        // Four bytes for each handle, and as much again, so that handles beyond the limit can be counted.
        let limit = self.max_files.saturating_mul(8).clamp(1 << 20, 64 << 20);
        let bytes = self.session.read(Query {
            operation: op::GET_OBJECT_HANDLES,
            parameters: &[storage, 0, parent],
            what: "a list of objects",
            limit,
        })?;
        // Some devices send no data at all instead of an empty list.
        if bytes.is_empty() {
            return Ok(Vec::new());
        }
        let room = usize::try_from(self.room).unwrap_or(usize::MAX);
        let (handles, beyond) = parse_handles(&bytes, room)?;
        self.listing.beyond = self.listing.beyond.saturating_add(beyond);
        Ok(handles)
    }

    fn object(
        &mut self,
        levels: &mut Vec<ObjectFolder>,
        handle: u32,
        sink: EntrySink<'_>,
    ) -> Result<ControlFlow<()>, PtpError> {
        let depth = levels.len();
        // Bounds a hostile device: nested folders, each with a long list.
        let held: usize = levels.iter().map(|level| level.facts.len()).sum();
        let Some(level) = levels.last_mut() else {
            return Ok(ControlFlow::Continue(()));
        };
        let (storage, flagged) = (level.storage, level.flagged);
        if self.room == 0 {
            self.listing.beyond = self.listing.beyond.saturating_add(1);
            return Ok(ControlFlow::Continue(()));
        }
        if matches!(handle, TOP | ALL) {
            self.listing.path = self.listing.joined(&nameless(handle));
            let reason = format!("has the handle {handle:08x}, which names no object");
            return Ok(self.listing.refuse(None, ("bad_handle", reason), sink));
        }
        if !self.seen.insert(handle) {
            // One folder named it twice, or a folder contains itself.
            tracing::debug!(handle, "an object is listed twice");
            return Ok(ControlFlow::Continue(()));
        }
        self.room -= 1;
        let object = match self.lists.object(self.session, &mut level.facts, handle) {
            Ok(object) => object,
            Err(error) => {
                self.listing.path = self.listing.joined(&nameless(handle));
                return self.unreadable(error, "is an object that can't be queried", sink);
            }
        };
        self.failures = 0;
        let mut name = path_name(&object.name, handle);
        if self.index.has(&self.listing.joined(&name)) {
            name = self.free_name(&name);
        }
        self.listing.path = self.listing.joined(&name);
        if let Err(refusal) = self.listing.source_path() {
            let size = object.size.filter(|_| !object.folder);
            return Ok(self.listing.refuse(size, refusal, sink));
        }
        self.index.insert(&self.listing.path, handle);
        if !object.folder {
            let Some(size) = object.size else {
                let unknown = PtpError::SizeUnknown;
                let refusal = (unknown.label(), unknown.to_string());
                return Ok(self.listing.refuse(None, refusal, sink));
            };
            let entry = FileEntry {
                name: &name,
                size,
                modified: object.modified,
                read_only: object.protected,
                folder_flagged: flagged,
            };
            return Ok(self.listing.file(&entry, sink));
        }
        if let Err(refusal) = ListingCursor::may_enter(depth) {
            return Ok(self.listing.refuse(None, refusal, sink));
        }
        match self.handles(storage, handle) {
            Ok(handles) => {
                let facts = if held + handles.len() <= FACTS_MAX {
                    self.lists.folder(self.session, handle, &handles)?
                } else {
                    Facts::new()
                };
                levels.push(ObjectFolder {
                    facts,
                    handles: handles.into_iter(),
                    storage,
                    path_len: self.listing.path.len(),
                    flagged: flagged || self.listing.flags(&name),
                });
            }
            Err(error) => return self.unreadable(error, "is a folder that can't be listed", sink),
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Names one object that can't be queried. Too many in a row mean that the device can't be listed now.
    fn unreadable(
        &mut self,
        error: PtpError,
        what: &str,
        sink: EntrySink<'_>,
    ) -> Result<ControlFlow<()>, PtpError> {
        self.failures += 1;
        if matches!(error, PtpError::Gone | PtpError::Stopped) || self.failures > FAILURES_MAX {
            return Err(error);
        }
        let code = match error {
            PtpError::Refused {
                code: rc::BAD_HANDLE,
                ..
            } => "object_vanished",
            _ => "object_unreadable",
        };
        Ok(self
            .listing
            .refuse(None, (code, format!("{what}: {error}")), sink))
    }

    /// Another name for an object whose name is taken in its folder.
    fn free_name(&mut self, name: &[u8]) -> Vec<u8> {
        let wanted = key(&self.listing.joined(name));
        // Starts after the last number given: a folder full of one name is not searched again each time.
        let mut number = self.copies.get(&wanted).copied().unwrap_or(1);
        loop {
            number = number.saturating_add(1);
            let next = numbered(name, number);
            if number == u32::MAX || !self.index.has(&self.listing.joined(&next)) {
                self.index.shared.insert(wanted);
                self.copies.insert(wanted, number);
                return next;
            }
        }
    }
}

/// The first name of a path on a device with several storages.
pub(super) fn storage_name(storage: u32) -> String {
    format!("storage-{storage:08x}")
}

fn nameless(handle: u32) -> Vec<u8> {
    format!("object-{handle:08x}").into_bytes()
}
