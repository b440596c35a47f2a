//! What the store lists, with every version where it tells of them, and the objects that were written more than once.

use std::collections::BTreeMap;

use super::LoggedItems;
use super::report::ReportedFinding;
use crate::cli::bucket::Bucket;
use crate::model::EvidenceId;
use crate::upload::ListedVersion;

/// All that lies below a prefix.
pub struct Listed {
    pub versions: Vec<ListedVersion>,
}

impl Listed {
    /// Every version, or, where the store or the credentials do not tell of versions, every object.
    pub fn take(bucket: &Bucket, prefix: &str) -> anyhow::Result<Self> {
        if let Some(versions) = bucket.versions(prefix)? {
            return Ok(Self { versions });
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
    let mut first = None;
    for version in versions {
        let Some(size) = version.size else {
            return Ok(false);
        };
        let head = bucket.head(&version.key, version.version_id.as_deref())?;
        let Some(content) = head.and_then(|head| head.checksum.or(head.etag)) else {
            return Ok(false);
        };
        let content = (size, content);
        if *first.get_or_insert_with(|| content.clone()) != content {
            return Ok(false);
        }
    }
    Ok(true)
}
