//! Reads one station's entries into the index and compares its folder in the bucket with them, in turn, for as long as the office
//! runs.
//!
//! Each step of it is small and waits for its turn among all stations: a station with endless entries or objects is late itself,
//! and delays no other.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, watch};

use super::acts::Acts;
use super::gap_search;
use super::index::{Index, NAMED_MAX, StationNumber};
use super::object_alarms::{FoundNow, Seen, enter_alarms, open_items};
use super::problem_log::ProblemLog;
use super::reconcile::{Listing, sweep};
use super::witness::{Witness, WitnessedLog};
use super::{OfficeError, station_key};
use crate::audit::{AuditError, Checkpoint, NextEntries};
use crate::config::{FollowedStation, OfficeConfig, Reconciling};
use crate::metrics;
use crate::model::{BucketLayout, Explain as _};
use crate::publish::BucketLog;
use crate::upload::{Backoff, Store};

/// Bytes of entries that are read before they are proven and entered together.
const STEP_BYTES: usize = 8 << 20;
/// Steps of all stations at once.
const STEPS: usize = 4;
/// Objects that are looked at one by one in a step, in a round at least, and in a round at most.
const LOOKS: usize = 20;
const SWEEP_MIN: u64 = 50;
const SWEEP_MAX: u64 = 10_000;
/// Objects with findings that a round looks at again.
const AGAIN: u32 = 100;

/// What the inspectors of all stations share.
#[derive(Clone)]
pub struct Inspection {
    pub index: Arc<Index>,
    pub store: Arc<dyn Store>,
    pub witness: Arc<Witness>,
    /// Whoever waited longest takes the next step.
    turns: Arc<Semaphore>,
    /// One log at a time is searched for gaps: what is known of it is in memory at once.
    searches: Arc<Semaphore>,
}

impl Inspection {
    pub fn new(index: Arc<Index>, store: &Arc<dyn Store>, witness: &Arc<Witness>) -> Self {
        Self {
            index,
            store: Arc::clone(store),
            witness: Arc::clone(witness),
            turns: Arc::new(Semaphore::new(STEPS)),
            searches: Arc::new(Semaphore::new(1)),
        }
    }
}

pub struct Inspector {
    shared: Inspection,
    station: FollowedStation,
    origin: String,
    layout: BucketLayout,
    interval: Duration,
    reconciling: Reconciling,
    number: StationNumber,
    problems: ProblemLog,
    stop: watch::Receiver<bool>,
}

impl Inspector {
    pub fn new(
        config: &OfficeConfig,
        station: &FollowedStation,
        shared: &Inspection,
        stop: watch::Receiver<bool>,
    ) -> Result<Self, OfficeError> {
        Ok(Self {
            shared: shared.clone(),
            origin: station_key(station)?.name().to_owned(),
            layout: config.layout_of(&station.name),
            interval: config.follow_interval,
            reconciling: config.reconciling,
            number: shared.index.station(&station.name)?,
            station: station.clone(),
            problems: ProblemLog::new(
                "a station's entries or objects cannot be read",
                "the station's entries and objects can be read again",
            ),
            stop,
        })
    }

    /// Reads and compares until the office stops.
    pub async fn run(mut self, acts: Arc<Acts>) {
        let backoff = Backoff::default();
        let mut failures = 0u32;
        while !self.stopped() {
            let mut stop = self.stop.clone();
            let round = tokio::select! {
                round = self.round(&acts) => round,
                _ = stop.wait_for(|stop| *stop) => return,
            };
            self.tell(round.as_ref().err()).await;
            let pause = if round.is_err() {
                failures += 1;
                let pause = backoff.delay(failures, failures.wrapping_mul(2_654_435_761), None);
                pause.max(self.interval)
            } else {
                failures = 0;
                self.interval
            };
            tokio::select! { () = tokio::time::sleep(pause) => {}, _ = stop.changed() => {} }
        }
    }

    fn stopped(&self) -> bool {
        *self.stop.borrow()
    }

    async fn round(&mut self, acts: &Acts) -> Result<(), OfficeError> {
        let log = self.shared.witness.log(&self.origin);
        let Some(now) = log.and_then(WitnessedLog::latest) else {
            // Without a verified checkpoint nothing can be said of the bucket.
            return Ok(());
        };
        let read = self.read(&now.checkpoint).await;
        // Entries that cannot be read any more are no reason to overlook what is missing of the others.
        let compared = match self.due().await {
            Ok(true) => self.reconcile(read.is_ok(), acts).await,
            Ok(false) => Ok(()),
            Err(error) => Err(error),
        };
        let searched = match &read {
            Ok(()) => self.search_gaps(&now.checkpoint).await,
            Err(_) => Ok(()),
        };
        read.and(compared).and(searched)
    }

    /// Looks for gaps once a day.
    async fn search_gaps(&self, now: &Checkpoint) -> Result<(), OfficeError> {
        let (index, number) = (Arc::clone(&self.shared.index), self.number);
        let at = blocking(move || index.gaps_at(number)).await?;
        // A search of the future was dated by a clock that has been corrected.
        let recent = |at| Timestamp::now().duration_since(at).abs() < gap_search::PERIOD;
        if at.is_some_and(recent) {
            return Ok(());
        }
        let _turn = self.shared.searches.acquire().await;
        self.find_gaps(now).await.map(drop)
    }

    /// Looks for gaps now, and keeps what is found.
    pub async fn find_gaps(&self, now: &Checkpoint) -> Result<gap_search::FoundGaps, OfficeError> {
        let source = BucketLog {
            store: Arc::clone(&self.shared.store),
            layout: self.layout.clone(),
            runtime: Handle::current(),
        };
        let (index, number) = (Arc::clone(&self.shared.index), self.number);
        let (station, now) = (self.station.name.clone(), now.clone());
        blocking(move || {
            let found = gap_search::find(&source, &station, &now)?;
            index.keep_gaps(number, &found.gaps, found.explained, Timestamp::now())?;
            Ok(found)
        })
        .await
    }

    /// Reads the entries below a verified checkpoint into the index, to the last one.
    pub async fn read(&self, now: &Checkpoint) -> Result<(), OfficeError> {
        while !self.stopped() {
            let _turn = self.shared.turns.acquire().await;
            let source = BucketLog {
                store: Arc::clone(&self.shared.store),
                layout: self.layout.clone(),
                runtime: Handle::current(),
            };
            let (index, number, now) = (Arc::clone(&self.shared.index), self.number, now.clone());
            let (station, layout) = (self.station.name.clone(), self.layout.clone());
            let step = move || match index.prefix(number)?.read_on(&source, &now, STEP_BYTES)? {
                NextEntries::Proven(entries) => {
                    index.take(number, &station, &layout, &entries)?;
                    Ok(true)
                }
                NextEntries::NoneLeft => Ok(false),
                NextEntries::OtherLog => {
                    tracing::info!(%station, "the index is not of the log that is followed, and is made anew");
                    index.forget(number)?;
                    Ok(true)
                }
                NextEntries::Unfit => Err(OfficeError::EntriesUnfit { station }),
            };
            if !blocking(step).await? {
                break;
            }
        }
        Ok(())
    }

    /// Whether the folder is to be listed again.
    async fn due(&self) -> Result<bool, OfficeError> {
        let (index, number) = (Arc::clone(&self.shared.index), self.number);
        let listed = blocking(move || index.listed_from(number)).await?;
        let since = listed.map(|listed| Timestamp::now().duration_since(listed));
        // A listing of the future was dated by a clock that has been corrected.
        Ok(since.is_none_or(|since| {
            Duration::try_from(since).map_or(true, |since| since >= self.reconciling.list_interval)
        }))
    }

    /// Lists the folder to its end, then looks at a share of the objects one by one.
    async fn reconcile(&self, whole: bool, acts: &Acts) -> Result<(), OfficeError> {
        let number = self.number;
        let index = Arc::clone(&self.shared.index);
        let entries = blocking(move || index.prefix(number)).await?.size();
        let mut listing = Listing::begin(
            number,
            &self.layout,
            entries,
            whole,
            self.reconciling.list_interval,
            Timestamp::now(),
        );
        loop {
            let _turn = self.shared.turns.acquire().await;
            let page = listing.fetch(&*self.shared.store).await?;
            let index = Arc::clone(&self.shared.index);
            let compared = blocking(move || {
                let last = listing.compare(&index, page)?;
                Ok((listing, last))
            });
            let last;
            (listing, last) = compared.await?;
            if last {
                break;
            }
        }
        listing.look(&*self.shared.store).await;
        let index = Arc::clone(&self.shared.index);
        blocking(move || listing.finish(&index, Timestamp::now())).await?;
        // The sweep may take long: what the listing found is told before it.
        self.show().await;
        self.alarm(acts, &Seen::Listing { whole }).await?;
        let mut seen = BTreeSet::new();
        let swept = self.sweep(acts, &mut seen).await;
        let told = self.alarm(acts, &Seen::Objects(seen)).await;
        swept.and(told)
    }

    /// Enters in the office's log what was found anew, and what is in order again.
    async fn alarm(&self, acts: &Acts, seen: &Seen) -> Result<(), OfficeError> {
        let (index, name) = (Arc::clone(&self.shared.index), self.station.name.clone());
        let named = u32::try_from(NAMED_MAX).unwrap_or(u32::MAX);
        let number = self.number;
        let look = move || {
            let untold = index.untold(number)?;
            let now = index.row_with_findings(&name, Timestamp::now(), named)?;
            // Somebody may have it made anew at this very time.
            let now = now.filter(|(row, _)| row.listed_from.is_some());
            Ok(now.map(|(row, findings)| FoundNow {
                row,
                findings,
                untold,
            }))
        };
        match blocking(look).await? {
            Some(now) => enter_alarms(acts, &self.station.name, &now, seen).await,
            None => Ok(()),
        }
    }

    /// Looks at a share of the objects one by one; `seen` are the keys of those that it looked at.
    async fn sweep(&self, acts: &Acts, seen: &mut BTreeSet<String>) -> Result<(), OfficeError> {
        let (index, number) = (Arc::clone(&self.shared.index), self.number);
        let share = self.reconciling.share();
        // An index that was made anew does not know them, and only a look can end them.
        let mut open = open_items(acts, &self.station.name);
        let (objects, to) = blocking(move || {
            let mut objects = Vec::new();
            let mut again = index.found_by_sweeps(number, AGAIN)?;
            open.retain(|item| !again.contains(item));
            again.extend(open);
            for item in again {
                objects.extend(index.objects_of(number, item)?);
            }
            let count = index.object_count(number)? as f64 * share;
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "it is bounded"
            )]
            let limit = (count.ceil() as u64).clamp(SWEEP_MIN, SWEEP_MAX) as u32;
            let (next, more) = index.to_sweep(number, &index.swept_to(number)?, limit)?;
            let to = next.last().filter(|_| more);
            let to = to.map_or(Vec::new(), |last| last.item.as_bytes().to_vec());
            objects.extend(next);
            Ok((objects, to))
        })
        .await?;
        let (index, count) = (&self.shared.index, objects.len());
        for (at, some) in objects.chunks(LOOKS).enumerate() {
            let turn = self.shared.turns.acquire().await;
            let (swept, done) = sweep(&*self.shared.store, &self.layout, some).await;
            drop(turn);
            seen.extend(swept.looked_at.iter().cloned());
            let end = (at + 1) * LOOKS >= count && done.is_ok();
            let (index, to) = (Arc::clone(index), end.then(|| to.clone()));
            blocking(move || {
                index.sweep(
                    number,
                    &swept.found,
                    &swept.looked_at,
                    to.as_deref(),
                    Timestamp::now(),
                )
            })
            .await?;
            done?;
        }
        Ok(())
    }

    /// Keeps the problem.
    async fn tell(&mut self, problem: Option<&OfficeError>) {
        self.problems.see(&self.station.name, problem);
        let told = problem.map(|error| (error.label(), error.described()));
        let (index, number) = (Arc::clone(&self.shared.index), self.number);
        let kept = blocking(move || {
            let told = told.as_ref().map(|(code, words)| (*code, words.as_str()));
            index.tell(number, told)
        });
        if kept.await.is_ok() {
            self.show().await;
        }
    }

    /// Shows in the metrics how the station stands.
    async fn show(&self) {
        let (index, name) = (Arc::clone(&self.shared.index), self.station.name.clone());
        let row = blocking(move || index.row(&name, Timestamp::now())).await;
        if let Ok(Some(row)) = row {
            metrics::followed_bucket(
                self.station.name.as_str(),
                row.indexed_entries,
                row.unknown_entries + row.unfit_entries,
                row.found().map(|(kind, count)| (kind.as_str(), count)),
                row.listed.map(Timestamp::as_second),
            );
        }
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, OfficeError> + Send + 'static,
) -> Result<T, OfficeError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|_| AuditError::Closed)?
}
