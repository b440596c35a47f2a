//! The parts of a station, opened in order from a validated configuration.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize};

use parking_lot::Mutex;
use std::time::Duration;

use anyhow::Context as _;

use crate::audit::{LogHandle, LogKey};
use crate::config::{Config, PreviewVideo, Profiles, Secrets, StoreCredentials, WitnessSettings};
use crate::durable::{self, SetAside};
use crate::ingest::{
    Bays, CameraSlots, CommitQueue, Outbound, PreviewRules, Previews, RecentEntries, Scale, Shared,
    Spool,
};
use crate::journal::Journal;
use crate::model::OutboundView;
use crate::preview::{self, Limits, Settings};
use crate::seal::{Recipient, StationWrapKey};
use crate::upload::{
    FirstLock, LockMode, PaceRule, Pacer, PartMemory, RetentionPolicy, S3Store, Store, StoreConfig,
    SystemClock,
};
use crate::witnessing::Witnesses;

pub fn log_key(config: &Config, secrets: &Secrets) -> anyhow::Result<LogKey> {
    let pkcs8 = secrets.station_key(config)?;
    LogKey::from_pkcs8(&pkcs8).context("the station key cannot sign")
}

pub fn recipients(config: &Config) -> anyhow::Result<Vec<Recipient>> {
    config
        .seal
        .recipients
        .iter()
        .map(|r| {
            Recipient::from_pem(&r.pem)
                .with_context(|| format!("the recipient {}", r.path.display()))
        })
        .collect()
}

/// The lock of the log's objects: as long as that of any item.
pub fn retention(config: &Config) -> Option<RetentionPolicy> {
    let policy = RetentionPolicy::of(&config.store)?;
    let flagged = config.first_lock.map_or(0, |first| first.flagged_days);
    Some(RetentionPolicy {
        days: policy.days.max(flagged),
        ..policy
    })
}

pub fn store(config: &Config, secrets: &Secrets) -> anyhow::Result<S3Store> {
    client(config, secrets.store(config)?)
}

/// With credentials that may read evidence back; the running station never does.
pub fn store_to_read(config: &Config, secrets: &Secrets) -> anyhow::Result<S3Store> {
    client(config, secrets.store_to_read(config)?)
}

fn client(config: &Config, keys: StoreCredentials) -> anyhow::Result<S3Store> {
    S3Store::new(&StoreConfig::of(&config.store, keys)).context("cannot set up the store's client")
}

/// The lock of each object; `None`: no lock.
pub fn lock_mode(config: &Config) -> Option<LockMode> {
    retention(config).map(|policy| policy.mode)
}

pub fn pacer(config: &Config) -> anyhow::Result<Pacer> {
    let time = |minute: u16| {
        let (hour, minute) = (i8::try_from(minute / 60 % 24), i8::try_from(minute % 60));
        jiff::civil::Time::new(hour.unwrap_or(0), minute.unwrap_or(0), 0, 0)
    };
    let rules = config.upload.pace.windows.iter().map(|w| {
        Ok(PaceRule {
            from: time(w.from_minute)?,
            until: time(w.to_minute)?,
            bits_per_second: w.bytes_per_second * 8,
        })
    });
    let rules = rules.collect::<Result<Vec<_>, jiff::Error>>()?;
    Ok(Pacer::new(
        rules,
        config.station.time_zone.clone(),
        Box::new(SystemClock::default()),
    )?)
}

pub fn outbound(
    config: &Config,
    shared: &Arc<Shared>,
    store: Arc<dyn Store>,
) -> anyhow::Result<Outbound> {
    let (part_size, parts_at_once) = (config.upload.part_size, config.upload.parts_in_flight);
    Ok(Outbound {
        shared: Arc::clone(shared),
        store,
        layout: config.bucket_layout(),
        first_lock: FirstLock::of(&config.store, config.first_lock),
        pacer: pacer(config)?,
        part_size,
        parts_at_once,
        memory: PartMemory::new(part_size * parts_at_once as u64),
        keep: config.spool.keep,
        previews: config.preview.enabled,
        view: Mutex::new(OutboundView::default()),
        entries: RecentEntries::default(),
    })
}

/// Pictures on a storyboard at most.
const PICTURES: u32 = 64;
/// Sealed bytes of one preview at most.
const PREVIEW_BYTES: u64 = 16 << 30;

/// The previews' conductor, unless previews are switched off.
pub fn previews(
    config: &Config,
    shared: &Arc<Shared>,
    outbound: &Arc<Outbound>,
    profiles: &Arc<Profiles>,
) -> anyhow::Result<Option<Previews>> {
    let preview = &config.preview;
    if !preview.enabled {
        return Ok(None);
    }
    let limits = Limits {
        memory_bytes: preview.memory_bytes,
        cpu_seconds: preview.cpu.as_secs(),
        output_bytes: PREVIEW_BYTES,
        silence_seconds: 120,
        // It gives way to everything else, so it may get a fraction of a core only.
        wall_seconds: preview.cpu.as_secs().saturating_mul(6),
    };
    let rules = PreviewRules {
        program: preview::worker_program().context("cannot find this program's own file")?,
        settings: Settings {
            height: preview.height,
            threads: u32::try_from(shared.cores).unwrap_or(1).clamp(1, 4),
            pictures: PICTURES,
            above_bits: (preview.video == PreviewVideo::Needed).then_some(preview.above_bits),
        },
        video: preview.video,
        limits,
        workers: preview.workers,
        hold: preview.hold,
    };
    Ok(Some(Previews::new(
        Arc::clone(shared),
        Arc::clone(outbound),
        rules,
        Arc::clone(profiles),
    )))
}

/// Log and journal grow by less while what is sealed is stored, and its files make room.
const LOG_ROOM: u64 = 8 << 20;

/// The parts that every job shares, and the receiving end of the committing thread.
pub struct OpenedParts {
    pub shared: Arc<Shared>,
    pub commits: CommitQueue,
    pub witnesses: Option<Arc<Witnesses>>,
}

fn witnesses(config: &Config, log: &LogHandle) -> anyhow::Result<Option<Arc<Witnesses>>> {
    let open = |settings: &WitnessSettings| {
        let dir = config.files.witnesses_dir();
        let witnesses = Witnesses::open(settings, log.clone(), dir);
        let witnesses = witnesses.with_context(|| settings.policy_file.display().to_string())?;
        Ok(Arc::new(witnesses))
    };
    config.witness.as_ref().map(open).transpose()
}

/// Opens log, journal, spool and keys. Nothing is changed except what opening itself recovers.
pub fn open(config: &Config, secrets: &Secrets) -> anyhow::Result<OpenedParts> {
    let recipients = recipients(config)?;
    durable::create_dir(config.files.state_dir())?;
    let key = log_key(config, secrets)?;
    let log = LogHandle::open(&config.files.log_dir(), key, &config.station.log_origin)
        .context("cannot open the custody log")?;
    let witnesses = witnesses(config, &log)?;
    let journal = Journal::open(&config.files.journal()).context("cannot open the journal")?;
    let spool = Spool::open(&config.spool.dir, config.spool.reserve_bytes)?;
    let log_room = SetAside::open(&config.files.log_room(), LOG_ROOM)?;
    let (committer, commits) = CommitQueue::channel();
    let shared = Shared {
        station: config.station.name.clone(),
        journal,
        log,
        spool,
        log_room,
        recipients,
        wrap: StationWrapKey::new(secrets.wrap_key(config)?),
        frame_length: config.seal.frame_length,
        earliest_year: config.ingest.earliest_year,
        settle: config.dock.settle.max(Duration::from_millis(1)),
        bays: Bays::default(),
        cores: std::thread::available_parallelism().map_or(1, usize::from),
        slots: CameraSlots::new(config.ingest.parallel_cameras),
        pulling: AtomicUsize::new(0),
        wake_upload: tokio::sync::Notify::new(),
        upload_done: tokio::sync::Notify::new(),
        stop: AtomicBool::new(false),
        scale: Scale::default(),
        commit: Mutex::new(Some(committer)),
        entered: AtomicU64::new(0),
        awaited_quorum: (witnesses.as_ref())
            .filter(|witnesses| witnesses.before_safe())
            .map(|witnesses| witnesses.quorum()),
    };
    Ok(OpenedParts {
        shared: Arc::new(shared),
        commits,
        witnesses,
    })
}
