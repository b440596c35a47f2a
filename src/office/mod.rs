//! The evidence office: follows the logs of stations in the bucket and witnesses them.
//!
//! Keeps promise 11: a log that no longer contains what was signed before is found, named and never cosigned. It believes no
//! station: a cosignature says that a log only grew, and nothing of its entries. It never reads footage and holds no key that
//! opens any. What it sees and what people decide is in a log of its own.

mod acts;
mod class_changes;
mod commands;
mod cosigned_copies;
mod custody;
mod decisions;
mod disclosure;
pub mod dispatch;
mod disposal_proof;
mod disposals;
mod due;
mod earlier;
mod error;
mod follow;
mod gap_search;
mod index;
mod inspect;
mod keeping;
mod key_waits;
mod locks;
mod object_alarms;
mod outsiders;
mod pack_orders;
mod pages;
mod people;
mod person_keys;
mod problem_log;
mod reconcile;
pub mod report;
mod restricted;
mod server;
mod share_manifest;
mod share_orders;
mod share_taking;
mod shared_keys;
mod shares;
mod standing;
mod today;
mod watching;
mod witness;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use sd_notify::NotifyState;
use tokio::runtime::Handle;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use crate::audit::{LogKey, VerifierKey, WitnessKey};
use crate::config::{OfficeConfig, Secrets};
use crate::durable;
use crate::metrics;
use crate::model::{Event, Explain as _, OfficeStarted, OfficeStopped, StationName};
use crate::publish::PublishError;
use crate::sys;
use crate::upload::{S3Store, Store, StoreConfig};
use crate::web::{self, OfficeBackend, OfficeBackends};

pub use acts::{TEXTS, log_verifier};
pub use class_changes::{ChangedItem, ClassChange, KeptUntil, class_changes};
pub use commands::{
    GapCommand, OfficeOrder, OfficeReply, OfficeVerdict, WhichCheckpoint, socket_path,
};
pub use disclosure::{DisclosedItem, Disclosure, SealedObject, disclose};
pub use disposal_proof::{DisposalProof, ProvenEntry, prove_disposed};
pub use due::{DueItem, due};
pub use error::OfficeError;
pub use key_waits::ANSWERED_WITHIN;
pub use pack_orders::{OrderedItem, PACK_ITEMS_MAX, PackOrder};
pub use people::PeopleOrder;
pub use share_orders::ShareCommand;
pub use shares::SHARE_ITEMS_MAX;
pub use standing::{LogStanding, standings};

pub use decisions::{DispatchOrder, ITEMS_MAX, ItemsOrder, ItemsReply, NamedItem};
pub use index::{
    AskedKey, DatedRecording, Index, KnownGap, NamedFinding, Shown, StationFindings, StationRow,
};

use acts::Acts;
use custody::CustodyReader;
use decisions::Decisions;
use disposals::Disposals;
use follow::Follower;
use inspect::{Inspection, Inspector};
use key_waits::KeyWaits;
use locks::Locks;
use outsiders::Outsiders;
use pages::OfficePages;
use people::People;
use person_keys::PersonKeys;
use shares::Shares;
use watching::Watch;
use witness::{Witness, WitnessedLog};

/// How long a stop waits for a command that is being carried out.
const LAST_COMMAND: Duration = Duration::from_secs(1);

/// Follows and witnesses until SIGTERM or Ctrl-C, or until its own log contradicts the bucket's copy.
pub async fn run(config: OfficeConfig) -> anyhow::Result<()> {
    let figures = metrics::install().context("cannot set up the metrics")?;
    metrics::begin_office();
    let witness = Arc::new(open_witness(&config)?);
    let s3 = open_store(&config)?;
    let store: Arc<dyn Store> = Arc::new(s3.clone());
    let (acts, publisher) = acts::open(&config, &store).await?;
    // A stop in the middle of the start is one in order, too.
    let (mut end, mut interrupt) = (
        signal(SignalKind::terminate())?,
        signal(SignalKind::interrupt())?,
    );
    acts.enter(started(&config, &witness, &acts)).await?;
    // Before anybody may ask for a cosignature.
    witness.close_ruled(|key| acts.ruling(key).closed.is_some());
    let (stop, stopped) = watch::channel(false);
    let (end_log, log_ended) = watch::channel(false);
    let (contradiction, mut contradicted) = mpsc::channel(1);
    let publishing = tokio::spawn(publisher.run(log_ended, contradiction));
    let mut tasks = JoinSet::new();
    for station in &config.stations {
        let follower = Follower::new(&config, station, &store, &witness, &acts)?;
        tasks.spawn(follower.run(stopped.clone()));
    }
    tasks.spawn(Arc::clone(&acts).publish_texts(stopped.clone()));
    let index = Arc::new(Index::open(&config.index())?);
    tasks.spawn(Arc::clone(&acts).index_acts(Arc::clone(&index), stopped.clone()));
    if let Some(locks) = Locks::new(&config, s3.clone(), &index, &acts) {
        tasks.spawn(locks.run(stopped.clone()));
    }
    class_changes::note_loaded(&config);
    let disposals = Disposals::new(&config, s3.clone(), &index, &acts);
    tasks.spawn(disposals.run(stopped.clone()));
    let decisions = Arc::new(Decisions::new(&config, s3, &index, &acts));
    tasks.spawn(Arc::clone(&decisions).follow_holds(stopped.clone()));
    let keys = Arc::new(PersonKeys::open(&config, &acts));
    let inspection = Inspection::new(Arc::clone(&index), &store, &witness);
    let (earlier_read, earlier) = watch::channel(false);
    tasks.spawn(earlier::read_all(
        config.clone(),
        Arc::clone(&store),
        Arc::clone(&index),
        earlier_read,
        stopped.clone(),
    ));
    for station in &config.stations {
        let inspector = Inspector::new(&config, station, &inspection, stopped.clone())?;
        let (mut earlier, acts) = (earlier.clone(), Arc::clone(&acts));
        tasks.spawn(async move {
            // What was deleted under an earlier office is not to be told as missing. It ends without it when the office stops.
            let _ = earlier.wait_for(|read| *read).await;
            inspector.run(acts).await;
        });
    }
    let custody = Arc::new(CustodyReader {
        store: Arc::clone(&store),
        witness: Arc::clone(&witness),
        runtime: Handle::current(),
    });
    let outsiders = Arc::new(Outsiders::open(&config, &acts));
    let shares = Arc::new(Shares::new(&config, &index, &acts, &custody));
    tasks.spawn(Arc::clone(&shares).run(stopped.clone()));
    let pages = Arc::new(OfficePages {
        config: config.clone(),
        acts: Arc::clone(&acts),
        decisions: Arc::clone(&decisions),
        keys: Arc::clone(&keys),
        outsiders: Arc::clone(&outsiders),
        shares: Arc::clone(&shares),
        custody,
    });
    let mut servers = JoinSet::new();
    server::start(&config, &witness, figures, &mut servers);
    let sign_in = web::start_office(
        &config.pages,
        config.people.as_ref(),
        &Secrets::from_environment(),
        config.web_sessions(),
        OfficeBackends {
            pages: Arc::clone(&pages) as Arc<dyn OfficeBackend>,
            footage: Arc::new(Watch {
                config: config.clone(),
                index,
                key_waits: KeyWaits::new(&store),
                custody: CustodyReader {
                    store: Arc::clone(&store),
                    witness: Arc::clone(&witness),
                    runtime: Handle::current(),
                },
                store: Arc::clone(&store),
                acts: Arc::clone(&acts),
            }),
            enrolments: pages,
        },
        &mut servers,
    )
    .context("cannot set up the pages")?;
    let people = People {
        acts: Arc::clone(&acts),
        keys,
        outsiders,
        sign_in,
    };
    let mut commands = commands::open(&config, &witness, &acts, &decisions, people, shares)?;
    tracing::info!(office = %config.name, witness = %witness.public(), stations = config.stations.len(), "the office follows its stations");
    let _ = sd_notify::notify(&[NotifyState::Ready]);
    let (reason, fatal): (&str, Option<PublishError>) = tokio::select! {
        _ = end.recv() => ("SIGTERM", None),
        _ = interrupt.recv() => ("SIGINT", None),
        Some(error) = contradicted.recv() => ("the bucket's copy of this log contradicts it", Some(error)),
    };
    let _ = sd_notify::notify(&[NotifyState::Stopping]);
    commands.stop(LAST_COMMAND).await;
    commands.remove();
    let _ = stop.send(true);
    servers.shutdown().await;
    while tasks.join_next().await.is_some() {}
    let reason = reason.to_owned();
    let stopped = acts.enter(Event::OfficeStopped(OfficeStopped { reason }));
    if let Err(error) = stopped.await {
        warn(&error, "the office's stop could not be entered in its log");
    }
    let _ = end_log.send(true);
    let _ = publishing.await;
    tokio::task::block_in_place(|| acts.close())?;
    if let Some(error) = fatal {
        return Err(error).context("this office must not go on");
    }
    tracing::info!("the office has stopped");
    Ok(())
}

fn started(config: &OfficeConfig, witness: &Witness, acts: &Acts) -> Event {
    let clock = sys::clock_state();
    metrics::clock(clock.synchronised);
    Event::OfficeStarted(OfficeStarted {
        version: env!("CARGO_PKG_VERSION").into(),
        clock,
        log_size: acts.size(),
        log_key: acts.verifier().to_string(),
        witness_key: witness.public().to_string(),
        stations: config.stations.len() as u64,
    })
}

/// A problem that does not keep the office from going on.
fn warn(error: &OfficeError, what: &str) {
    metrics::error(error.label());
    tracing::warn!(
        code = error.label(),
        error = error as &dyn std::error::Error,
        next_step = error.next_step(),
        "{what}"
    );
}

/// What was read of a station's log, and what the last looks at the bucket found, at most so many of each kind; `None` before the
/// office has read anything.
pub fn station_rows(
    config: &OfficeConfig,
    of_each_kind: u32,
) -> Result<Vec<Option<StationFindings>>, OfficeError> {
    let index = Index::open_read_only(&config.index())?;
    let row = |station: &crate::config::FollowedStation| {
        let Some(index) = &index else { return Ok(None) };
        index.row_with_findings(&station.name, jiff::Timestamp::now(), of_each_kind)
    };
    config.stations.iter().map(row).collect()
}

/// Makes the index anew from the entries below what was cosigned; tells `done` of each station with its entries.
pub async fn rebuild(config: &OfficeConfig, mut done: impl FnMut(&str, u64)) -> anyhow::Result<()> {
    let witness = Arc::new(open_witness(config)?);
    let store: Arc<dyn Store> = Arc::new(open_store(config)?);
    let index = Arc::new(Index::open(&config.index())?);
    let inspection = Inspection::new(Arc::clone(&index), &store, &witness);
    let (_stop, stopped) = watch::channel(false);
    for station in &config.stations {
        let number = index.station(&station.name)?;
        index.forget(number)?;
        let origin = station_key(station)?.name().to_owned();
        let inspector = Inspector::new(config, station, &inspection, stopped.clone())?;
        if let Some(cosigned) = witness.log(&origin).and_then(WitnessedLog::latest) {
            let read = inspector.read(&cosigned.checkpoint).await;
            read.with_context(|| format!("cannot read the log of {}", station.name))?;
        }
        done(station.name.as_str(), index.prefix(number)?.size());
    }
    Ok(())
}

/// Looks for gaps in the logs of these stations, of all where none is named, as far as they were cosigned; tells `done` of each
/// with what is left to explain of it.
pub async fn find_gaps(
    config: &OfficeConfig,
    only: Option<&StationName>,
    mut done: impl FnMut(&StationName, &StationRow, &[KnownGap]) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let witness = Arc::new(open_witness(config)?);
    let store: Arc<dyn Store> = Arc::new(open_store(config)?);
    let index = Arc::new(Index::open(&config.index())?);
    let inspection = Inspection::new(Arc::clone(&index), &store, &witness);
    let (_stop, stopped) = watch::channel(false);
    let wanted = |name: &StationName| only.is_none_or(|only| only == name);
    for station in config.stations.iter().filter(|s| wanted(&s.name)) {
        let name = &station.name;
        let inspector = Inspector::new(config, station, &inspection, stopped.clone())?;
        let origin = station_key(station)?.name().to_owned();
        if let Some(cosigned) = witness.log(&origin).and_then(WitnessedLog::latest) {
            let found = inspector.find_gaps(&cosigned.checkpoint).await;
            found.with_context(|| format!("cannot look for gaps of {name}"))?;
        }
        let row = index.row(name, jiff::Timestamp::now())?;
        let row = row.context("the index has no row of this station")?;
        done(name, &row, &index.open_gaps(name, u32::MAX)?)?;
    }
    Ok(())
}

/// The gaps of each station that nobody has explained, at most so many of each.
fn open_gaps(config: &OfficeConfig, of_each: u32) -> Result<Vec<Vec<KnownGap>>, OfficeError> {
    let Some(index) = Index::open_read_only(&config.index())? else {
        return Ok(config.stations.iter().map(|_| Vec::new()).collect());
    };
    let stations = config.stations.iter();
    let gaps = stations.map(|station| index.open_gaps(&station.name, of_each));
    gaps.collect()
}

/// The store's client, with the office's own credentials.
pub fn open_store(config: &OfficeConfig) -> anyhow::Result<S3Store> {
    let keys = Secrets::from_environment().store_of(&config.store)?;
    S3Store::new(&StoreConfig::of(&config.store, keys)).context("cannot set up the store's client")
}

/// The witness with what it remembers of each station's log.
fn open_witness(config: &OfficeConfig) -> anyhow::Result<Witness> {
    let key = witness_key(config)?;
    let mut witness = Witness::new(&config.witness_name, key)?;
    for station in &config.stations {
        let verifier = station_key(station)?;
        let log = WitnessedLog::open(
            &config.witness_dir(),
            station.name.clone(),
            verifier,
            witness.public(),
        )?;
        witness.add(log)?;
    }
    Ok(witness)
}

/// The key that others check the office's cosignatures with.
pub fn witness_public(config: &OfficeConfig) -> anyhow::Result<WitnessKey> {
    Ok(witness_key(config)?.witness(&config.witness_name)?)
}

fn witness_key(config: &OfficeConfig) -> anyhow::Result<LogKey> {
    let pkcs8 = Secrets::from_environment().witness_key(config)?;
    LogKey::from_pkcs8(&pkcs8).context("the witness's key cannot sign")
}

/// The key of a station's log as configured.
pub fn station_key(station: &crate::config::FollowedStation) -> Result<VerifierKey, OfficeError> {
    station
        .log_key
        .parse()
        .map_err(|source| OfficeError::StationKey {
            station: station.name.clone(),
            source,
        })
}

/// The public keys of an office.
pub struct OfficeKeys {
    pub witness: WitnessKey,
    pub log: VerifierKey,
}

/// Makes the key pairs that are not there yet: one cosigns, one signs the office's own log. It never replaces one.
pub fn make_keys(config: &OfficeConfig) -> anyhow::Result<OfficeKeys> {
    let (witness, log) = (config.witness_key(), config.office_log_key());
    if witness.exists() && log.exists() {
        anyhow::bail!(
            "{} and {} exist already; an office's keys are never replaced",
            witness.display(),
            log.display()
        );
    }
    durable::create_dir(witness.parent().unwrap_or(Path::new("/")))?;
    for path in [&witness, &log] {
        if !path.exists() {
            durable::write_atomic(path, &LogKey::generate()?.1)?;
        }
    }
    let keys = OfficeKeys {
        witness: witness_public(config)?,
        log: log_verifier(config)?,
    };
    let public = format!("{}\n", keys.log);
    durable::write_atomic(&config.log_public_key(), public.as_bytes())?;
    Ok(keys)
}
