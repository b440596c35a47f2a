//! Gathers the signed checkpoints that the station cannot take back, and compares the log with them.

use std::path::Path;

use anyhow::Context as _;

use super::locks::LoggedLocks;
use super::report::{AnchorCounts, CosignedBy, ReportedFinding, VerifyReport};
use super::versions::Listed;
use crate::audit::{
    Anchor, AuditError, LogFinding, LogReport, LogSource, VerifierKey, WitnessPolicy,
    check_anchors, signed_checkpoints, verify_log,
};
use crate::cli::bucket::{Bucket, is_oversized};
use crate::cli::usage;
use crate::config::Config;
use crate::ingest::now;
use crate::model::Explain;
use crate::publish::ANCHORS;
use crate::witnessing::read_kept;

/// No checkpoint and no receipt is longer.
const NOTE_MAX: u64 = 128 << 10;

#[derive(Default)]
pub struct Anchors {
    list: Vec<Anchor>,
    /// The longest that somebody kept.
    kept: u64,
    pub counts: AnchorCounts,
    pub findings: Vec<ReportedFinding>,
    /// What could not be looked at.
    pub unchecked: Option<ReportedFinding>,
}

impl Anchors {
    /// The checkpoint that somebody kept in a file.
    pub fn kept(&mut self, path: &Path, key: &VerifierKey) -> anyhow::Result<()> {
        let note = std::fs::read_to_string(path)
            .with_context(|| format!("cannot read {}", path.display()))?;
        match key.open(&note) {
            Ok(checkpoint) => {
                self.counts.kept += 1;
                self.kept = self.kept.max(checkpoint.size);
                self.list.push(Anchor {
                    checkpoint,
                    place: path.display().to_string(),
                });
                Ok(())
            }
            // Whoever kept it knows its station, so it is the key here that was replaced.
            Err(AuditError::ForeignKey { found, .. }) => {
                let finding = LogFinding::ReplacedKey { found };
                let mut finding = ReportedFinding::of_log(&finding);
                finding.what = format!("{} ({})", finding.what, path.display());
                self.findings.push(finding);
                Ok(())
            }
            Err(error) => Err(usage(format!(
                "{} is not a checkpoint of this log: {error}",
                path.display()
            ))),
        }
    }

    /// The newest checkpoint that each witness cosigned, as the station has kept it.
    pub fn cosigned(&mut self, config: &Config, key: &VerifierKey, verified: &mut VerifyReport) {
        let Some(settings) = &config.witness else {
            return;
        };
        let policy = match WitnessPolicy::parse(&settings.policy) {
            Ok(policy) => policy,
            Err(error) => {
                let what = format!("the witnesses' cosignatures: {error}");
                return verified.unchecked.push(unread(&error, what));
            }
        };
        for witness in policy.witnesses() {
            match read_kept(&config.files.witnesses_dir(), key, &witness.key) {
                Ok(None) => {}
                Ok(Some(kept)) => {
                    self.counts.cosigned += 1;
                    verified.witnesses.push(CosignedBy {
                        witness: witness.name.clone(),
                        key: witness.key.to_string(),
                        entries: kept.checkpoint.size,
                        at: kept.at,
                    });
                    self.list.push(Anchor {
                        checkpoint: kept.checkpoint,
                        place: format!("the checkpoint cosigned by {:?}", witness.name),
                    });
                }
                Err(error) => {
                    let what = format!("the cosignature of {:?}: {error}", witness.name);
                    verified.unchecked.push(unread(&error, what));
                }
            }
        }
    }

    /// Every version of the checkpoints that were written once; each must be locked as the items of its time are.
    pub fn locked(
        &mut self,
        bucket: &Bucket,
        key: &VerifierKey,
        locks: &LoggedLocks,
    ) -> anyhow::Result<()> {
        let prefix = bucket.layout().log(ANCHORS);
        let listed = Listed::take(bucket, &prefix)?;
        self.unchecked = listed.unseen();
        for object in listed.versions {
            let place = object.key.escape_debug().to_string();
            if object.size.is_none() {
                self.add(
                    "anchor_covered",
                    format!("{place} was deleted: a delete marker lies over it"),
                );
                continue;
            }
            let version = object.version_id.as_deref();
            let note = match bucket.get_version(&object.key, version, NOTE_MAX) {
                Ok(Some(note)) => note,
                Ok(None) => {
                    let what = format!("{place} is listed, but the store does not have it");
                    self.add("anchor_covered", what);
                    continue;
                }
                Err(error) if is_oversized(&error) => {
                    let what =
                        format!("{place} is larger than anything that the station left there");
                    self.add("anchor_covered", what);
                    continue;
                }
                Err(error) => return Err(error),
            };
            match key.open(&String::from_utf8_lossy(&note)) {
                Ok(checkpoint) => {
                    let lock = bucket.lock(&object.key, version)?;
                    if lock.as_ref().is_some_and(|lock| lock.until > now()) {
                        self.counts.locked += 1;
                    } else {
                        self.counts.unlocked += 1;
                    }
                    let wanted = locks.of_checkpoint(checkpoint.size);
                    if let Some(wanted) = wanted.filter(|wanted| wanted.until > now())
                        && !wanted.is_held_by(lock.as_ref())
                    {
                        let seen = lock.map_or_else(
                            || "not locked".to_owned(),
                            |lock| format!("locked {lock}"),
                        );
                        let what = format!(
                            "{place} is {seen}, unlike the items of its time: whoever may write there can delete it"
                        );
                        self.findings.push(ReportedFinding {
                            code: "anchor_unlocked".into(),
                            evidence: None,
                            what,
                            next_step: "Lock that version again, and find out who changed its lock. Keep this output.".into(),
                        });
                    }
                    self.list.push(Anchor { checkpoint, place });
                }
                Err(error) => {
                    self.add(
                        "anchor_covered",
                        format!("{place} is not what the station left there: {error}"),
                    );
                }
            }
        }
        Ok(())
    }

    /// The checkpoints in a receipt; returns whether the key signed any.
    pub fn receipt(&mut self, text: &[u8], place: &str, key: &VerifierKey) -> bool {
        let found = signed_checkpoints(&String::from_utf8_lossy(text), key);
        self.counts.receipts += found.len();
        let any = !found.is_empty();
        self.list.extend(found.into_iter().map(|checkpoint| Anchor {
            checkpoint,
            place: place.to_owned(),
        }));
        any
    }

    fn add(&mut self, code: &str, what: String) {
        self.findings.push(ReportedFinding {
            code: code.into(),
            evidence: None,
            what,
            next_step: "Change nothing in the bucket, keep this output, and call the evidence manager: only the station may write there, and only once.".into(),
        });
    }

    /// Compares the log with what was gathered. `report` is of the log as it was verified; where newer anchors show that it
    /// has grown since, all of it is verified again. What was found before an error stays in `findings`.
    pub fn compare(
        &mut self,
        source: &(dyn LogSource + Sync),
        report: &LogReport,
        key: &VerifierKey,
    ) -> anyhow::Result<()> {
        let Some((checkpoint, _)) = &report.signed else {
            return Ok(());
        };
        let mut size = checkpoint.size;
        let mut found = Vec::new();
        // What was kept is older than this verification: a log that is shorter has not grown, it was cut.
        let grown = self.kept <= size && self.list.iter().any(|a| a.checkpoint.size > size);
        if grown {
            let again = verify_log(source, key, &mut |_, _| {}, Some(checkpoint))?;
            if let Some((now, _)) = &again.signed {
                size = size.max(now.size);
            }
            let new = again.findings.into_iter();
            found.extend(new.filter(|finding| !report.findings.contains(finding)));
        }
        let clean = report.is_clean() && found.is_empty();
        // Broken tiles prove nothing either way, and are named already.
        let broken = (report.findings.iter().chain(&found)).any(|f| f.label() == "tile_mismatch");
        self.list.push(Anchor {
            checkpoint: checkpoint.clone(),
            place: "the checkpoint of this copy".into(),
        });
        let checked = check_anchors(source, size, &self.list, &mut found);
        found.retain(|f| !(broken && matches!(f, LogFinding::Rewritten { .. })));
        self.findings
            .extend(found.iter().map(ReportedFinding::of_log));
        match checked {
            // The log was read whole a moment ago.
            Err(error @ (AuditError::Missing { .. } | AuditError::Corrupt { .. })) if clean => {
                self.findings.push(ReportedFinding {
                    code: "tile_mismatch".into(),
                    evidence: None,
                    what: format!("the log was read whole, but not when it was asked again: {error}"),
                    next_step: "Verify once more. If it is said again, keep this output, and call the evidence manager: one of the copies is not what it seems.".into(),
                });
                Ok(())
            }
            // Verifying the log has named the same tile.
            Ok(()) | Err(AuditError::Missing { .. } | AuditError::Corrupt { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

fn unread(error: &impl Explain, what: String) -> ReportedFinding {
    ReportedFinding {
        code: error.label().into(),
        evidence: None,
        what,
        next_step: error.next_step(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;
    use crate::audit::{Checkpoint, DirSource, Log, LogKey};

    const ORIGIN: &str = "example.org/station";

    /// A log of some entries with its checkpoint, as it grows in `dir`.
    fn grow(dir: &Path, pkcs8: &[u8], to: u64) -> (Checkpoint, String) {
        let mut log = Log::open(dir, LogKey::from_pkcs8(pkcs8).unwrap(), ORIGIN).unwrap();
        let entries = (log.size()..to).map(|n| format!("{{\"n\":{n}}}").into_bytes());
        log.append(&entries.collect::<Vec<_>>()).unwrap();
        let signed = (log.checkpoint().clone(), log.note().to_owned());
        log.close().unwrap();
        signed
    }

    /// Shows one checkpoint first and another from then on.
    struct TwoFaced {
        tiles: DirSource,
        notes: [String; 2],
        asked: AtomicBool,
    }

    impl LogSource for TwoFaced {
        fn read(&self, key: &str) -> Result<Option<Vec<u8>>, AuditError> {
            if key != "checkpoint" {
                return self.tiles.read(key);
            }
            let asked = self.asked.swap(true, Ordering::Relaxed);
            Ok(Some(self.notes[usize::from(asked)].clone().into_bytes()))
        }
    }

    struct Case {
        dir: tempfile::TempDir,
        key: VerifierKey,
        short: String,
        long: (Checkpoint, String),
    }

    impl Case {
        fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            let (key, pkcs8) = LogKey::generate().unwrap();
            let (_, short) = grow(&dir.path().join("short"), &pkcs8, 100);
            grow(&dir.path().join("long"), &pkcs8, 100);
            let long = grow(&dir.path().join("long"), &pkcs8, 200);
            let key = key.verifier(ORIGIN).unwrap();
            Self {
                dir,
                key,
                short,
                long,
            }
        }

        /// What is found of a log of 100 entries that says it has 200 when it is asked again, with these tiles.
        fn found(&self, tiles: &str, kept: bool) -> Vec<String> {
            let source = TwoFaced {
                tiles: DirSource::new(self.dir.path().join(tiles)),
                notes: [self.short.clone(), self.long.1.clone()],
                asked: AtomicBool::new(false),
            };
            let mut anchors = Anchors::default();
            if kept {
                let file = self.dir.path().join("kept");
                std::fs::write(&file, &self.long.1).unwrap();
                anchors.kept(&file, &self.key).unwrap();
            } else {
                anchors.list.push(Anchor {
                    checkpoint: self.long.0.clone(),
                    place: "checkpoints/200".into(),
                });
            }
            let report = verify_log(&source, &self.key, &mut |_, _| {}, None).unwrap();
            assert!(report.is_clean(), "{report:?}");
            anchors.compare(&source, &report, &self.key).unwrap();
            anchors.findings.into_iter().map(|f| f.code).collect()
        }
    }

    #[test]
    fn a_log_that_only_says_it_has_grown_is_found_out() {
        let case = Case::new();
        assert_ne!(case.found("short", false), [""; 0]);
        // A station's log grows while it is verified.
        assert_eq!(case.found("long", false), [""; 0]);
    }

    #[test]
    fn a_log_that_is_shorter_than_what_was_kept_was_cut_whatever_it_says_later() {
        let case = Case::new();
        for tiles in ["short", "long"] {
            assert_eq!(case.found(tiles, true), ["truncated"], "{tiles}");
        }
    }
}
