//! One listing of a station's folder, page by page, beside the index in the same order.

use std::cmp::Ordering;
use std::collections::VecDeque;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::model::{BucketLayout, Escaped, EvidenceId};
use crate::office::OfficeError;
use crate::office::index::{
    ExpectedObject, FindingKind, Found, Index, ListingResult, NAMED_MAX, OBJECT_NAMES,
    StationNumber,
};
use crate::upload::{ListPage, Store};

/// Items that are read from the index at a time.
const ITEMS: u32 = 256;
/// Objects that are asked for one by one after a listing, to say more of what was found.
const LOOKS: usize = 100;
/// What is said of an object that came back.
const DISPOSED: &str = "the office's log says that it was deleted by rule, and the bucket lists it";
/// Bytes of a foreign key that are shown.
const KEY_MAX: usize = 1024;

pub struct Listing {
    station: StationNumber,
    folder: String,
    /// Entries that had been read when the listing began: whatever they call stored was in the bucket by then.
    entries: u64,
    began: Timestamp,
    /// All entries below the verified checkpoint had been read by then: only now can an object be foreign.
    whole: bool,
    /// How long a foreign object or a late receipt may wait for its entry.
    patience: SignedDuration,
    /// The last key that was listed.
    after: Option<String>,
    objects: u64,
    expected: VecDeque<ExpectedObject>,
    last_item: Option<EvidenceId>,
    all_expected: bool,
    found: Vec<Found>,
    unnamed: Vec<(FindingKind, u64)>,
    /// Those in `found` that the recorded version may say more of, with that version.
    to_look_at: Vec<(usize, Option<String>, Option<u64>)>,
}

impl Listing {
    pub fn begin(
        station: StationNumber,
        layout: &BucketLayout,
        entries: u64,
        whole: bool,
        interval: Duration,
        now: Timestamp,
    ) -> Self {
        Self {
            station,
            folder: layout.evidence_folder(),
            entries,
            whole,
            began: now,
            patience: SignedDuration::try_from(interval).unwrap_or(SignedDuration::MAX),
            after: None,
            objects: 0,
            expected: VecDeque::new(),
            last_item: None,
            all_expected: false,
            found: Vec::new(),
            unnamed: Vec::new(),
            to_look_at: Vec::new(),
        }
    }

    /// The next page of the bucket's own listing.
    pub async fn fetch(&self, store: &dyn Store) -> Result<ListPage, OfficeError> {
        Ok(store.list(&self.folder, self.after.as_deref()).await?)
    }

    /// Compares a page with the index; `true` when it was the last one. Blocks.
    pub fn compare(&mut self, index: &Index, page: ListPage) -> Result<bool, OfficeError> {
        let last = !page.more;
        if page.more && page.objects.is_empty() {
            return Err(self.no_listing());
        }
        for object in page.objects {
            let ordered = self.after.as_ref().is_none_or(|after| *after < object.key);
            let name = object.key.strip_prefix(&self.folder);
            let Some(name) = name.filter(|_| ordered) else {
                return Err(self.no_listing());
            };
            self.objects += 1;
            self.meet(index, name, object.size)?;
            self.after = Some(object.key);
        }
        if last {
            while let Some(absent) = self.next(index)? {
                self.absent(absent);
            }
        }
        Ok(last)
    }

    /// The answer is no listing in order, so nothing of it is believed.
    fn no_listing(&self) -> OfficeError {
        OfficeError::Listing {
            folder: self.folder.clone(),
        }
    }

    /// Compares one listed object with the expected ones up to its name.
    fn meet(&mut self, index: &Index, name: &str, size: u64) -> Result<(), OfficeError> {
        while let Some(expected) = self.next(index)? {
            match format!("{}/{}", expected.item, expected.name)
                .as_str()
                .cmp(name)
            {
                Ordering::Less => self.absent(expected),
                Ordering::Equal => {
                    self.present(expected, size);
                    return Ok(());
                }
                Ordering::Greater => {
                    self.expected.push_front(expected);
                    break;
                }
            }
        }
        self.foreign(name);
        Ok(())
    }

    fn next(&mut self, index: &Index) -> Result<Option<ExpectedObject>, OfficeError> {
        if self.expected.is_empty() && !self.all_expected {
            let more = index.expected(self.station, self.last_item, self.entries, ITEMS)?;
            self.last_item = more.last().map(|last| last.item);
            self.all_expected = more.is_empty();
            self.expected = more.into();
        }
        Ok(self.expected.pop_front())
    }

    fn absent(&mut self, expected: ExpectedObject) {
        if !expected.required {
            return;
        }
        let what = if expected.late {
            "the log calls its item stored, and the bucket does not list this object"
        } else {
            "the log calls it stored, and the bucket does not list it"
        };
        self.find(FindingKind::Missing, &expected, what.to_owned());
    }

    fn present(&mut self, expected: ExpectedObject, size: u64) {
        if expected.disposed {
            self.find(FindingKind::Foreign, &expected, DISPOSED.to_owned());
            return;
        }
        if let Some(logged) = expected.size
            && logged != size
            && expected.required
        {
            let what = format!("the bucket lists {size} bytes, and the log says {logged}");
            self.find(FindingKind::WrongSize, &expected, what);
        }
    }

    fn find(&mut self, kind: FindingKind, expected: &ExpectedObject, what: String) {
        let found = Found {
            kind,
            key: format!("{}{}/{}", self.folder, expected.item, expected.name),
            item: Some(expected.item),
            what,
            patience: expected.late.then_some(self.patience),
        };
        if let Some(at) = self.keep(found)
            && self.to_look_at.len() < LOOKS
            && expected.version.is_some()
        {
            let look = (at, expected.version.clone(), expected.size);
            self.to_look_at.push(look);
        }
    }

    fn foreign(&mut self, name: &str) {
        if !self.whole {
            return;
        }
        let item = name.split_once('/').and_then(|(id, _)| id.parse().ok());
        let shown: String = Escaped(name.as_bytes()).to_string();
        let shown = shown.chars().take(KEY_MAX).collect::<String>();
        self.keep(Found {
            kind: FindingKind::Foreign,
            key: format!("{}{shown}", self.folder),
            item,
            what: "the bucket lists it, and no proven entry of the log names it".to_owned(),
            patience: Some(self.patience),
        });
    }

    /// Where it was kept; `None` if there are too many of its kind to name.
    fn keep(&mut self, found: Found) -> Option<usize> {
        let kind = found.kind;
        if let Some((_, count)) = self.unnamed.iter_mut().find(|(of, _)| *of == kind) {
            *count += 1;
            return None;
        }
        if self.found.iter().filter(|f| f.kind == kind).count() >= NAMED_MAX {
            self.unnamed.push((kind, 1));
            return None;
        }
        self.found.push(found);
        Some(self.found.len() - 1)
    }

    /// Says more of what was found, where the store answers for the version that the log names.
    pub async fn look(&mut self, store: &dyn Store) {
        for (at, version, size) in std::mem::take(&mut self.to_look_at) {
            let found = &mut self.found[at];
            let head = store.head(&found.key, version.as_deref()).await;
            if let Ok(Some(head)) = head
                && Some(head.size) == size
            {
                found.what.push_str(
                    "; the version that the log names is still there, below a newer one or a deletion",
                );
            }
        }
    }

    /// Puts the result into the index. Blocks.
    pub fn finish(mut self, index: &Index, now: Timestamp) -> Result<(), OfficeError> {
        let mut found = Vec::new();
        for candidate in std::mem::take(&mut self.found) {
            if !self.named_meanwhile(index, &candidate)? {
                found.push(candidate);
            }
        }
        index.finish_listing(
            self.station,
            &ListingResult {
                began: self.began,
                ended: now,
                objects: self.objects,
                whole: self.whole,
                found,
                unnamed: self.unnamed,
            },
        )
    }

    /// Whether entries that were read since name what was foreign.
    fn named_meanwhile(&self, index: &Index, found: &Found) -> Result<bool, OfficeError> {
        // What the log names is not foreign, unless it should be gone.
        let foreign = found.kind == FindingKind::Foreign && found.what != DISPOSED;
        let Some(item) = found.item.filter(|_| foreign) else {
            return Ok(false);
        };
        let own = OBJECT_NAMES.iter();
        let mut own = own.map(|name| format!("{}{item}/{name}", self.folder));
        Ok(own.any(|key| key == found.key) && index.knows(self.station, item)?)
    }
}
