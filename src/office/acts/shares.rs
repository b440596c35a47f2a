//! What the office's own log says of shares.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::model::{Decider, Event, EvidenceId, Sha256Digest, ShareId, StationName};

/// One share, as its acts have it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownShare {
    pub share: ShareId,
    /// The fingerprint of the recipient's key.
    pub to: String,
    pub made_at: Timestamp,
    pub until: Timestamp,
    /// The digest of what its recipient is told.
    pub manifest: Option<Sha256Digest>,
    pub by: Decider,
    /// In the order of their acts.
    pub items: Vec<KnownItem>,
}

/// An item of a share, with the indices of the acts about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownItem {
    pub station: StationName,
    pub evidence: EvidenceId,
    pub shared: u64,
    /// With its time.
    pub ended: Option<(u64, Timestamp)>,
}

impl KnownShare {
    /// Nothing of it is shared any more, published or not.
    pub fn is_ended(&self) -> bool {
        self.items.iter().all(|item| item.ended.is_some())
    }

    /// The last act by which it was made.
    pub fn last_act(&self) -> u64 {
        self.items.iter().map(|item| item.shared).max().unwrap_or(0)
    }
}

#[derive(Default)]
pub struct ActsShares(BTreeMap<ShareId, KnownShare>);

impl ActsShares {
    pub fn see(&mut self, index: u64, at: Timestamp, event: &Event) {
        match event {
            Event::ItemShared(act) => {
                let share = self.0.entry(act.share).or_insert_with(|| KnownShare {
                    share: act.share,
                    to: act.to.clone(),
                    made_at: at,
                    until: act.until,
                    manifest: act.manifest_sha256,
                    by: act.by.clone(),
                    items: Vec::new(),
                });
                // A share has one recipient, one end and one manifest.
                if (&share.to, share.until, share.manifest)
                    == (&act.to, act.until, act.manifest_sha256)
                {
                    share.items.push(KnownItem {
                        station: act.log.clone(),
                        evidence: act.evidence,
                        shared: index,
                        ended: None,
                    });
                }
            }
            Event::ShareEnded(act) => {
                let share = self.0.get_mut(&act.share);
                let items = share.into_iter().flat_map(|share| &mut share.items);
                for item in items {
                    if (&item.station, item.evidence) == (&act.log, act.evidence) {
                        item.ended.get_or_insert((index, at));
                    }
                }
            }
            _ => {}
        }
    }

    pub fn all(&self) -> impl Iterator<Item = &KnownShare> {
        self.0.values()
    }

    pub fn get(&self, share: ShareId) -> Option<&KnownShare> {
        self.0.get(&share)
    }
}
