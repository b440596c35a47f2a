//! Gathers the signed checkpoints that the station cannot take back, and compares the log with them.

use std::path::Path;

use anyhow::Context as _;

use super::report::{AnchorCounts, ReportedFinding};
use crate::audit::{
    Anchor, AuditError, LogFinding, LogReport, LogSource, VerifierKey, check_anchors,
    signed_checkpoints,
};
use crate::cli::bucket::Bucket;
use crate::cli::usage;
use crate::publish::ANCHORS;
use crate::upload::ListedVersion;

/// No checkpoint and no receipt is longer.
const NOTE_MAX: u64 = 128 << 10;

#[derive(Default)]
pub struct Anchors {
    list: Vec<Anchor>,
    pub counts: AnchorCounts,
    pub findings: Vec<ReportedFinding>,
}

impl Anchors {
    /// The checkpoint that somebody kept in a file.
    pub fn kept(&mut self, path: &Path, key: &VerifierKey) -> anyhow::Result<()> {
        let note = std::fs::read_to_string(path)
            .with_context(|| format!("cannot read {}", path.display()))?;
        match key.open(&note) {
            Ok(checkpoint) => {
                self.counts.kept += 1;
                self.list.push(Anchor {
                    checkpoint,
                    place: path.display().to_string(),
                });
                Ok(())
            }
            // The one who kept it knows which station it is of: then the key here is another.
            Err(AuditError::ForeignKey { found, .. }) => {
                let finding = LogFinding::ReplacedKey { found };
                let mut finding = ReportedFinding::of_log(&finding);
                finding.what = format!("{} ({})", finding.what, path.display());
                self.findings.push(finding);
                Ok(())
            }
            Err(error) => Err(usage(format!(
                "{} is no checkpoint of this log: {error}",
                path.display()
            ))),
        }
    }

    /// Every version of the checkpoints that were written once.
    pub fn locked(&mut self, bucket: &Bucket, key: &VerifierKey) -> anyhow::Result<()> {
        let prefix = bucket.layout().log(ANCHORS);
        for object in versions(bucket, &prefix)? {
            let place = object.key.escape_debug().to_string();
            if object.size.is_none() {
                self.add(
                    "anchor_covered",
                    format!("{place} was deleted: a delete marker lies over it"),
                );
                continue;
            }
            let note = bucket.get_version(&object.key, object.version_id.as_deref(), NOTE_MAX)?;
            let Some(note) = note else { continue };
            match key.open(&String::from_utf8_lossy(&note)) {
                Ok(checkpoint) => {
                    self.counts.locked += 1;
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

    /// Compares the log with what was gathered. It may have grown since it was verified, which gave `report`.
    pub fn compare(
        &mut self,
        source: &dyn LogSource,
        report: &LogReport,
        key: &VerifierKey,
    ) -> anyhow::Result<()> {
        let Some((checkpoint, _)) = &report.signed else {
            return Ok(());
        };
        let signed = Anchor {
            checkpoint: checkpoint.clone(),
            place: "the checkpoint of this copy".into(),
        };
        // Broken tiles prove nothing either way, and are named already.
        let broken = report.findings.iter().any(|f| f.label() == "tile_mismatch");
        let mut size = signed.checkpoint.size;
        if self.list.iter().any(|anchor| anchor.checkpoint.size > size)
            && let Some(note) = source.read("checkpoint")?
            && let Ok(now) = key.open(&String::from_utf8_lossy(&note))
        {
            size = size.max(now.size);
        }
        self.list.push(signed);
        match check_anchors(source, size, &self.list) {
            Ok(mut found) => {
                found.retain(|f| !(broken && matches!(f, LogFinding::Rewritten { .. })));
                self.findings
                    .extend(found.iter().map(ReportedFinding::of_log));
                Ok(())
            }
            // Verifying the log has named the same tile.
            Err(AuditError::Missing { .. } | AuditError::Corrupt { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

/// Every version below `prefix`, or, where the store or the credentials do not tell of versions, every object.
pub fn versions(bucket: &Bucket, prefix: &str) -> anyhow::Result<Vec<ListedVersion>> {
    if let Some(versions) = bucket.versions(prefix)? {
        return Ok(versions);
    }
    let listed = bucket.list(prefix)?.into_iter();
    Ok(listed
        .map(|object| ListedVersion {
            key: object.key,
            version_id: None,
            size: Some(object.size),
            latest: true,
        })
        .collect())
}
