//! Has a log cosigned by the witnesses of a policy (C2SP tlog-witness), and knows when their quorum covers an entry.
//!
//! Each witness is asked by a task of its own: one that is away, slow or hostile hurts only itself. Nothing here holds up the
//! taking or the storing of footage, and no cosignature counts before it was verified and kept.

mod client;
mod error;
mod kept;
mod round;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::audit::{LogGrowth, LogHandle, WitnessPolicy, growth};
use crate::config::WitnessSettings;
use crate::metrics;
use crate::model::{Explain as _, Problem, RetryClass, WitnessView, WitnessingView};
use crate::upload::Backoff;

pub use client::{WitnessAnswer, WitnessClient};
pub use error::WitnessError;
pub use kept::{KeptCosignature, read_kept};
pub use round::{Asked, ask};

/// For the last round of a log that ends; the next start goes on.
const LAST_ROUND: Duration = Duration::from_secs(5);
/// Between looks at how long the quorum has been behind.
const TICK: Duration = Duration::from_secs(1);
/// A witness that is back is noticed within two minutes.
const BACKOFF: Backoff = Backoff {
    first: Duration::from_secs(1),
    longest: Duration::from_mins(2),
};

/// The witnesses of one log.
pub struct Witnesses {
    policy: WitnessPolicy,
    log: LogHandle,
    dir: PathBuf,
    settings: WitnessSettings,
    /// In the policy's order; `None` for a witness without an address.
    clients: Vec<Option<WitnessClient>>,
    standings: Mutex<Vec<WitnessStanding>>,
    /// The size of the log that the quorum has cosigned.
    quorum: watch::Sender<u64>,
    /// A size that the quorum does not cover, and since when it is known.
    behind: Mutex<Option<(u64, Instant)>>,
}

/// How one witness stands to the log.
#[derive(Debug, Clone, Default)]
struct WitnessStanding {
    cosigned: u64,
    at: Option<Timestamp>,
    problem: Option<Problem>,
    /// The size of a kept checkpoint that this log does not go on from. It is the proof of that: nothing replaces it.
    contradicted: Option<u64>,
}

impl Witnesses {
    /// With what was kept below `dir`. Blocks.
    pub fn open(
        settings: &WitnessSettings,
        log: LogHandle,
        dir: PathBuf,
    ) -> Result<Self, WitnessError> {
        let policy = WitnessPolicy::parse(&settings.policy)?;
        if !policy.is_for(log.verifier()) {
            return Err(WitnessError::OtherLog {
                log: log.verifier().to_string(),
            });
        }
        let clients = policy.witnesses().iter().map(|witness| {
            let url = witness.url.as_ref();
            url.map(|url| WitnessClient::new(url, settings)).transpose()
        });
        let clients = clients.collect::<Result<Vec<_>, _>>()?;
        let witnesses = Self {
            standings: Mutex::new(vec![WitnessStanding::default(); clients.len()]),
            policy,
            log,
            dir,
            settings: settings.clone(),
            clients,
            quorum: watch::Sender::new(0),
            behind: Mutex::default(),
        };
        for place in 0..witnesses.clients.len() {
            match witnesses.kept(place) {
                Ok(Some(kept)) => witnesses.cosigned(place, &kept),
                Ok(None) => {}
                Err(error) => {
                    if let WitnessError::LogDiffers { size } = error {
                        witnesses.standings.lock()[place].contradicted = Some(size);
                    }
                    witnesses.failed(place, 1, &error);
                }
            }
        }
        Ok(witnesses)
    }

    /// What a witness is known to have cosigned, if the log still goes on from it.
    fn kept(&self, place: usize) -> Result<Option<KeptCosignature>, WitnessError> {
        let witness = &self.policy.witnesses()[place];
        let Some(kept) = read_kept(&self.dir, self.log.verifier(), &witness.key)? else {
            return Ok(None);
        };
        let (now, _) = self.log.latest();
        let size = kept.checkpoint.size;
        if size > now.size {
            return Err(WitnessError::LogDiffers { size });
        }
        match growth(self.log.source(), &kept.checkpoint, &now)? {
            LogGrowth::Grown(_) => Ok(Some(kept)),
            LogGrowth::Rewritten | LogGrowth::TilesUnfit => Err(WitnessError::LogDiffers { size }),
        }
    }

    /// Whether a bay is safe only once the quorum has cosigned.
    pub fn before_safe(&self) -> bool {
        self.settings.before_safe
    }

    /// Follows the size of the log that the quorum has cosigned.
    pub fn quorum(&self) -> watch::Receiver<u64> {
        self.quorum.subscribe()
    }

    /// Whether no quorum can come about without a person.
    pub fn blocked(&self) -> bool {
        let standings = self.standings.lock();
        !self.policy.reached(|place| {
            let needs_person = |p: &Problem| p.needs_person;
            self.clients[place].is_some()
                && !standings[place].problem.as_ref().is_some_and(needs_person)
        })
    }

    /// What is wrong with each witness.
    pub fn problems(&self) -> Vec<Problem> {
        let standings = self.standings.lock();
        standings.iter().filter_map(|s| s.problem.clone()).collect()
    }

    pub fn view(&self) -> WitnessingView {
        let standings = self.standings.lock().clone();
        let witnesses = self.policy.witnesses().iter().zip(standings);
        WitnessingView {
            before_safe: self.settings.before_safe,
            quorum_entries: *self.quorum.borrow(),
            behind_seconds: self.behind().as_secs(),
            witnesses: witnesses
                .map(|(witness, standing)| WitnessView {
                    name: witness.name.clone(),
                    cosigned_entries: standing.cosigned,
                    cosigned_at: standing.at,
                    problem: standing.problem,
                })
                .collect(),
        }
    }

    /// For how long at least entries have waited for the quorum; zero when none do.
    fn behind(&self) -> Duration {
        let (size, quorum) = (*self.log.watch().borrow(), *self.quorum.borrow());
        let mut behind = self.behind.lock();
        match *behind {
            _ if quorum >= size => *behind = None,
            Some((waits, since)) if quorum < waits => return since.elapsed(),
            _ => *behind = Some((size, Instant::now())),
        }
        Duration::ZERO
    }

    /// Has the log cosigned until `stop` is true, and what is newest then once more.
    pub async fn run(self: Arc<Self>, mut stop: watch::Receiver<bool>) {
        let mut tasks = JoinSet::new();
        for place in 0..self.clients.len() {
            if self.clients[place].is_some() {
                tasks.spawn(Arc::clone(&self).follow(place, stop.clone()));
            }
        }
        while !*stop.borrow() {
            metrics::witnessed(*self.quorum.borrow(), self.behind().as_secs_f64());
            tokio::select! { () = tokio::time::sleep(TICK) => {}, _ = stop.changed() => {} }
        }
        while let Some(ended) = tasks.join_next().await {
            if let Err(error) = ended {
                tracing::error!(code = "part_crashed", %error, next_step = "report this with the log lines before it", "asking a witness has ended");
            }
        }
    }

    async fn follow(self: Arc<Self>, place: usize, mut stop: watch::Receiver<bool>) {
        let mut size = self.log.watch();
        let mut failures: u32 = 0;
        while !*stop.borrow() {
            size.mark_unchanged();
            let asked = tokio::select! {
                asked = self.round(place) => asked,
                _ = stop.wait_for(|stop| *stop) => break,
            };
            let pause = match asked {
                Ok(()) => {
                    failures = 0;
                    tokio::select! { _ = size.changed() => {}, _ = stop.changed() => {} }
                    self.settings.every
                }
                Err(error) => {
                    failures = failures.saturating_add(1);
                    self.failed(place, failures, &error);
                    let spread = failures.wrapping_mul(2_654_435_761);
                    BACKOFF.delay(failures, spread, None)
                }
            };
            tokio::select! { () = tokio::time::sleep(pause) => {}, _ = stop.changed() => {} }
        }
        // A witness that failed is not waited for.
        if failures == 0 {
            let _ = tokio::time::timeout(LAST_ROUND, self.round(place)).await;
        }
    }

    /// Has the newest checkpoint cosigned, unless it is.
    async fn round(&self, place: usize) -> Result<(), WitnessError> {
        let Some(client) = &self.clients[place] else {
            return Ok(());
        };
        let WitnessStanding {
            cosigned: known,
            contradicted,
            ..
        } = self.standings.lock()[place].clone();
        if let Some(size) = contradicted {
            return Err(WitnessError::LogDiffers { size });
        }
        let size = *self.log.watch().borrow();
        if known == size {
            return Ok(());
        }
        let key = &self.policy.witnesses()[place].key;
        let latest = || Ok(self.log.latest());
        let asked = ask(client, key, self.log.source(), &latest, known).await?;
        tokio::task::block_in_place(|| kept::keep(&self.dir, key, &asked.note))?;
        self.cosigned(place, &asked.kept);
        Ok(())
    }

    fn cosigned(&self, place: usize, kept: &KeptCosignature) {
        let size = {
            let mut standings = self.standings.lock();
            let name = &self.policy.witnesses()[place].name;
            if standings[place].problem.is_some() {
                tracing::info!(witness = ?name, "the witness cosigns again");
            }
            standings[place] = WitnessStanding {
                cosigned: kept.checkpoint.size,
                at: Some(kept.at),
                problem: None,
                contradicted: None,
            };
            let sizes: Vec<_> = standings.iter().map(|s| s.cosigned).collect();
            self.policy.quorum_size(&sizes)
        };
        self.quorum.send_if_modified(|quorum| {
            let grown = size > *quorum;
            *quorum = size.max(*quorum);
            grown
        });
    }

    fn failed(&self, place: usize, failures: u32, error: &WitnessError) {
        let needs_person = error.retry_class() != RetryClass::Later;
        let name = &self.policy.witnesses()[place].name;
        metrics::error(error.label());
        tracing::warn!(
            witness = ?name,
            code = error.label(),
            failures,
            needs_person,
            error = error as &dyn std::error::Error,
            next_step = error.next_step(),
            "a witness does not cosign the custody log; it is asked again"
        );
        let standing = &mut self.standings.lock()[place];
        let since = standing.problem.as_ref().map(|problem| problem.since);
        standing.problem = Some(Problem {
            code: error.label().into(),
            reason: format!("witness {name:?}: {error}"),
            next_step: error.next_step(),
            since: since.unwrap_or_else(Timestamp::now),
            needs_person,
        });
    }
}
