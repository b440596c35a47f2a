//! A multipart upload in progress: the parts that the store has, and those that are still to be sent.

use std::collections::BTreeMap;

use crate::model::{Sha256Digest, composite_checksum};

use super::expected::ExpectedObject;
use super::ledger::{Multipart, Resume};
use super::md5::{Md5Digest, etag_of_parts};
use super::part_source::PartSource;
use super::plan::PartPlan;
use super::store::{DonePart, ListedPart};

pub(super) struct PartsInHand {
    pub multipart: Multipart,
    pub plan: PartPlan,
    pub source: Box<dyn PartSource>,
    /// Our parts that the store holds, by number.
    pub done: BTreeMap<u32, DonePart>,
    /// The MD5s of the parts that this attempt read while the store was not known to name SHA-256.
    pub md5s: BTreeMap<u32, Md5Digest>,
    /// Parts that the store lists but the ledger lacks: a part is sent again only if it differs from these.
    listed: BTreeMap<u32, Vec<DonePart>>,
}

impl PartsInHand {
    pub fn new(multipart: Multipart, plan: PartPlan, source: Box<dyn PartSource>) -> Self {
        Self {
            multipart,
            plan,
            source,
            done: BTreeMap::new(),
            md5s: BTreeMap::new(),
            listed: BTreeMap::new(),
        }
    }

    /// Continues from what the ledger has noted; [`Self::keep_only`] must follow.
    pub fn resumed(resume: Resume, plan: PartPlan, source: Box<dyn PartSource>) -> Self {
        let noted = resume.parts.into_iter();
        let done = noted
            .filter(|part| plan.range(part.number).is_some())
            .map(|part| (part.number, part))
            .collect();
        Self {
            done,
            ..Self::new(resume.multipart, plan, source)
        }
    }

    /// Keeps only those noted parts that the store lists in exactly that form.
    pub fn keep_only(&mut self, listed: Vec<ListedPart>) {
        let plan = self.plan;
        let mut held: BTreeMap<u32, Vec<ListedPart>> = BTreeMap::new();
        for part in listed {
            if plan.length(part.number) == part.size {
                held.entry(part.number).or_default().push(part);
            }
        }
        self.done.retain(|number, part| {
            held.get(number).into_iter().flatten().any(|held| {
                held.etag == part.etag
                    && held.checksum.is_none_or(|checksum| checksum == part.sha256)
            })
        });
        let known = |part: ListedPart| {
            Some(DonePart {
                number: part.number,
                etag: part.etag,
                sha256: part.checksum?,
            })
        };
        self.listed = held
            .into_iter()
            .map(|(number, parts)| (number, parts.into_iter().filter_map(known).collect()))
            .collect();
    }

    /// The ETag of this very part if the store already has it.
    pub fn listed_etag(&mut self, number: u32, sha256: Sha256Digest) -> Option<String> {
        let listed = self.listed.remove(&number)?;
        let same = listed.into_iter().find(|part| part.sha256 == sha256);
        same.map(|part| part.etag)
    }

    pub fn missing(&self) -> Vec<u32> {
        (1..=self.plan.count)
            .filter(|number| !self.done.contains_key(number))
            .collect()
    }

    /// Bytes of the parts that the store has.
    pub fn bytes_done(&self) -> u64 {
        self.done.keys().map(|&n| self.plan.length(n)).sum()
    }

    pub fn parts(&self) -> Vec<DonePart> {
        self.done.values().cloned().collect()
    }

    /// The finished object as it must be. Needs every part in `done`.
    pub fn expected<'k>(&self, key: &'k str) -> ExpectedObject<'k> {
        let digests: Vec<_> = self.done.values().map(|part| part.sha256).collect();
        ExpectedObject {
            key,
            size: self.plan.size,
            part_size: Some(self.plan.part_size),
            checksum: composite_checksum(&digests),
            etag: (self.md5s.len() == self.done.len()).then(|| {
                let md5s: Vec<_> = self.md5s.values().copied().collect();
                etag_of_parts(&md5s)
            }),
            retention: self.multipart.retention.clone(),
        }
    }
}
