//! Makes previews of stored and waiting footage when the station has time for it, and delivers them to the store and the log.
//!
//! Storyboards come before proxies, and flagged recordings come first. A preview that fails is logged and must never hold
//! anything up.

mod delivery;
mod worker_order;
mod worker_process;
mod worker_run;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::RwLock;
use tokio::sync::watch;

use super::queue::{self, Failures, Queue, Retry, WorkId, WorkSource};
use super::{IngestError, Outbound, Shared, blocking, now};
use crate::config::{PreviewVideo, Profiles};
use crate::durable;
use crate::journal::{ItemRow, PreviewRow, PreviewState};
use crate::model::{Explain as _, ItemState, Part, PreviewProgress};
use crate::preview::{Limits, Settings};
use crate::seal::SealError;

pub use worker_order::PreviewOrder;
pub use worker_process::preview_worker_main;

/// The most previews that are uploaded at a time.
const DELIVERIES: usize = 4;
/// Rows of the journal that are looked through at a time, besides those that are being worked on.
const ROWS: u32 = 64;

/// The station's settings for previews.
#[derive(Debug, Clone)]
pub struct PreviewRules {
    /// The worker: `camdock-preview`, so that the station itself loads no ffmpeg.
    pub program: PathBuf,
    pub settings: Settings,
    pub video: PreviewVideo,
    pub limits: Limits,
    /// Workers at a time for proxies, and as many for storyboards.
    pub workers: usize,
    /// The longest time that a stored item waits for its previews.
    pub hold: Duration,
}

pub struct Previews {
    shared: Arc<Shared>,
    /// Previews are delivered like originals.
    outbound: Arc<Outbound>,
    rules: PreviewRules,
    profiles: RwLock<Arc<Profiles>>,
    /// The number of storyboards that are being made; proxies are paused for them.
    sheets: AtomicUsize,
    /// The layers that the sandbox lacks have been logged.
    layers_logged: AtomicBool,
}

/// Previews by what they need: the store, or a worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PreviewLane {
    Delivery,
    Worker(Part),
}

impl WorkSource for Previews {
    type Lane = PreviewLane;

    const PAUSE: Duration = Duration::from_millis(300);

    const NAME: &'static str = "the task of a preview";

    fn shared(&self) -> &Shared {
        &self.shared
    }

    /// Nothing waits for previews.
    fn woken(&self) -> impl Future<Output = ()> + Send {
        std::future::pending()
    }

    fn begin_due(
        self: &Arc<Self>,
        queue: &mut Queue<PreviewLane>,
        cancel: &watch::Receiver<bool>,
    ) -> Result<(), IngestError> {
        let (journal, limit) = (&self.shared.journal, queue.rows(ROWS));
        for row in blocking(|| journal.previews_to_deliver(limit))? {
            self.begin_delivery(row, queue, cancel);
        }
        for part in [Part::Storyboard, Part::Preview] {
            let mut left = false;
            for row in blocking(|| journal.to_preview(part, limit))? {
                let work = WorkId {
                    evidence: row.id,
                    part,
                };
                if !queue.is_free(work) {
                    continue;
                }
                left = true;
                if self.give_up(&row, part)? {
                    continue;
                }
                if queue.running_in(PreviewLane::Worker(part)) >= self.rules.workers {
                    break;
                }
                self.begin_worker(work, row, queue);
            }
            // No proxy is begun while a storyboard waits.
            if left {
                break;
            }
        }
        Ok(())
    }

    fn succeeded(&self, _: WorkId, _: &mut Failures) {
        self.outbound.lock().previews.problem = None;
    }

    fn failed(&self, work: WorkId, error: &IngestError, count: u32) -> Retry {
        tracing::error!(evidence = %work.evidence, part = %work.part, code = error.label(), failures = count,
            error = error as &dyn std::error::Error, next_step = error.next_step(),
            "a preview could not be made or stored; trying again");
        self.outbound.lock().previews.problem = Some(error.problem());
        Retry::Later { asked: None }
    }
}

impl Previews {
    pub fn new(
        shared: Arc<Shared>,
        outbound: Arc<Outbound>,
        rules: PreviewRules,
        profiles: Arc<Profiles>,
    ) -> Self {
        Self {
            shared,
            outbound,
            rules,
            profiles: RwLock::new(profiles),
            sheets: AtomicUsize::new(0),
            layers_logged: AtomicBool::new(false),
        }
    }

    /// Replaces the profiles, which say which cameras' footage is previewed.
    pub fn set_profiles(&self, profiles: Arc<Profiles>) {
        *self.profiles.write() = profiles;
    }

    /// Works until `cancel` says stop. Dropping it loses nothing: the next start makes unfinished previews again.
    pub async fn run(self: Arc<Self>, cancel: watch::Receiver<bool>) {
        queue::run(self, cancel).await;
    }

    fn begin_delivery(
        self: &Arc<Self>,
        row: PreviewRow,
        queue: &mut Queue<PreviewLane>,
        cancel: &watch::Receiver<bool>,
    ) {
        let work = WorkId {
            evidence: row.item,
            part: row.part,
        };
        if queue.running_in(PreviewLane::Delivery) < DELIVERIES && queue.is_free(work) {
            let (this, cancel) = (Arc::clone(self), cancel.clone());
            queue.begin(work, PreviewLane::Delivery, async move {
                this.deliver(row, cancel).await
            });
        }
    }

    fn begin_worker(self: &Arc<Self>, work: WorkId, row: ItemRow, queue: &mut Queue<PreviewLane>) {
        let (this, part) = (Arc::clone(self), work.part);
        queue.begin(work, PreviewLane::Worker(part), async move {
            let progress = PreviewProgress {
                file: row.facts.path.to_string(),
                part,
                done_ms: 0,
            };
            let view = || this.outbound.lock();
            view().previews.at_work.insert(work.to_string(), progress);
            let made = {
                let this = Arc::clone(&this);
                // The worker dies with this thread, which therefore waits for it.
                tokio::task::spawn_blocking(move || this.make(&row, part)).await
            };
            view().previews.at_work.remove(&work.to_string());
            made.unwrap_or(Err(IngestError::Stopped))
        });
    }

    /// Gives up on a preview that has waited too long, or whose footage takes room that new footage needs.
    fn give_up(&self, row: &ItemRow, part: Part) -> Result<bool, IngestError> {
        if row.state != ItemState::Stored {
            return Ok(false);
        }
        let waited = row
            .storing
            .at()
            .map_or(0, |at| now().as_second() - at.as_second());
        let (code, reason) =
            if waited > i64::try_from(self.rules.hold.as_secs()).unwrap_or(i64::MAX) {
                ("preview_too_late", "it waited too long for its turn")
            } else if part == Part::Preview && blocking(|| self.shared.spool.is_short()) {
                (
                    "preview_no_room",
                    "the station's disk was needed for new footage",
                )
            } else {
                return Ok(false);
            };
        blocking(|| self.enter_failure(row, part, code, reason.to_owned(), None))?;
        Ok(true)
    }

    /// Whether something more important needs the processor: pulling comes first, then storyboards.
    fn must_wait(&self, part: Part) -> bool {
        let pulling = self.shared.pulling.load(Ordering::Relaxed);
        match part {
            Part::Storyboard => pulling >= self.shared.cores.max(2),
            _ => pulling > 0 || self.sheets.load(Ordering::Relaxed) > 0,
        }
    }
}

/// Removes every preview from the spool that the journal does not know as made, or whose item was deleted by rule.
pub fn sweep_previews(shared: &Shared) -> Result<(), IngestError> {
    for (path, id, part) in shared.spool.previews().map_err(SealError::Read)? {
        let row = match part {
            Some(part) => shared.journal.preview(id, part)?,
            None => None,
        };
        let kept = |row: &PreviewRow| row.state == PreviewState::Made;
        if !row.as_ref().is_some_and(kept) || shared.journal.disposal(id)?.is_some() {
            durable::remove(&path)?;
        }
    }
    Ok(())
}
