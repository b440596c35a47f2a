//! Follows one station's log in the bucket: proves that it only grew, has it cosigned, and puts the cosigned checkpoint back.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::runtime::Handle;
use tokio::sync::watch;

use super::acts::{Acts, REWRITTEN, Ruling, proof};
use super::cosigned_copies::CosignedCopies;
use super::problem_log::ProblemLog;
use super::standing::LogStanding;
use super::witness::{CosignRefusal, Cosigned, Witness, WitnessedLog};
use super::{OfficeError, station_key};
use crate::audit::{AddCheckpoint, AuditError, Checkpoint, LogGrowth, LogSource as _, growth};
use crate::config::{FollowedStation, OfficeConfig};
use crate::model::{BucketLayout, Event, Explain as _, LogAlarm, LogWitnessed};
use crate::publish::BucketLog;
use crate::upload::{Backoff, RetentionPolicy, Store};

pub struct Follower {
    store: Arc<dyn Store>,
    witness: Arc<Witness>,
    acts: Arc<Acts>,
    station: FollowedStation,
    /// Of the station's log, as the office's own log names it.
    key: String,
    /// What holds for the log in this round.
    ruling: Ruling,
    origin: String,
    layout: BucketLayout,
    copies: CosignedCopies,
    interval: Duration,
    /// The bucket was asked for what this witness had cosigned before.
    recalled: bool,
    /// The size whose cosigned checkpoint is known to be in the bucket.
    published: u64,
    problems: ProblemLog,
}

impl Follower {
    pub fn new(
        config: &OfficeConfig,
        station: &FollowedStation,
        store: &Arc<dyn Store>,
        witness: &Arc<Witness>,
        acts: &Arc<Acts>,
    ) -> Result<Self, OfficeError> {
        let prefix = &config.store.prefix;
        let key = station_key(station)?;
        Ok(Self {
            store: Arc::clone(store),
            witness: Arc::clone(witness),
            acts: Arc::clone(acts),
            ruling: Ruling::default(),
            origin: key.name().to_owned(),
            key: key.to_string(),
            layout: config.layout_of(&station.name),
            copies: CosignedCopies {
                store: Arc::clone(store),
                folder: format!("{prefix}witness/{}/{}/", config.name, station.name),
                retention: RetentionPolicy::of(&config.store),
            },
            station: station.clone(),
            interval: config.follow_interval,
            recalled: false,
            published: 0,
            problems: ProblemLog::new(
                "a station's log needs attention",
                "the station's log is in order again",
            ),
        })
    }

    /// Follows until `stop` is true. One station's trouble delays no other.
    pub async fn run(mut self, mut stop: watch::Receiver<bool>) {
        let backoff = Backoff::default();
        let mut failures = 0u32;
        while !*stop.borrow() {
            let round = tokio::select! {
                round = self.round() => round,
                _ = stop.wait_for(|stop| *stop) => return,
            };
            let found = round.and_then(|()| self.silence());
            self.tell(found.as_ref().err());
            self.enter(found.as_ref().err()).await;
            let pause = if let Err(OfficeError::Store(_)) = &found {
                failures += 1;
                backoff.delay(failures, failures.wrapping_mul(2_654_435_761), None)
            } else {
                failures = 0;
                self.interval
            };
            tokio::select! { () = tokio::time::sleep(pause) => {}, _ = stop.changed() => {} }
        }
    }

    fn log(&self) -> Option<&WitnessedLog> {
        self.witness.log(&self.origin)
    }

    /// The station's log in the bucket.
    fn source(&self) -> BucketLog {
        BucketLog {
            store: Arc::clone(&self.store),
            layout: self.layout.clone(),
            runtime: Handle::current(),
        }
    }

    async fn round(&mut self) -> Result<(), OfficeError> {
        self.ruling = self.acts.ruling(&self.key);
        if !self.recalled {
            self.recall().await?;
            self.recalled = true;
        }
        if let Some(log) = self.log() {
            log.set_recalled();
            log.obey(&self.witness, &self.ruling)?;
        }
        let source = self.source();
        let (witness, origin) = (Arc::clone(&self.witness), self.origin.clone());
        let looked = tokio::task::spawn_blocking(move || {
            let log = witness.log(&origin);
            log.map_or(Ok(()), |log| look(&witness, log, &source))
        });
        looked.await.map_err(|_| AuditError::Closed)??;
        self.publish().await
    }

    /// Takes back from the bucket what this witness had cosigned, so that a lost disk does not make it trust anew.
    async fn recall(&self) -> Result<(), OfficeError> {
        let Some(log) = self.log() else { return Ok(()) };
        let mut bound = None;
        loop {
            let largest = self.copies.largest(bound.as_ref()).await?;
            for (_, key) in &largest {
                let Some(note) = self.copies.get(key).await? else {
                    continue;
                };
                let cosigned = match log.read(note, self.witness.public()) {
                    Ok(cosigned) => cosigned,
                    Err(error) => {
                        let foreign = OfficeError::CopyForeign {
                            key: key.clone(),
                            source: error.into(),
                        };
                        // It may lie over the only thing that a lost record could be compared with.
                        if log.latest().is_none() {
                            return Err(foreign);
                        }
                        super::warn(&foreign, "a copy of a cosigned checkpoint is passed over");
                        continue;
                    }
                };
                // What was cosigned before a person's release may be of the log that nobody believes any more.
                let believed = self.ruling.released.as_ref().is_none_or(|released| {
                    let from = &released.act.from;
                    let checkpoint = &cosigned.checkpoint;
                    cosigned.at.as_second() >= released.at.as_second()
                        || (checkpoint.size, checkpoint.root) == (from.size, from.root)
                });
                if believed {
                    return self.take_back(cosigned).await;
                }
            }
            bound = largest.into_iter().last();
            if bound.is_none() {
                return Ok(());
            }
        }
    }

    /// Takes it over, unless what this witness remembers contradicts it: then both are kept as proof.
    async fn take_back(&self, recalled: Cosigned) -> Result<(), OfficeError> {
        let Some(log) = self.log() else { return Ok(()) };
        let known = log.latest().map(|latest| latest.checkpoint);
        let older = known.filter(|known| known.size >= recalled.checkpoint.size);
        let Some(known) = older.filter(|known| *known != recalled.checkpoint) else {
            return log.take_back(recalled);
        };
        let source = self.source();
        let checkpoint = recalled.checkpoint.clone();
        let contradicts = tokio::task::spawn_blocking(move || {
            known.size == checkpoint.size
                || matches!(
                    growth(&source, &checkpoint, &known),
                    Ok(LogGrowth::Rewritten)
                )
        });
        if contradicts.await.map_err(|_| AuditError::Closed)? {
            log.keep_contradiction(&recalled.note)?;
        }
        Ok(())
    }

    /// Puts the latest cosigned checkpoint into the bucket, once.
    async fn publish(&mut self) -> Result<(), OfficeError> {
        let Some(log) = self.log() else { return Ok(()) };
        let Some(latest) = log.latest() else {
            return Ok(());
        };
        let size = latest.checkpoint.size;
        if self.published != size {
            let own = self.witness.public();
            self.copies.put(log, own, latest).await?;
            self.published = size;
        }
        Ok(())
    }

    fn silence(&self) -> Result<(), OfficeError> {
        if self.ruling.closed.is_some() {
            return Ok(());
        }
        let grown = self.log().and_then(WitnessedLog::grown_at);
        let since = grown.map(|grown| Timestamp::now().duration_since(grown));
        match since.and_then(|since| Duration::try_from(since).ok()) {
            Some(since) if since > self.station.silence => Err(OfficeError::Silent {
                station: self.station.name.clone(),
                hours: since.as_secs() / 3600,
            }),
            _ => Ok(()),
        }
    }

    /// Enters how the log stands in the office's own log, when that changes and once a day.
    async fn enter(&self, problem: Option<&OfficeError>) {
        let Some(log) = self.log() else { return };
        let code = problem.map(OfficeError::label);
        let due = match code {
            // The alarm that freezes a log is entered once; what ends it is a person's act.
            Some(REWRITTEN) => self.ruling.frozen.is_none(),
            None if self.ruling.closed.is_some() => false,
            code => self.acts.is_due(&self.key, code),
        };
        let (latest, station) = (log.latest(), &self.station.name);
        let event = match (problem, latest) {
            _ if !due => return,
            (None, Some(latest)) => Event::LogWitnessed(LogWitnessed {
                log: station.clone(),
                key: self.key.clone(),
                size: latest.checkpoint.size,
                root: latest.checkpoint.root,
                cosigned_at: latest.at,
            }),
            (Some(problem), latest) if problem.is_alarm() => Event::LogAlarm(Box::new(LogAlarm {
                log: station.clone(),
                key: self.key.clone(),
                code: problem.label().to_owned(),
                cosigned: latest.map_or(0, |latest| latest.checkpoint.size),
                size: problem.claimed(),
                contradiction: match problem {
                    OfficeError::Rewritten { .. } => proof(log.contradiction().ok().flatten()),
                    _ => None,
                },
            })),
            // What is wrong with the store or with this machine says nothing of the log.
            _ => return,
        };
        if let Err(error) = self.acts.enter(event).await {
            super::warn(&error, "how a log stands could not be entered");
        }
    }

    fn tell(&mut self, problem: Option<&OfficeError>) {
        let code = problem.map(OfficeError::label);
        self.problems.see(&self.station.name, problem);
        let Some(log) = self.log() else { return };
        let latest = log.latest();
        let standing = LogStanding {
            station: self.station.name.clone(),
            looked_at: Timestamp::now(),
            cosigned_entries: latest.as_ref().map_or(0, |latest| latest.checkpoint.size),
            cosigned_at: latest.map(|latest| latest.at),
            code: code.map(str::to_owned),
            problem: problem.map(OfficeError::described),
            closed: self.ruling.closed.is_some(),
        };
        if let Err(error) = standing.keep(log) {
            tracing::warn!(code = error.label(), %error, next_step = error.next_step(), "how a log stands could not be kept");
        }
    }
}

/// Reads the bucket's checkpoint, compares it with what was cosigned, and has it cosigned if the log only grew.
fn look(witness: &Witness, log: &WitnessedLog, source: &BucketLog) -> Result<(), OfficeError> {
    let station = || log.station.clone();
    let Some(bytes) = source.read("checkpoint")? else {
        return Err(OfficeError::NoLog { station: station() });
    };
    let note = String::from_utf8(bytes).map_err(|_| AuditError::Note("it is not text"))?;
    let now = log.verifier.open(&note)?;
    let rewritten = |cosigned: &Checkpoint| OfficeError::Rewritten {
        station: station(),
        cosigned: cosigned.size,
        size: now.size,
    };
    let known = log.latest().map(|latest| latest.checkpoint);
    let cosigned = known.as_ref().map_or(0, |known| known.size);
    if log.closed() && now.size > cosigned && !is_later(log, &now)? {
        return Err(OfficeError::GrewAfterClose {
            station: station(),
            cosigned,
            size: now.size,
        });
    }
    if let Some(known) = &known
        && log.frozen()
    {
        // Who closed it knew what was wrong with it.
        return if log.closed() {
            Ok(())
        } else {
            Err(rewritten(known))
        };
    }
    let proof = match &known {
        None => Vec::new(),
        Some(known) if *known == now => return Ok(()),
        Some(known) if known.size == now.size => {
            log.keep_contradiction(&note)?;
            return Err(rewritten(known));
        }
        Some(known) if now.size < known.size => {
            return Err(shorter(log, source, known, &now, &note)?);
        }
        Some(known) => match growth(source, known, &now)? {
            LogGrowth::Grown(proof) => proof,
            LogGrowth::Rewritten => {
                log.keep_contradiction(&note)?;
                return Err(rewritten(known));
            }
            LogGrowth::TilesUnfit => return Err(OfficeError::TilesUnfit { station: station() }),
        },
    };
    match witness.answer(
        &AddCheckpoint::body(cosigned, &proof, &note),
        Timestamp::now(),
    ) {
        // Or somebody else brought a newer checkpoint meanwhile: the next look compares with that.
        Ok(_) | Err(CosignRefusal::OtherSize(_) | CosignRefusal::NotRecalled) => Ok(()),
        Err(CosignRefusal::Record(error)) => Err(error),
        Err(CosignRefusal::Malformed(error) | CosignRefusal::Unsigned(error)) => Err(error.into()),
        Err(_) => Err(OfficeError::TilesUnfit { station: station() }),
    }
}

/// Whether this is the checkpoint by which a log was found to be rewritten.
fn is_later(log: &WitnessedLog, now: &Checkpoint) -> Result<bool, OfficeError> {
    let both = log.contradiction()?;
    Ok(both.is_some_and(|both| {
        log.verifier
            .open(&both.later)
            .is_ok_and(|later| later == *now)
    }))
}

/// A shorter log than was cosigned: put back to an older state, or another log.
fn shorter(
    log: &WitnessedLog,
    source: &BucketLog,
    known: &Checkpoint,
    now: &Checkpoint,
    note: &str,
) -> Result<OfficeError, OfficeError> {
    // The tiles of the longer log may be gone with it; then nothing but the roll-back can be said.
    if matches!(growth(source, now, known), Ok(LogGrowth::Rewritten)) {
        log.keep_contradiction(note)?;
        return Ok(OfficeError::Rewritten {
            station: log.station.clone(),
            cosigned: known.size,
            size: now.size,
        });
    }
    Ok(OfficeError::RolledBack {
        station: log.station.clone(),
        cosigned: known.size,
        size: now.size,
    })
}
