//! Compares the custody log with the bucket's content, in both directions.

use std::collections::{BTreeMap, BTreeSet};

use crate::audit::{Disposal, Gap, GapKind, LogHistory, LoggedObject};
use crate::cli::bucket::{Bucket, RECEIPT};
use crate::cli::verify::{ReportedFinding, still_there};
use crate::model::{Escaped, EvidenceId, Part};

/// Objects that every stored item has besides its footage.
const COMPANIONS: [&str; 2] = ["manifest.json", RECEIPT];
const ITEM_KEY: &str = "item-key";

pub struct Listing {
    pub bucket: Bucket,
    /// Sizes by key.
    objects: BTreeMap<String, u64>,
    /// The version on top by key; `None` if the store or the credentials do not allow that question.
    latest: Option<BTreeMap<String, Option<String>>>,
}

/// Log and store beside each other.
pub struct Compared {
    pub gaps: Vec<Gap>,
    /// Items that were stored so recently that their receipts may still be on their way.
    pub receipts_waiting: u64,
    pub still_there: Vec<ReportedFinding>,
}

impl Listing {
    pub fn take(bucket: Bucket) -> anyhow::Result<Self> {
        let listed = bucket.evidence()?;
        let objects = listed.into_iter().map(|o| (o.key, o.size)).collect();
        let versions = bucket.versions(&bucket.layout().evidence_folder())?;
        let latest = versions.map(|versions| {
            let latest = versions.into_iter().filter(|listed| listed.latest);
            latest.map(|l| (l.key, l.version_id)).collect()
        });
        Ok(Self {
            bucket,
            objects,
            latest,
        })
    }

    /// `disposed`: what is believed to have been deleted by rule, and so has to be gone, except for manifest and receipt.
    pub fn compare(
        &self,
        book: &LogHistory,
        disposed: &BTreeMap<EvidenceId, Disposal>,
    ) -> anyhow::Result<Compared> {
        let (mut gaps, mut waiting, mut undeleted) = (Vec::new(), 0, Vec::new());
        for (id, path, stored, previews) in book.stored() {
            let name = format!("item {id} ({path})");
            let gone = disposed.contains_key(&id);
            if gone {
                undeleted.extend(self.left(id, &name, stored, previews)?);
            } else {
                self.object(id, stored, &name, &mut gaps)?;
                for (part, preview) in previews {
                    self.object(id, preview, &format!("the {part} of {name}"), &mut gaps)?;
                }
            }
            let companions = COMPANIONS
                .iter()
                .chain((!stored.keyless && !gone).then_some(&ITEM_KEY));
            for object in companions {
                let key = self.bucket.layout().object(id, object);
                if !self.there(&key)? {
                    if *object == RECEIPT && self.bucket.receipt_waits(id, stored.at)? {
                        waiting += 1;
                        continue;
                    }
                    let what = format!("{name} has no {object} in the store");
                    gaps.push(gap(
                        GapKind::GapObjectMissing,
                        "missing",
                        &key,
                        Some(id),
                        Some(stored),
                        what,
                    ));
                }
            }
        }
        gaps.extend(self.unknown(book));
        for gap in &mut gaps {
            if let Some(id) = gap.evidence {
                (gap.camera, gap.officer) = book.whose(id);
            }
        }
        Ok(Compared {
            gaps,
            receipts_waiting: waiting,
            still_there: undeleted,
        })
    }

    /// What the store has of an item that was deleted by rule.
    fn left(
        &self,
        id: EvidenceId,
        name: &str,
        stored: &LoggedObject,
        previews: &[(Part, LoggedObject)],
    ) -> anyhow::Result<Option<ReportedFinding>> {
        let mut left = Vec::new();
        let previews = previews.iter().map(|(_, preview)| preview);
        for object in std::iter::once(stored).chain(previews) {
            let version = object.version.as_deref();
            if self.listed(&object.key) || self.bucket.head(&object.key, version)?.is_some() {
                left.push(object.key.clone());
            }
        }
        let key = self.bucket.layout().object(id, ITEM_KEY);
        if !stored.keyless && self.there(&key)? {
            left.push(key);
        }
        if left.is_empty() {
            return Ok(None);
        }
        let (code, what) = still_there(name, &left);
        let next_step = crate::model::codes::find(code).map_or("", |code| code.next_step);
        Ok(Some(ReportedFinding {
            code: code.into(),
            evidence: Some(id),
            what,
            next_step: next_step.into(),
        }))
    }

    fn listed(&self, key: &str) -> bool {
        let covered = self
            .latest
            .as_ref()
            .is_some_and(|latest| latest.contains_key(key));
        self.objects.contains_key(key) || covered
    }

    fn object(
        &self,
        id: EvidenceId,
        stored: &LoggedObject,
        name: &str,
        gaps: &mut Vec<Gap>,
    ) -> anyhow::Result<()> {
        let key = &stored.key;
        // Something of the same size may lie over it, so the version on top must be the one that was logged.
        let on_top = stored.version.is_none()
            || (self.latest.as_ref()).is_some_and(|l| l.get(key) == Some(&stored.version));
        if on_top && self.objects.get(key) == Some(&stored.size) {
            return self.lock(id, stored, name, gaps);
        }
        // It was stored after the listing was taken, or something lies over it: the recorded version tells.
        let latest = self.bucket.head(key, None)?;
        let on_top = stored.version.is_none()
            || (latest.as_ref()).is_some_and(|latest| latest.version_id == stored.version);
        let recorded = if on_top {
            latest
        } else {
            self.bucket.head(key, stored.version.as_deref())?
        };
        let same = recorded
            .as_ref()
            .is_some_and(|head| head.size == stored.size);
        let (code, word, what) = match recorded {
            Some(_) if same && on_top => return self.lock(id, stored, name, gaps),
            Some(_) if same => (
                GapKind::GapObjectCovered,
                "covered",
                format!(
                    "{name} is in the store, but a newer version or a delete marker covers {key}"
                ),
            ),
            Some(head) => (
                GapKind::GapObjectSize,
                "size",
                format!(
                    "{name} has {} sealed bytes in the store, {} in the log",
                    head.size, stored.size
                ),
            ),
            None => (
                GapKind::GapObjectMissing,
                "missing",
                format!("{name} is stored according to the log, but the store does not have {key}"),
            ),
        };
        gaps.push(gap(code, word, key, Some(id), Some(stored), what));
        Ok(())
    }

    /// Whether an object that is there is locked as the log says.
    fn lock(
        &self,
        id: EvidenceId,
        stored: &LoggedObject,
        name: &str,
        gaps: &mut Vec<Gap>,
    ) -> anyhow::Result<()> {
        let (version, lock) = (stored.version.as_deref(), stored.lock.as_ref());
        if let Some(problem) = self.bucket.lock_problem(&stored.key, version, lock)? {
            let what = format!("{name} is {problem}");
            gaps.push(gap(
                GapKind::GapObjectUnlocked,
                "unlocked",
                &stored.key,
                Some(id),
                Some(stored),
                what,
            ));
        }
        Ok(())
    }

    fn there(&self, key: &str) -> anyhow::Result<bool> {
        Ok(self.objects.contains_key(key) || self.bucket.head(key, None)?.is_some())
    }

    fn unknown(&self, book: &LogHistory) -> impl Iterator<Item = Gap> {
        let folder = self.bucket.layout().evidence_folder();
        let parts = [Part::Original, Part::Preview, Part::Storyboard].map(Part::as_str);
        let known: BTreeSet<&str> = parts
            .into_iter()
            .chain(COMPANIONS)
            .chain([ITEM_KEY])
            .collect();
        self.objects.keys().filter_map(move |key| {
            let (id, object) = key
                .strip_prefix(&folder)?
                .split_once('/')
                .unwrap_or((key, ""));
            let id = id.parse::<EvidenceId>().ok();
            let ours = id.is_some_and(|id| book.sealed_at(id).is_some());
            if ours && known.contains(object) {
                return None;
            }
            let what = format!(
                "the store holds {}, which this station's log does not know",
                Escaped(key.as_bytes())
            );
            Some(gap(
                GapKind::GapObjectUnknown,
                "unknown",
                key,
                id,
                None,
                what,
            ))
        })
    }
}

fn gap(
    code: GapKind,
    word: &str,
    key: &str,
    evidence: Option<EvidenceId>,
    stored: Option<&LoggedObject>,
    what: String,
) -> Gap {
    Gap {
        gap: format!("{word}:{}", Escaped(key.as_bytes())),
        code,
        camera: None,
        officer: None,
        session: None,
        evidence,
        since: stored.map(|stored| stored.at),
        what,
    }
}
