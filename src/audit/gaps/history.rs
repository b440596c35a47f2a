//! Gathers the fate of each file of each camera from the log, entry by entry.

use std::collections::{BTreeMap, HashMap, HashSet};

use jiff::{SignedDuration, Timestamp};

use super::{Accepted, Gap, GapKind, GapRules};
use crate::audit::{ClockStep, ClockSteps, FirstEntries};
use crate::model::{
    CameraId, Entry, Event, EvidenceId, InventoryFile, ItemFailed, ItemStored, Officer, Part,
    PreviewOutcome, Retention, SessionId, SourcePath,
};

/// A file was still being written when it was listed if it was changed this short a time before or after. Clocks differ.
const BEING_WRITTEN: SignedDuration = SignedDuration::from_mins(2);

/// The camera that files belong to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum CameraKey {
    Known(CameraId),
    /// A camera that nobody could name, in this one session.
    Unknown(SessionId),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum FileFate {
    Pending,
    Sealed(EvidenceId),
    Held,
    /// Holds the code and the reason.
    Failed(String, String),
    /// A later state of the same file was taken.
    Superseded,
}

/// One state of one file, as an inventory listed it, or as `item.failed` named it.
#[derive(Debug)]
pub(super) struct FileState {
    pub size: u64,
    pub modified: Option<Timestamp>,
    pub fate: FileFate,
    pub first: Timestamp,
    /// When an inventory listed it last; `None` if none did.
    pub listed: Option<Timestamp>,
    /// The last session whose inventory listed it.
    pub session: SessionId,
}

impl FileState {
    /// Whether the file can have become this other state of it by a later session. A camera may also give the name to another
    /// recording, and the first one is lost then.
    fn may_become(&self, size: u64, modified: Option<Timestamp>) -> bool {
        let grew = size >= self.size && modified >= self.modified;
        let Some(listed) = self.listed else {
            return grew;
        };
        grew && self.modified.is_some_and(|before| {
            modified == Some(before) || listed.duration_since(before).abs() <= BEING_WRITTEN
        })
    }

    fn is(&self, size: u64, modified: Option<Timestamp>) -> bool {
        self.size == size && self.modified == modified
    }

    pub fn open(&self) -> bool {
        matches!(self.fate, FileFate::Pending | FileFate::Failed(..))
    }
}

#[derive(Debug, Default)]
pub(super) struct CameraFiles {
    pub files: HashMap<SourcePath, Vec<FileState>>,
    /// Directory entries whose names could not be recorded, by the name as it is shown.
    pub nameless: BTreeMap<String, NamelessFile>,
    pub stays: Vec<SessionId>,
    /// It is no camera but what was imported.
    pub imported: bool,
}

/// A directory entry of a camera that has no usable name.
#[derive(Debug)]
pub(super) struct NamelessFile {
    pub code: String,
    pub reason: String,
    pub first: Timestamp,
    pub session: SessionId,
}

/// The end of a session.
#[derive(Debug)]
pub(super) struct SessionEnding {
    /// Everything was secured.
    pub complete: bool,
    pub reason: String,
}

#[derive(Debug)]
pub(super) struct LoggedStay {
    pub whose: CameraKey,
    pub officer: Option<Officer>,
    pub docked: Timestamp,
    pub ended: Option<SessionEnding>,
    /// Whether its files were listed to the end.
    pub inventory: bool,
}

#[derive(Debug)]
pub(super) struct ItemHistory {
    pub whose: Option<CameraKey>,
    pub path: SourcePath,
    pub officer: Option<Officer>,
    pub sealed: Timestamp,
    pub session: Option<SessionId>,
    pub stored: Option<LoggedObject>,
    /// It was lost on the station before it was stored.
    pub damaged: bool,
    /// Key, version and sealed bytes of its storyboard and preview video.
    pub previews: Vec<(Part, LoggedObject)>,
}

/// One object as the log has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoggedObject {
    pub key: String,
    pub version: Option<String>,
    /// Sealed bytes.
    pub size: u64,
    pub at: Timestamp,
    pub lock: Option<Retention>,
    /// There is no `item-key` object beside it.
    pub keyless: bool,
}

/// An explanation, and the gaps that it covers: a loss that came later is not among them.
#[derive(Debug)]
struct Acceptance {
    decision: Accepted,
    /// The gaps that existed at that time, of those that it names.
    names: HashSet<String>,
}

impl Acceptance {
    fn covers(&self, gap: &Gap) -> bool {
        if gap.code != GapKind::GapCamera {
            return self.names.contains(&gap.gap);
        }
        // The log does not say which cameras of a roster were missed, but it does say when this one was docked last. A whole name
        // says that itself.
        let Some(begin) = self.decision.gap.strip_suffix('*') else {
            return self.decision.gap == gap.gap;
        };
        let was = gap
            .since
            .is_some_and(|since| self.decision.at.duration_since(since) > GapRules::usual_unseen());
        was && gap.gap.starts_with(begin)
    }
}

/// The log's statements about cameras, files and items.
#[derive(Debug, Default)]
pub struct LogHistory {
    pub(super) cameras: BTreeMap<CameraKey, CameraFiles>,
    pub(super) stays: HashMap<SessionId, LoggedStay>,
    /// Boxed, as ids come in order and leave the tree's nodes half empty.
    pub(super) items: BTreeMap<EvidenceId, Box<ItemHistory>>,
    pub(super) began: Option<Timestamp>,
    accepted: Vec<Acceptance>,
    clock: ClockSteps,
    first: FirstEntries,
    entries: u64,
}

impl LogHistory {
    /// Adds the next entry.
    pub fn enter(&mut self, entry: &Entry) {
        self.clock.see(self.entries, entry.time);
        let counts = self.first.see(self.entries, &entry.event);
        self.entries += 1;
        self.began.get_or_insert(entry.time);
        if !counts {
            return;
        }
        let at = entry.time;
        match (&entry.event, entry.session) {
            (Event::CameraDocked(docked), Some(session)) => {
                let whose = match &docked.camera {
                    Some(camera) => CameraKey::Known(camera.clone()),
                    None => CameraKey::Unknown(session),
                };
                self.begin_stay(session, whose, docked.officer.as_ref(), at);
            }
            (Event::ImportDeclared(declared), Some(session)) => {
                let whose = CameraKey::Known(declared.camera.clone());
                self.begin_stay(session, whose.clone(), declared.facts.officer.as_ref(), at);
                self.cameras.entry(whose).or_default().imported = true;
            }
            (
                Event::CameraUndocked(end) | Event::SessionEnded(end) | Event::ImportEnded(end),
                Some(session),
            ) => {
                if let Some(stay) = self.stays.get_mut(&session) {
                    stay.ended = Some(SessionEnding {
                        complete: end.complete,
                        reason: end.reason.clone(),
                    });
                }
            }
            (Event::InventoryTaken(inventory), Some(session)) => {
                if let Some(stay) = self.stays.get_mut(&session) {
                    stay.inventory |= inventory.last;
                }
                if let Some(camera) = self.camera(session) {
                    for file in &inventory.files {
                        camera.seen(file, at, session);
                    }
                }
            }
            (Event::ItemSealed(sealed), session) => {
                let whose = session.and_then(|s| Some(self.stays.get(&s)?.whose.clone()));
                let whose = whose.or_else(|| sealed.camera.clone().map(CameraKey::Known));
                if let (Some(whose), Some(session)) = (&whose, session) {
                    let camera = self.cameras.entry(whose.clone()).or_default();
                    let fate = FileFate::Sealed(sealed.evidence);
                    camera.taken(
                        &sealed.path,
                        sealed.size,
                        sealed.modified,
                        fate,
                        at,
                        session,
                    );
                }
                let item = ItemHistory {
                    whose,
                    path: sealed.path.clone(),
                    officer: sealed.officer.clone(),
                    sealed: at,
                    session,
                    stored: None,
                    damaged: false,
                    previews: Vec::new(),
                };
                self.items.insert(sealed.evidence, Box::new(item));
            }
            (Event::ItemHeld(held), Some(session)) => {
                if let Some(camera) = self.camera(session) {
                    for file in held.files() {
                        let fate = FileFate::Held;
                        camera.taken(&file.path, file.size, file.modified, fate, at, session);
                    }
                }
            }
            (Event::ItemFailed(failed), Some(session)) => self.failed(failed, at, session),
            (Event::ItemStored(stored), _) => self.stored_item(stored, at),
            (Event::ItemPreviewed(previewed), _) => {
                let item = self.items.get_mut(&previewed.evidence);
                if let (Some(item), PreviewOutcome::Made(made)) = (item, &previewed.outcome) {
                    let object = LoggedObject {
                        key: made.key.clone(),
                        version: made.version_id.clone(),
                        size: made.sealed_size,
                        at,
                        lock: made.retention.clone(),
                        keyless: false,
                    };
                    item.previews.reserve_exact(1);
                    item.previews.push((previewed.part, object));
                }
            }
            (Event::OperatorAction(action), _) => {
                if let Some(gap) = &action.gap {
                    let decision = Accepted {
                        gap: gap.clone(),
                        operator: action.operator.clone(),
                        reason: action.reason.clone(),
                        at,
                    };
                    let names = self.names(gap, at);
                    self.accepted.push(Acceptance { decision, names });
                }
            }
            _ => {}
        }
    }

    pub const fn entries(&self) -> u64 {
        self.entries
    }

    /// What the log enters twice of items; only the first is compared with anything.
    pub const fn first_entries(&self) -> &FirstEntries {
        &self.first
    }

    /// Runs of entries that are dated before an earlier one.
    pub fn clock_steps(&self) -> &[ClockStep] {
        self.clock.steps()
    }

    /// The operator's decision that explains a gap, if there is one.
    pub fn accepted(&self, gap: &Gap) -> Option<&Accepted> {
        let found = self.accepted.iter().rev().find(|a| a.covers(gap));
        found.map(|acceptance| &acceptance.decision)
    }

    /// The gaps that existed at a time, of those that an acceptance names.
    fn names(&self, accepted: &str, at: Timestamp) -> HashSet<String> {
        let mut rules = GapRules::usual(at);
        let begin = accepted.strip_suffix('*');
        if begin.is_none() && accepted.starts_with("waiting:") {
            // Somebody may have lost patience sooner; what is said of one sealed item holds for as long as it waits.
            rules.patience = SignedDuration::ZERO;
        }
        let gaps = self
            .gaps_named(begin.unwrap_or(accepted), &rules)
            .into_iter();
        gaps.filter(|gap| match begin {
            Some(begin) => gap.gap.starts_with(begin),
            None => gap.gap == accepted || gap.name_without_day() == Some(accepted),
        })
        .map(|gap| gap.gap)
        .collect()
    }

    /// Every item that the log calls stored: its object, and its previews as they were logged.
    pub fn stored(
        &self,
    ) -> impl Iterator<
        Item = (
            EvidenceId,
            &SourcePath,
            &LoggedObject,
            &[(Part, LoggedObject)],
        ),
    > {
        self.items.iter().filter_map(|(id, item)| {
            let stored = item.stored.as_ref()?;
            Some((*id, &item.path, stored, item.previews.as_slice()))
        })
    }

    /// When the station took an item in; `None` for one that the log does not call sealed, so that no object may be in the store.
    pub fn sealed_at(&self, id: EvidenceId) -> Option<Timestamp> {
        Some(self.items.get(&id)?.sealed)
    }

    /// Camera and officer of an item.
    pub fn whose(&self, id: EvidenceId) -> (Option<CameraId>, Option<Officer>) {
        let item = self.items.get(&id);
        let camera = item.and_then(|item| item.whose.as_ref()?.id().cloned());
        (camera, item.and_then(|item| item.officer.clone()))
    }

    /// A session begins.
    fn begin_stay(
        &mut self,
        session: SessionId,
        whose: CameraKey,
        officer: Option<&Officer>,
        docked: Timestamp,
    ) {
        let camera = self.cameras.entry(whose.clone()).or_default();
        camera.stays.push(session);
        let stay = LoggedStay {
            whose,
            officer: officer.cloned(),
            docked,
            ended: None,
            inventory: false,
        };
        self.stays.insert(session, stay);
    }

    fn camera(&mut self, session: SessionId) -> Option<&mut CameraFiles> {
        let whose = &self.stays.get(&session)?.whose;
        self.cameras.get_mut(whose)
    }

    fn stored_item(&mut self, stored: &ItemStored, at: Timestamp) {
        if let Some(item) = self.items.get_mut(&stored.evidence) {
            item.stored = Some(LoggedObject {
                key: stored.key.clone(),
                version: stored.version_id.clone(),
                size: stored.size,
                at,
                lock: stored.retention.clone(),
                keyless: stored.unverified,
            });
        }
    }

    fn failed(&mut self, failed: &ItemFailed, at: Timestamp, session: SessionId) {
        if let Some(item) = failed.evidence.and_then(|id| self.items.get_mut(&id)) {
            item.damaged = true;
        }
        let damaged = failed.evidence;
        let Some(camera) = self.camera(session) else {
            return;
        };
        let fate = FileFate::Failed(failed.code.clone(), failed.reason.clone());
        match (&failed.path, &failed.name) {
            (Some(path), _) => {
                let states = camera.states_of(path);
                // A damaged item fails the state that it was sealed from; otherwise the newest state that is not taken fails.
                let at_fault = |seen: &FileState| match damaged {
                    Some(id) => seen.fate == FileFate::Sealed(id),
                    None => seen.open() && (seen.session == session || seen.fate == fate),
                };
                let found = states.iter_mut().rev().find(|seen| at_fault(seen));
                match found {
                    Some(seen) => {
                        seen.fate = fate;
                        seen.session = session;
                    }
                    None => states.push(FileState {
                        size: failed.size.unwrap_or(0),
                        modified: None,
                        fate,
                        first: at,
                        listed: None,
                        session,
                    }),
                }
            }
            (None, Some(name)) => {
                let file = NamelessFile {
                    code: failed.code.clone(),
                    reason: failed.reason.clone(),
                    first: at,
                    session,
                };
                camera.nameless.entry(name.clone()).or_insert(file);
            }
            (None, None) => {}
        }
    }
}

impl CameraFiles {
    fn states_of(&mut self, path: &SourcePath) -> &mut Vec<FileState> {
        let states = self.files.entry(path.clone());
        // Nearly every file has one state only.
        states.or_insert_with(|| Vec::with_capacity(1))
    }

    fn seen(&mut self, file: &InventoryFile, at: Timestamp, session: SessionId) {
        let states = self.states_of(&file.path);
        let known = states.iter_mut().find(|s| s.is(file.size, file.modified));
        match known {
            Some(seen) => {
                seen.session = session;
                seen.listed = Some(at);
            }
            None => states.push(FileState {
                size: file.size,
                modified: file.modified,
                fate: FileFate::Pending,
                first: at,
                listed: Some(at),
                session,
            }),
        }
    }

    fn taken(
        &mut self,
        path: &SourcePath,
        size: u64,
        modified: Option<Timestamp>,
        fate: FileFate,
        at: Timestamp,
        session: SessionId,
    ) {
        let states = self.states_of(path);
        for seen in states.iter_mut().filter(|s| s.open()) {
            // The file changed or grew while it was docked, or kept growing until it was docked again.
            let same = seen.session == session || seen.may_become(size, modified);
            if !seen.is(size, modified) && same {
                seen.fate = FileFate::Superseded;
            }
        }
        match states.iter_mut().find(|s| s.is(size, modified)) {
            Some(seen) => {
                seen.fate = fate;
                seen.session = session;
            }
            None => states.push(FileState {
                size,
                modified,
                fate,
                first: at,
                listed: None,
                session,
            }),
        }
    }
}
