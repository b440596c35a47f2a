//! What the store lists, with every version where it tells of them, and the objects that were written more than once.

use std::collections::BTreeMap;

use super::LoggedItems;
use super::report::ReportedFinding;
use crate::cli::bucket::Bucket;
use crate::model::EvidenceId;
use crate::upload::{Head, ListedVersion};

/// All that lies below a prefix.
pub struct Listed {
    pub versions: Vec<ListedVersion>,
    /// Only what is newest was told.
    pub newest_only: bool,
}

impl Listed {
    /// Every version, or, where the store or the credentials do not tell of versions, every object.
    pub fn take(bucket: &Bucket, prefix: &str) -> anyhow::Result<Self> {
        if let Some(versions) = bucket.versions(prefix)? {
            return Ok(Self {
                versions,
                newest_only: false,
            });
        }
        let listed = bucket.list(prefix)?.into_iter();
        let versions = listed.map(|object| ListedVersion {
            key: object.key,
            version_id: None,
            size: Some(object.size),
            latest: true,
        });
        Ok(Self {
            versions: versions.collect(),
            newest_only: true,
        })
    }

    /// That deletions and older versions were not looked at, if so.
    pub fn unseen(&self) -> Option<ReportedFinding> {
        self.newest_only.then(|| ReportedFinding {
            code: "versions_hidden".into(),
            evidence: None,
            what: "the store does not tell these credentials of older versions, so deletions, and anchors and receipts that lie under something else, were not looked at".into(),
            next_step: "Give the credentials that verify the right s3:ListBucketVersions, as in config/verify-policy.json.".into(),
        })
    }

    /// The log's items of which an object was written more than once, or deleted: each is written once.
    pub fn several(
        &self,
        bucket: &Bucket,
        items: &LoggedItems,
    ) -> anyhow::Result<Vec<ReportedFinding>> {
        let folder = bucket.layout().evidence_folder();
        let mut by_key: BTreeMap<&str, Vec<&ListedVersion>> = BTreeMap::new();
        for version in &self.versions {
            by_key.entry(&version.key).or_default().push(version);
        }
        let mut findings = Vec::new();
        for (key, versions) in by_key {
            let id = key.strip_prefix(&folder).and_then(|rest| {
                let (id, _) = rest.split_once('/')?;
                id.parse::<EvidenceId>().ok()
            });
            // Objects of items that the log does not know are named as such.
            let Some(id) = id.filter(|id| items.sealed.contains_key(id)) else {
                continue;
            };
            if versions.len() < 2
                || is_covered(key, &versions, items.recorded(id))
                || same_bytes(bucket, &versions)?
            {
                continue;
            }
            let deleted = versions.iter().filter(|v| v.size.is_none()).count();
            findings.push(ReportedFinding {
                code: "several_versions".into(),
                evidence: Some(id),
                what: format!(
                    "{} is written once, but has {} versions and {deleted} deletions in the store",
                    key.escape_debug(),
                    versions.len() - deleted
                ),
                next_step: "Change nothing in the bucket: the older versions lie beneath. Keep this output, and call the evidence manager.".into(),
            });
        }
        Ok(findings)
    }
}

/// Something lies over the version in the log: the check of the item names that.
fn is_covered<'a>(
    key: &str,
    versions: &[&ListedVersion],
    mut recorded: impl Iterator<Item = (&'a str, Option<&'a str>)>,
) -> bool {
    let latest = versions.iter().find(|version| version.latest);
    recorded.any(|(recorded, version)| {
        recorded == key
            && version.is_some()
            && latest.is_none_or(|latest| latest.version_id.as_deref() != version)
    })
}

/// A store that forgot its answer may have been given the same bytes again.
fn same_bytes(bucket: &Bucket, versions: &[&ListedVersion]) -> anyhow::Result<bool> {
    let mut heads = Vec::new();
    for version in versions {
        let head = match version.size {
            Some(_) => bucket.head(&version.key, version.version_id.as_deref())?,
            None => None,
        };
        match head {
            Some(head) => heads.push(head),
            None => return Ok(false),
        }
    }
    let same = |content: fn(&Head) -> Option<&str>| {
        heads.iter().all(|head| content(head).is_some())
            && heads
                .windows(2)
                .all(|two| two[0].size == two[1].size && content(&two[0]) == content(&two[1]))
    };
    Ok(same(|head| head.checksum.as_deref()) || same(|head| head.etag.as_deref()))
}
