//! The work queue of the uploads and of the previews: it claims what the journal says is due, bounds what runs at the same time,
//! tries failed work again after a back-off, and stops in order. Each step of the work itself tries once.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::poll::JournalPoll;
use super::{IngestError, Shared, blocking};
use crate::metrics;
use crate::model::{EvidenceId, Explain as _, Part};
use crate::upload::Backoff;

/// The longest time that a stop waits for running work to end.
const STOP_MAX: Duration = Duration::from_secs(20);

/// Work is named by the object that it makes or stores.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct WorkId {
    pub evidence: EvidenceId,
    pub part: Part,
}

impl WorkId {
    pub const fn original(evidence: EvidenceId) -> Self {
        Self {
            evidence,
            part: Part::Original,
        }
    }

    /// Spreads the back-off: the tail of an evidence id is random.
    fn random(self, failures: u32) -> u32 {
        let tail = &self.evidence.as_bytes()[12..];
        let random = tail.iter().fold(0u32, |n, b| n << 8 | u32::from(*b));
        random.rotate_left(failures)
    }
}

impl fmt::Display for WorkId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.evidence, self.part)
    }
}

/// The consequence of a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// After the back-off, which is at least as long as the store asked for, unless [`Failures::hurry`] ends it.
    Later { asked: Option<Duration> },
    /// Not before the next start of the service.
    Never,
    /// The failure has been dealt with.
    Settled,
}

/// Work that the journal names.
pub trait WorkSource: Send + Sync + Sized + 'static {
    /// Work that runs at the same time is bounded by lane: each has its own limit.
    type Lane: Copy + PartialEq + Send;

    /// Looks for work at least this often while any is at hand.
    const PAUSE: Duration;

    /// Names one task in log lines.
    const NAME: &'static str;

    fn shared(&self) -> &Shared;

    /// Returns when there may be new work.
    fn woken(&self) -> impl Future<Output = ()> + Send;

    /// Begins what is due and has room in its lane, the most urgent first.
    fn begin_due(
        self: &Arc<Self>,
        queue: &mut Queue<Self::Lane>,
        cancel: &watch::Receiver<bool>,
    ) -> Result<(), IngestError>;

    fn succeeded(&self, work: WorkId, failures: &mut Failures);

    /// Reports the failure, the `count`th in a row.
    fn failed(&self, work: WorkId, error: &IngestError, count: u32) -> Retry;
}

struct Failure {
    count: u32,
    /// `None`: never.
    again: Option<Instant>,
}

/// Work that failed, and when it may be tried again.
#[derive(Default)]
pub struct Failures {
    of: HashMap<WorkId, Failure>,
    backoff: Backoff,
}

impl Failures {
    fn count(&mut self, work: WorkId) -> u32 {
        let failure = self.of.entry(work).or_insert(Failure {
            count: 0,
            again: Some(Instant::now()),
        });
        failure.count += 1;
        failure.count
    }

    fn retry(&mut self, work: WorkId, retry: Retry) {
        let Some(failure) = self.of.get_mut(&work) else {
            return;
        };
        match retry {
            Retry::Later { asked } => {
                let random = work.random(failure.count);
                let delay = self.backoff.delay(failure.count, random, asked);
                failure.again = Some(Instant::now() + delay);
            }
            Retry::Never => failure.again = None,
            Retry::Settled => drop(self.of.remove(&work)),
        }
    }

    /// Lets everything that failed be tried again at once.
    pub fn hurry(&mut self) {
        let now = Instant::now();
        for again in self.of.values_mut().filter_map(|f| f.again.as_mut()) {
            *again = now;
        }
    }

    fn waits(&self, work: WorkId) -> bool {
        let failure = self.of.get(&work);
        failure.is_some_and(|f| f.again.is_none_or(|again| again > Instant::now()))
    }

    fn any_to_retry(&self) -> bool {
        self.of.values().any(|failure| failure.again.is_some())
    }
}

/// Work that is running, and work that failed.
pub struct Queue<Lane> {
    tasks: JoinSet<(WorkId, Result<(), IngestError>)>,
    running: HashMap<WorkId, Lane>,
    failures: Failures,
}

impl<Lane: Copy + PartialEq> Queue<Lane> {
    fn new() -> Self {
        Self {
            tasks: JoinSet::new(),
            running: HashMap::new(),
            failures: Failures::default(),
        }
    }

    /// The number of rows to ask the journal for, so that work that cannot begin does not hide work that can.
    pub fn rows(&self, wanted: u32) -> u32 {
        wanted + u32::try_from(self.running.len() + self.failures.of.len()).unwrap_or(0)
    }

    /// Whether the work is neither running nor waiting for its next try.
    pub fn is_free(&self, work: WorkId) -> bool {
        !self.running.contains_key(&work) && !self.failures.waits(work)
    }

    pub fn running_in(&self, lane: Lane) -> usize {
        self.running
            .values()
            .filter(|other| **other == lane)
            .count()
    }

    pub fn begin(
        &mut self,
        work: WorkId,
        lane: Lane,
        steps: impl Future<Output = Result<(), IngestError>> + Send + 'static,
    ) {
        self.running.insert(work, lane);
        self.tasks.spawn(async move { (work, steps.await) });
    }

    fn is_active(&self) -> bool {
        !self.running.is_empty() || self.failures.any_to_retry()
    }
}

/// Works until `cancel` says stop. Dropping it loses nothing: the next start begins what was not done.
pub async fn run<S: WorkSource>(source: Arc<S>, mut cancel: watch::Receiver<bool>) {
    let mut queue = Queue::new();
    let mut poll = JournalPoll::default();
    while !*cancel.borrow() {
        let changes = blocking(|| source.shared().journal.changes());
        if poll.is_due(changes, queue.is_active())
            && let Err(error) = source.begin_due(&mut queue, &cancel)
        {
            tracing::error!(
                code = error.label(),
                error = &error as &dyn std::error::Error,
                next_step = error.next_step(),
                "cannot look for work in the journal"
            );
            poll = JournalPoll::default();
        }
        tokio::select! {
            Some(ended) = queue.tasks.join_next(), if !queue.tasks.is_empty() => match ended {
                Ok((work, result)) => {
                    queue.running.remove(&work);
                    settle(&*source, work, result, &mut queue.failures);
                }
                Err(error) => {
                    tracing::error!(code = "part_crashed", %error,
                        next_step = "nothing is lost, the work begins again; report this with the log lines before it",
                        "{} crashed", S::NAME);
                    queue.running.clear();
                    queue.tasks.abort_all();
                }
            },
            () = source.woken() => {}
            () = tokio::time::sleep(S::PAUSE) => {}
            _ = cancel.changed() => {}
        }
    }
    // The tasks see the cancellation themselves and keep what they have.
    let stop = async { while queue.tasks.join_next().await.is_some() {} };
    let _ = tokio::time::timeout(STOP_MAX, stop).await;
}

/// Remembers how the work ended.
pub fn settle<S: WorkSource>(
    source: &S,
    work: WorkId,
    result: Result<(), IngestError>,
    failures: &mut Failures,
) {
    let Err(error) = result else {
        failures.of.remove(&work);
        return source.succeeded(work, failures);
    };
    if source.shared().stopping() {
        return;
    }
    metrics::error(error.label());
    let count = failures.count(work);
    let retry = source.failed(work, &error, count);
    failures.retry(work, retry);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wait_of(failures: &Failures, work: WorkId) -> Duration {
        let again = failures.of[&work].again.unwrap();
        again.saturating_duration_since(Instant::now())
    }

    #[test]
    fn failed_work_waits_longer_each_time_until_other_work_succeeds() {
        let work = WorkId::original(EvidenceId::new());
        let mut failures = Failures::default();
        let mut last = Duration::ZERO;
        for _ in 0..4 {
            failures.count(work);
            failures.retry(work, Retry::Later { asked: None });
            assert!(failures.waits(work));
            let wait = wait_of(&failures, work);
            assert!(wait > last, "{wait:?} after {last:?}");
            last = wait;
        }
        let asked = Some(Duration::from_mins(10));
        failures.retry(work, Retry::Later { asked });
        assert!(wait_of(&failures, work) > Duration::from_mins(9));
        failures.hurry();
        assert!(!failures.waits(work) && failures.any_to_retry());
        failures.retry(work, Retry::Never);
        failures.hurry();
        assert!(failures.waits(work) && !failures.any_to_retry());
        failures.retry(work, Retry::Settled);
        assert!(!failures.waits(work));
    }
}
