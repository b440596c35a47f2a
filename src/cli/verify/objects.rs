//! Checks every stored item, and looks for objects and receipts that the log does not explain.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use indicatif::{ProgressBar, ProgressStyle};
use parking_lot::Mutex;

use super::LoggedItems;
use super::anchors::Anchors;
use super::item::{ItemCheck, ItemChecked};
use super::report::{ReportedFinding, VerifyReport};
use super::versions::Listed;
use crate::audit::VerifierKey;
use crate::cli::bucket::{Bucket, RECEIPT, is_oversized};
use crate::cli::views::Views;
use crate::model::{EvidenceId, Sha256Digest};
use crate::seal::RecipientKey;
use crate::upload::{ListedVersion, UploadError};

/// No receipt is longer.
const RECEIPT_MAX: u64 = 1 << 20;
/// The most objects of a foreign item that one finding names.
const NAMED_MAX: usize = 8;

pub struct ObjectsCheck<'a> {
    pub bucket: &'a Arc<Bucket>,
    pub key: &'a VerifierKey,
    pub items: &'a LoggedItems,
    pub recipient: Option<&'a RecipientKey>,
    /// Where it is entered that an item is opened.
    pub views: Option<&'a Views>,
    pub deep: bool,
    pub rolling: Option<u16>,
    /// No progress bar.
    pub quiet: bool,
}

impl ObjectsCheck<'_> {
    /// `listed`: what lay in the store before the log was read; all of it was in the log by then.
    pub fn run(
        &self,
        listed: anyhow::Result<Listed>,
        verified: &mut VerifyReport,
        anchors: &mut Anchors,
    ) -> anyhow::Result<()> {
        let items = self.items;
        verified.items_sealed = items.sealed.len();
        verified.items_stored = items.stored.len();
        verified.items_waiting = items
            .sealed
            .keys()
            .filter(|id| !items.stored.contains_key(id) && !items.damaged.contains(id))
            .count();
        may_read(self.bucket, items)?;
        verified.findings.extend(not_taken_again(items));
        let mut findings = self.stored(verified, anchors);
        let listed = listed?;
        findings.extend(self.unexplained(&listed, anchors)?);
        findings.extend(listed.several(self.bucket, items)?);
        verified.unchecked.extend(listed.unseen());
        findings.sort();
        let (unchecked, findings): (Vec<_>, Vec<_>) = findings
            .into_iter()
            .partition(|finding| finding.code == "store_error");
        verified.findings.extend(findings);
        verified.unchecked.extend(unchecked);
        Ok(())
    }

    /// Whether an item is read back whole this time.
    fn reads(&self, id: EvidenceId, week: u64) -> bool {
        let share = self.rolling.map(|weeks| {
            let digest = Sha256Digest::of(id.as_bytes());
            let mut first = [0; 8];
            first.copy_from_slice(&digest.0[..8]);
            u64::from_be_bytes(first) % u64::from(weeks) == week % u64::from(weeks)
        });
        self.deep || share == Some(true)
    }

    fn stored(&self, verified: &mut VerifyReport, anchors: &mut Anchors) -> Vec<ReportedFinding> {
        let week = u64::try_from(jiff::Timestamp::now().as_second() / (7 * 86_400)).unwrap_or(0);
        let stored: Vec<&EvidenceId> = self.items.stored.keys().collect();
        let bar = progress(stored.len() as u64, self.quiet);
        let next = AtomicUsize::new(0);
        let (findings, total) = (Mutex::new(Vec::new()), Mutex::new(ItemChecked::default()));
        let anchors = Mutex::new(anchors);
        let reads = self.deep || self.rolling.is_some();
        std::thread::scope(|scope| {
            for _ in 0..if reads { 2 } else { 8 } {
                scope.spawn(|| {
                    while let Some(id) = stored.get(next.fetch_add(1, Ordering::Relaxed)) {
                        let item = ItemCheck {
                            bucket: self.bucket,
                            key: self.key,
                            id: **id,
                            items: self.items,
                            recipient: self.recipient,
                            views: self.views,
                            deep: self.reads(**id, week),
                        };
                        let (checked, problems) = item.run();
                        if let Some(receipt) = &checked.receipt {
                            let place = format!("the receipt of item {id}");
                            anchors.lock().receipt(receipt, &place, self.key);
                        }
                        total.lock().add(&checked);
                        let found = problems.into_iter().map(|(code, what)| ReportedFinding {
                            code: code.to_owned(),
                            evidence: Some(**id),
                            what,
                            next_step: next_step(code, **id),
                        });
                        findings.lock().extend(found);
                        bar.inc(1);
                    }
                });
            }
        });
        bar.finish_and_clear();
        let total = total.into_inner();
        verified.items_read = total.read;
        verified.items_opened = total.opened;
        verified.previews = total.previews;
        verified.receipts_waiting = total.receipts_waiting;
        verified.items_without_lock = total.without_lock;
        verified.checksums_named = total.checksums_named;
        verified.by_size_only = total.by_size_only;
        verified.items_disposed = total.disposed;
        findings.into_inner()
    }

    /// Objects that the log does not explain. Receipts among them, and receipts under other receipts, hold checkpoints, too.
    fn unexplained(
        &self,
        listed: &Listed,
        anchors: &mut Anchors,
    ) -> anyhow::Result<Vec<ReportedFinding>> {
        let prefix = self.bucket.layout().evidence_folder();
        let mut foreign: BTreeMap<String, Vec<&ListedVersion>> = BTreeMap::new();
        let mut signed = BTreeSet::new();
        for object in listed.versions.iter().filter(|o| o.size.is_some()) {
            let rest = object.key.strip_prefix(&prefix).unwrap_or(&object.key);
            let (folder, name) = rest.split_once('/').unwrap_or((rest, ""));
            let id = folder.parse::<EvidenceId>().ok();
            let known = id.is_some_and(|id| self.items.sealed.contains_key(&id));
            let checked = id.is_some_and(|id| self.items.stored.contains_key(&id));
            if name == RECEIPT && !(checked && object.latest) {
                let version = object.version_id.as_deref();
                let text = match self.bucket.get_version(&object.key, version, RECEIPT_MAX) {
                    // It is no receipt; its item's check or the several versions name it.
                    Err(error) if is_oversized(&error) => None,
                    read => read?,
                };
                let place = object.key.escape_debug().to_string();
                if text.is_some_and(|text| anchors.receipt(&text, &place, self.key)) {
                    signed.insert(folder.to_owned());
                }
            }
            if !known && object.latest {
                foreign.entry(folder.to_owned()).or_default().push(object);
            }
        }
        let findings = foreign.iter().map(|(folder, objects)| {
            let evidence = folder.parse().ok();
            let names: Vec<String> = objects
                .iter()
                .take(NAMED_MAX)
                .map(|object| object.key.escape_debug().to_string())
                .collect();
            let count = objects.len();
            if signed.contains(folder) {
                return ReportedFinding {
                    code: "item_cut".into(),
                    evidence,
                    what: format!(
                        "the log does not name item {folder}, though its receipt in the store is signed by this station: its entries were cut off or replaced ({count} objects)"
                    ),
                    next_step: "Keep both the log and the bucket as they are, and call the evidence manager.".into(),
                };
            }
            ReportedFinding {
                code: "unknown_object".into(),
                evidence,
                what: format!(
                    "the store holds {}, which this station's log does not know ({count} objects)",
                    names.join(", ")
                ),
                next_step:
                    "Find out who put it there: only this station's credentials should be able to."
                        .into(),
            }
        });
        Ok(findings.collect())
    }
}

fn next_step(code: &str, id: EvidenceId) -> String {
    match code {
        "store_error" => "Check the network, the store and its credentials, then verify again: nothing is known of this item.".into(),
        "no_key" => {
            format!("Give --key the private key of one of the recipients: `camdock show {id}` names them.")
        }
        _ => format!(
            "Run `camdock show {id}`, keep the object as it is, call the evidence manager, and dock the camera again if it still holds the file."
        ),
    }
}

/// Items that were damaged on the station and whose recording was not stored as another item either.
fn not_taken_again(items: &LoggedItems) -> impl Iterator<Item = ReportedFinding> {
    let lost = items
        .damaged
        .iter()
        .filter(|id| !items.stored.contains_key(id))
        .filter_map(|id| Some((id, &items.sealed.get(id)?.0)));
    lost.filter(|(_, sealed)| {
        !items.stored.keys().any(|other| {
            items.sealed.get(other).is_some_and(|(again, _)| {
                (&again.camera, &again.path, again.sha256)
                    == (&sealed.camera, &sealed.path, sealed.sha256)
            })
        })
    })
    .map(|(id, sealed)| ReportedFinding {
        code: "item_damaged".into(),
        evidence: Some(*id),
        what: format!(
            "item {id} ({}) was damaged on the station before it was stored, and was not taken again",
            sealed.path
        ),
        next_step: "Dock its camera again; if the camera no longer has it, keep the station's spool folder and call the evidence manager.".into(),
    })
}

/// Credentials that may not read evidence cannot verify it: that is an error, not a finding about an item.
fn may_read(bucket: &Bucket, items: &LoggedItems) -> anyhow::Result<()> {
    let Some((stored, _)) = items.stored.values().next() else {
        return Ok(());
    };
    let asked = bucket.head(&stored.key, stored.version_id.as_deref());
    let Err(error) = asked else { return Ok(()) };
    let refused = error
        .chain()
        .any(|e| matches!(e.downcast_ref(), Some(UploadError::Forbidden { .. })));
    if refused {
        return Err(error.context(
            "these store credentials may not read evidence, so the items were not verified: give `verify_credentials_file` in \
             [store] credentials with the permissions of config/verify-policy.json, or verify on another machine",
        ));
    }
    Ok(())
}

fn progress(items: u64, quiet: bool) -> ProgressBar {
    let bar = if quiet {
        ProgressBar::hidden()
    } else {
        ProgressBar::new(items)
    };
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} items, {eta} left") {
        bar.set_style(style);
    }
    bar
}
