//! Conducts the previews: which footage, in which order, when the station has time for it; then into the store and the log.
//!
//! Storyboards before proxies, flagged recordings first. A preview that fails is logged and never holds anything up.

mod deliver;
mod hardware;
mod make;
mod order;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::RwLock;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::looked::Looked;
use super::outbound::{blocking, chain};
use super::{IngestError, Outbound, Shared, now};
use crate::config::Profiles;
use crate::durable;
use crate::journal::{ItemRow, PreviewRow, PreviewState};
use crate::metrics;
use crate::model::{EvidenceId, Explain as _, ItemState, Part, Problem, RetryClass};
use crate::preview::{EncoderOrder, Limits, Settings};
use crate::seal::SealError;
use crate::upload::Backoff;
use hardware::HardwareUse;

pub use order::{PreviewOrder, WORKER_VERB, preview_worker};

/// Previews on their way into the store at a time.
const DELIVERIES: usize = 4;
/// A picture or less; a proxy is far larger.
const LOOK: u32 = 64;

/// How previews are made here.
#[derive(Debug, Clone)]
pub struct PreviewRules {
    /// The program that is started as the worker: this one.
    pub program: PathBuf,
    pub settings: Settings,
    pub limits: Limits,
    /// What a hardware encoder is told, where there is one; `None`: it is not used.
    pub hardware: Option<EncoderOrder>,
    /// Workers at a time for proxies, and as many for storyboards.
    pub workers: usize,
    /// How long a stored item waits for its previews at most.
    pub hold: Duration,
}

pub struct Previews {
    shared: Arc<Shared>,
    /// Previews go the same way as originals.
    outbound: Arc<Outbound>,
    rules: PreviewRules,
    hardware: HardwareUse,
    profiles: RwLock<Arc<Profiles>>,
    /// Storyboards that are being made right now: proxies stand still for them.
    sheets: AtomicUsize,
    /// The layers that the sandbox lacks were told.
    told: AtomicBool,
}

type Job = (EvidenceId, Part);

/// A job that failed for a reason that may pass.
struct Failure {
    count: u32,
    again: Instant,
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
            hardware: HardwareUse::new(rules.hardware.clone()),
            rules,
            profiles: RwLock::new(profiles),
            sheets: AtomicUsize::new(0),
            told: AtomicBool::new(false),
        }
    }

    /// From now on these profiles say which cameras' footage is previewed.
    pub fn set_profiles(&self, profiles: Arc<Profiles>) {
        *self.profiles.write() = profiles;
    }

    /// Works until `cancel` says stop. Nothing is lost by dropping it: the next start makes unfinished ones again.
    pub async fn run(self: Arc<Self>, mut cancel: watch::Receiver<bool>) {
        let mut tasks: JoinSet<(Job, Result<(), IngestError>)> = JoinSet::new();
        // True: a worker makes it; false: it is delivered.
        let mut busy: HashMap<Job, bool> = HashMap::new();
        let mut failures: HashMap<Job, Failure> = HashMap::new();
        let backoff = Backoff::default();
        let mut looked = Looked::default();
        while !*cancel.borrow() {
            let active = !busy.is_empty() || !failures.is_empty();
            if looked.due(blocking(|| self.shared.journal.changes()), active)
                && let Err(error) = self.start_some(&mut tasks, &mut busy, &failures, &cancel)
            {
                tracing::error!(
                    code = error.label(),
                    error = &error as &dyn std::error::Error,
                    next_step = error.next_step(),
                    "cannot look for previews in the journal"
                );
                looked = Looked::default();
            }
            tokio::select! {
                Some(done) = tasks.join_next(), if !tasks.is_empty() => match done {
                    Ok((job, result)) => {
                        busy.remove(&job);
                        self.settle(job, result, &mut failures, &backoff);
                    }
                    Err(error) => {
                        tracing::error!(code = "part_crashed", %error,
                            next_step = "the originals are safe, previews begin again; report this with the log lines before it", "a preview's task ended badly");
                        busy.clear();
                        tasks.abort_all();
                    }
                },
                () = tokio::time::sleep(Duration::from_millis(300)) => {}
                _ = cancel.changed() => {}
            }
        }
        // Workers see the stop themselves and are killed; uploads keep what they have.
        let stop = async { while tasks.join_next().await.is_some() {} };
        let _ = tokio::time::timeout(Duration::from_secs(20), stop).await;
    }

    fn start_some(
        self: &Arc<Self>,
        tasks: &mut JoinSet<(Job, Result<(), IngestError>)>,
        busy: &mut HashMap<Job, bool>,
        failures: &HashMap<Job, Failure>,
        cancel: &watch::Receiver<bool>,
    ) -> Result<(), IngestError> {
        let waits = |job: &Job| failures.get(job).is_some_and(|f| f.again > Instant::now());
        let look = LOOK + u32::try_from(busy.len() + failures.len()).unwrap_or(0);
        let journal = &self.shared.journal;
        for row in blocking(|| journal.previews_to_deliver(look))? {
            let job = (row.item, row.part);
            let delivering = busy.values().filter(|makes| !**makes).count();
            if delivering >= DELIVERIES || busy.contains_key(&job) || waits(&job) {
                continue;
            }
            busy.insert(job, false);
            let (this, cancel) = (Arc::clone(self), cancel.clone());
            tasks.spawn(async move { (job, this.deliver(row, cancel).await) });
        }
        for part in [Part::Storyboard, Part::Preview] {
            let rows = blocking(|| journal.to_preview(part, look))?;
            let mut left = false;
            for row in rows {
                let job = (row.id, part);
                if busy.contains_key(&job) || waits(&job) {
                    continue;
                }
                left = true;
                if self.give_up(&row, part)? {
                    continue;
                }
                let working = busy.iter().filter(|((_, p), makes)| **makes && *p == part);
                if working.count() >= self.rules.workers {
                    break;
                }
                busy.insert(job, true);
                let this = Arc::clone(self);
                tasks.spawn(async move {
                    let name = (row.facts.path.to_string(), part, 0);
                    let key = format!("{}/{part}", row.id);
                    this.outbound
                        .lock()
                        .previews
                        .at_work
                        .insert(key.clone(), name);
                    let made = {
                        let this = Arc::clone(&this);
                        // The worker dies with this thread, which therefore waits for it.
                        tokio::task::spawn_blocking(move || this.make(&row, part)).await
                    };
                    this.outbound.lock().previews.at_work.remove(&key);
                    (job, made.unwrap_or(Err(IngestError::Stopped)))
                });
            }
            // No proxy is begun while a storyboard waits.
            if left {
                break;
            }
        }
        Ok(())
    }

    /// What waited too long, or lies in the way of new footage, goes without.
    fn give_up(&self, row: &ItemRow, part: Part) -> Result<bool, IngestError> {
        if row.state != ItemState::Stored {
            return Ok(false);
        }
        let waited = row
            .stored_at
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

    fn settle(
        &self,
        job: Job,
        result: Result<(), IngestError>,
        failures: &mut HashMap<Job, Failure>,
        backoff: &Backoff,
    ) {
        let Err(error) = result else {
            failures.remove(&job);
            self.outbound.lock().previews.problem = None;
            return;
        };
        if self.shared.stopping() {
            return;
        }
        metrics::error(error.label());
        let failure = failures.entry(job).or_insert(Failure {
            count: 0,
            again: Instant::now(),
        });
        failure.count += 1;
        let random = job.0.as_bytes()[12..]
            .iter()
            .fold(0u32, |n, b| n << 8 | u32::from(*b));
        failure.again =
            Instant::now() + backoff.delay(failure.count, random.rotate_left(failure.count), None);
        tracing::error!(evidence = %job.0, part = %job.1, code = error.label(), failures = failure.count,
            error = &error as &dyn std::error::Error, next_step = error.next_step(),
            "a preview could not be made or stored; trying again");
        self.outbound.lock().previews.problem = Some(Problem {
            code: error.label().to_owned(),
            reason: chain(&error),
            next_step: error.next_step(),
            since: now(),
            needs_person: error.retry_class() != RetryClass::Later,
        });
    }

    /// Whether anything stands in the way of the processor: pulling comes first, then storyboards.
    fn must_wait(&self, part: Part) -> bool {
        let pulling = self.shared.pulling.load(Ordering::Relaxed);
        match part {
            Part::Storyboard => pulling >= self.shared.cores.max(2),
            _ => pulling > 0 || self.sheets.load(Ordering::Relaxed) > 0,
        }
    }
}

/// After a stop: the spool holds no preview but those that the journal knows as made.
pub fn sweep_previews(shared: &Shared) -> Result<(), IngestError> {
    for (path, id, part) in shared.spool.previews().map_err(SealError::Read)? {
        let row = match part {
            Some(part) => shared.journal.preview(id, part)?,
            None => None,
        };
        let kept = |row: &PreviewRow| row.state == PreviewState::Made;
        if !row.as_ref().is_some_and(kept) {
            durable::remove(&path)?;
        }
    }
    Ok(())
}
