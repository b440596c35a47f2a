//! Takes note of what the disposer has deleted. The office alone writes its log, and believes the disposer's record only as far as the
//! store says so: it asks for every version that the record names, and for whatever else is below the item's name.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;

use super::acts::Acts;
use super::index::{Index, KnownDisposal};
use super::{OfficeError, warn};
use crate::audit::is_late_enough;
use crate::config::OfficeConfig;
use crate::model::{
    BucketLayout, DisposalRecord, DisposedVersion, Event, EvidenceId, Explain as _, ItemDisposed,
    Obstacle, Part, StationName,
};
use crate::upload::{S3Store, Store as _};

/// Between two looks, at most.
const PAUSE: Duration = Duration::from_mins(1);
const STEP: u32 = 100;
const RECORD_MAX: u64 = 1 << 20;
/// Versions below one item's name.
const VERSIONS_MAX: usize = 1000;
/// What the disposer's clock may be ahead of the office's.
const AHEAD: SignedDuration = SignedDuration::from_mins(5);
/// Objects that go.
const GO: [Part; 4] = [
    Part::Original,
    Part::Preview,
    Part::Storyboard,
    Part::ItemKey,
];
const MANIFEST: &str = "manifest.json";

pub struct Disposals {
    config: OfficeConfig,
    store: S3Store,
    index: Arc<Index>,
    acts: Arc<Acts>,
}

impl Disposals {
    pub fn new(
        config: &OfficeConfig,
        store: S3Store,
        index: &Arc<Index>,
        acts: &Arc<Acts>,
    ) -> Self {
        Self {
            config: config.clone(),
            store,
            index: Arc::clone(index),
            acts: Arc::clone(acts),
        }
    }

    pub async fn run(self, mut stop: watch::Receiver<bool>) {
        let pause = PAUSE.min(self.config.reconciling.list_interval);
        let mut last = None;
        while !*stop.borrow() {
            let round = tokio::select! {
                round = self.round() => round,
                _ = stop.wait_for(|stop| *stop) => return,
            };
            let label = round.as_ref().err().map(OfficeError::label);
            if let Err(error) = round
                && last != label
            {
                warn(&error, "a deletion by rule cannot be confirmed");
            }
            last = label;
            tokio::select! {
                () = tokio::time::sleep(pause) => {},
                _ = stop.changed() => {},
            }
        }
    }

    async fn round(&self) -> Result<(), OfficeError> {
        tokio::task::block_in_place(|| self.acts.index_published(&self.index))?;
        let (mut after, mut last) = (0, Ok(()));
        loop {
            let index = &self.index;
            let approved = tokio::task::block_in_place(|| index.approved_disposals(after, STEP))?;
            let Some((end, ..)) = approved.last() else {
                return last;
            };
            after = *end;
            for (approval, station, evidence) in approved {
                let confirmed = self.confirm(approval, &station, evidence).await;
                last = confirmed.and(last);
            }
        }
    }

    /// Enters that an item is gone, if the disposer says so and the store, too.
    async fn confirm(
        &self,
        approval: u64,
        station: &StationName,
        evidence: EvidenceId,
    ) -> Result<(), OfficeError> {
        let own = self.config.bucket_layout();
        let key = own.disposal(approval, evidence, "done.json");
        let Some(bytes) = self.store.get(&key, RECORD_MAX).await? else {
            return Ok(());
        };
        let record = serde_json::from_slice::<DisposalRecord>(&bytes).ok();
        let of_it = |record: &DisposalRecord| {
            record.v == 1
                && record.log == *station
                && record.evidence == evidence
                && record.approval == approval
        };
        let Some(record) = record.filter(of_it) else {
            return Err(OfficeError::DisposalUnfit { key });
        };
        let layout = self.config.layout_of(station);
        see_gone(&self.store, &layout, evidence, &record.versions).await?;
        let seen_gone = Timestamp::now();
        let index = &self.index;
        let known = tokio::task::block_in_place(|| index.disposal_of(station, evidence))?;
        let Some(KnownDisposal {
            proposal,
            approval: Some(approved),
            disposed: None,
        }) = known.filter(|known| {
            let entry = known.approval.as_ref().map(|approval| approval.entry);
            entry == Some(approval)
        })
        else {
            let why = Obstacle::NotApproved;
            return Err(OfficeError::NotDisposable {
                item: evidence,
                why,
            });
        };
        let disposed = ItemDisposed {
            log: station.clone(),
            evidence,
            class: proposal.act.class,
            days: proposal.act.days,
            sealed: proposal.act.sealed,
            proposal: self.acts.reference(proposal.entry),
            proposed_by: proposal.act.by.operator,
            approval: self.acts.reference(approval),
            approved_by: approved.act.by.operator,
            versions: record.versions,
            gone_at: record.gone_at,
            seen_gone,
        };
        // Whoever wrote the record chose its time.
        let ahead = seen_gone.checked_add(AHEAD).unwrap_or(seen_gone);
        let late_enough = is_late_enough(&disposed, approved.at);
        if late_enough.is_err() || record.gone_at > ahead {
            return Err(OfficeError::DisposalUnfit { key });
        }
        let entry = self
            .acts
            .enter(Event::ItemDisposed(Box::new(disposed)))
            .await?;
        tracing::info!(%evidence, entry, "an item was deleted by rule, and the store says that it is gone");
        // Before it is looked at once more.
        self.acts.is_published(entry, PAUSE).await;
        tokio::task::block_in_place(|| self.acts.index_published(&self.index))
    }
}

/// A list that has the manifest, which stays, and nothing that goes; and none of these versions. Answers, and not their absence.
pub async fn see_gone(
    store: &S3Store,
    layout: &BucketLayout,
    evidence: EvidenceId,
    versions: &[DisposedVersion],
) -> Result<(), OfficeError> {
    let folder = layout.object(evidence, "");
    let listed = store.list_versions(&folder, VERSIONS_MAX).await?;
    let named = |name: &str| {
        listed
            .iter()
            .find(|it| it.key.strip_prefix(&folder) == Some(name))
    };
    if named(MANIFEST).is_none() {
        return Err(OfficeError::NotStored { item: evidence });
    }
    if let Some(left) = GO.iter().find_map(|part| named(part.as_str())) {
        let key = left.key.clone();
        return Err(OfficeError::StillThere { key });
    }
    for version in versions.iter().filter(|version| !version.deletion) {
        let part: Option<Part> = version.name.parse().ok();
        let Some(part) = part.filter(|part| GO.contains(part)) else {
            let key = version.name.clone();
            return Err(OfficeError::DisposalUnfit { key });
        };
        let key = layout.object(evidence, part);
        let head = store.head(&key, version.version_id.as_deref()).await?;
        if head.is_some() {
            return Err(OfficeError::StillThere { key });
        }
    }
    Ok(())
}
