//! A whole station on one thread, of the real parts: jobs, committer, uploads, recovery, journal and spool.

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::runtime::Runtime;

use super::cameras::{self, CAMERAS};
use super::harness::Harness;
use super::scenario::{BAYS, Scenario};
use crate::audit::{LogHandle, LogKey, VerifierKey};
use crate::camera::Camera;
use crate::durable::SetAside;
use crate::failpoint::hook::{self, PowerCut};
use crate::ingest::commit::{Committer, SealedFile, commit};
use crate::ingest::job::{Job, Run};
use crate::ingest::pull::PullTools;
use crate::ingest::queue::Failures;
use crate::ingest::{
    Bays, CameraSlots, IngestError, JobControl, Outbound, Scale, Shared, Spool, now, recover,
};
use crate::journal::{Journal, SessionRow};
use crate::model::{BayName, BucketLayout, ItemState, OutboundView, SessionId};
use crate::seal::{Curve, Recipient, StationWrapKey, keygen_recipient};
use crate::upload::{Pacer, PartMemory, Store};

/// Plaintext bytes of a frame.
pub const FRAME: u32 = 64;
/// Time passes at once, and small files are resumed, too.
const SCALE: Scale = Scale {
    resumable_from: 128,
    longest_wait: Duration::ZERO,
};
/// The number of starts after which nothing can stand in a start's way.
const ENOUGH: usize = 40;

pub struct ModelKeys {
    recipient: String,
    verifier: VerifierKey,
    pub runtime: Runtime,
}

pub fn keys() -> &'static ModelKeys {
    static KEYS: OnceLock<ModelKeys> = OnceLock::new();
    KEYS.get_or_init(|| ModelKeys {
        recipient: keygen_recipient(Curve::P256).unwrap().1,
        verifier: LogKey::generate().unwrap().0.verifier("model").unwrap(),
        runtime: tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .build()
            .unwrap(),
    })
}

/// Names of the station's objects.
pub fn layout() -> BucketLayout {
    BucketLayout::new("", "model".parse().unwrap())
}

/// A thread's prepared keys, kept from scenario to scenario: making them costs the most.
#[derive(Default)]
pub struct Stock(pub [Option<PullTools>; CAMERAS]);

pub struct DockedJob {
    pub device: usize,
    pub run: Run,
    pub camera: Box<dyn Camera>,
    pub settled: bool,
}

/// One start of the service.
pub struct Service {
    pub shared: Arc<Shared>,
    pub outbound: Outbound,
    pub failures: Failures,
    pub sessions: [Option<DockedJob>; BAYS],
}

pub struct ModelStation<'a> {
    dir: PathBuf,
    name: String,
    pub scenario: Scenario,
    /// Holds the journal while the service is down.
    _journal: Journal,
    pub stock: &'a mut Stock,
    pub harness: Rc<RefCell<Harness>>,
    pub service: Option<Service>,
    pub steps: Cell<u64>,
}

pub type Verdict = Result<(), String>;

impl<'a> ModelStation<'a> {
    pub fn new(dir: &Path, scenario: &Scenario, stock: &'a mut Stock) -> Result<Self, String> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let name = format!("scenario{}", COUNT.fetch_add(1, Ordering::Relaxed));
        let harness = Rc::new(RefCell::new(Harness::new()));
        Harness::connect(&harness);
        let mut station = Self {
            dir: dir.join(&name),
            _journal: Journal::in_memory(&name).map_err(|e| e.to_string())?,
            name,
            scenario: Scenario {
                steps: Vec::new(),
                ..scenario.clone()
            },
            stock,
            harness,
            service: None,
            steps: Cell::new(0),
        };
        station.start()?;
        Ok(station)
    }

    /// Steps that did something.
    pub fn steps(&self) -> u64 {
        self.steps.get()
    }

    fn open(&self) -> Result<Service, String> {
        let log = {
            let mut harness = self.harness.borrow_mut();
            harness.log = harness.log.reopened();
            harness.log.clone()
        };
        let station = "model".parse().map_err(|_| "a name")?;
        let journal = Journal::in_memory(&self.name).map_err(|e| e.to_string())?;
        let spool = Spool::open(&self.dir, 0).map_err(|e| e.to_string())?;
        let log_room = SetAside::open(&self.dir.join("log.room"), 0).map_err(|e| e.to_string())?;
        let recipient = Recipient::from_pem(&keys().recipient).map_err(|e| e.to_string())?;
        let shared = Arc::new_cyclic(|shared| Shared {
            entered: AtomicU64::new(0),
            awaited_quorum: None,
            station,
            journal,
            log: LogHandle::in_memory(log, keys().verifier.clone()),
            spool,
            log_room,
            recipients: vec![recipient],
            wrap: StationWrapKey::new([7; 32].into()),
            frame_length: FRAME,
            earliest_year: 2015,
            settle: Duration::from_hours(u64::from(self.scenario.waits)),
            bays: Bays::default(),
            cores: 0,
            pulling: AtomicUsize::new(0),
            slots: CameraSlots::new(None),
            wake_upload: tokio::sync::Notify::new(),
            upload_done: tokio::sync::Notify::new(),
            stop: AtomicBool::new(false),
            scale: SCALE,
            commit: Mutex::new(Some(Arc::new(OwnThread {
                shared: shared.clone(),
                sealed: Mutex::default(),
            }))),
        });
        let store: Arc<dyn Store> = self.harness.borrow().store.clone();
        let outbound = Outbound {
            shared: Arc::clone(&shared),
            store,
            layout: layout(),
            first_lock: None,
            pacer: Pacer::unlimited(),
            part_size: 8 << 20,
            parts_at_once: 1,
            memory: PartMemory::new(8 << 20),
            keep: Duration::from_hours(u64::from(self.scenario.keeps)),
            previews: false,
            view: Mutex::new(OutboundView::default()),
            entries: crate::ingest::RecentEntries::default(),
        };
        Ok(Service {
            shared,
            outbound,
            failures: Failures::default(),
            sessions: Default::default(),
        })
    }

    /// Starts the service, as often as it takes, and docks what is in the bays.
    fn start(&mut self) -> Verdict {
        for _ in 0..ENOUGH {
            let service = self.open()?;
            self.harness.borrow_mut().restarted(&service.shared);
            let shared = Arc::clone(&service.shared);
            match self.within(|_| recover(&shared))? {
                None => {
                    self.harness.borrow_mut().unsynced.lose();
                    continue;
                }
                Some(Err(_)) => continue,
                Some(Ok(_)) => {}
            }
            self.in_line(&shared)?;
            self.service = Some(service);
            let docked = self.harness.borrow().docked;
            for (bay, device) in docked.into_iter().enumerate() {
                if let Some(device) = device {
                    self.dock(device, bay)?;
                }
            }
            return Ok(());
        }
        Err("the service does not start any more".into())
    }

    /// The state that a start must have brought about.
    fn in_line(&self, shared: &Shared) -> Verdict {
        let mut harness = self.harness.borrow_mut();
        harness.read_log()?;
        harness.kept()?;
        if !shared.bays.all().is_empty() {
            return Err("a bay shows something before its camera was looked at".into());
        }
        let failed = |e: crate::journal::JournalError| e.to_string();
        let open = shared.journal.open_sessions().map_err(failed)?;
        if !open.is_empty() {
            return Err("a session continues over a restart".into());
        }
        let of = |states: &[ItemState]| -> Result<usize, String> {
            let rows = shared.journal.items_in(states, None, 10_000);
            Ok(rows.map_err(failed)?.len())
        };
        let items = harness.reference.items.values();
        let (stored, lost) = items.fold((0, 0), |(stored, lost), item| {
            (
                stored + usize::from(item.stored),
                lost + usize::from(item.lost),
            )
        });
        let waiting = harness.reference.items.len() - stored - lost;
        let journal = (
            of(&[ItemState::Stored, ItemState::Released])?,
            of(&[ItemState::Logged, ItemState::Uploading])?,
            of(&[ItemState::Failed])?,
            of(&[ItemState::Sealed])?,
        );
        if journal != (stored, waiting, lost, 0) {
            return Err(format!(
                "the log knows {stored} stored, {waiting} waiting, {lost} lost items; the journal {journal:?}"
            ));
        }
        for (session, path) in harness.reference.missing() {
            let known = shared.journal.still_missing(session, 100).map_err(failed)?;
            if !known.contains(path) {
                return Err(format!("{path} left with its camera, and nobody remembers"));
            }
        }
        Ok(())
    }

    /// Does something that a power cut may end: `None` when it did.
    fn within<T>(&mut self, what: impl FnOnce(&mut Self) -> T) -> Result<Option<T>, String> {
        match catch_unwind(AssertUnwindSafe(|| what(self))) {
            Ok(done) => Ok(Some(done)),
            Err(cause) if cause.is::<PowerCut>() => Ok(None),
            Err(cause) => {
                let text = cause.downcast_ref::<String>().cloned();
                let fixed = cause.downcast_ref::<&str>().map(ToString::to_string);
                Err(format!("panicked: {}", text.or(fixed).unwrap_or_default()))
            }
        }
    }

    /// Does something with the service; what was armed may end in a restart.
    pub fn during(&mut self, what: impl FnOnce(&mut Self) -> Verdict) -> Verdict {
        match self.within(what)? {
            None => self.power_cut()?,
            Some(done) => done?,
        }
        if self.service.as_ref().is_some_and(|s| s.shared.stopping()) {
            self.restart()?;
        }
        self.harness.borrow_mut().look(true);
        self.verdict()
    }

    pub fn verdict(&self) -> Verdict {
        self.harness.borrow_mut().broken.take().map_or(Ok(()), Err)
    }

    pub fn power_cut(&mut self) -> Verdict {
        self.service = None;
        self.harness.borrow_mut().unsynced.lose();
        self.start()
    }

    /// The service stops in order and starts again.
    pub fn restart(&mut self) -> Verdict {
        let Some(service) = &self.service else {
            return Ok(());
        };
        service.shared.stop.store(true, Ordering::Relaxed);
        for bay in 0..BAYS {
            let session = self.service.as_mut().and_then(|s| s.sessions[bay].take());
            if let Some(docked) = session
                && self.within(|_| docked.run.end().map(drop))?.is_none()
            {
                return self.power_cut();
            }
        }
        self.service = None;
        self.verdict()?;
        self.start()
    }

    pub fn dock(&mut self, device: usize, bay: usize) -> Verdict {
        let sessions = &self.service.as_ref().ok_or("no service")?.sessions;
        let gone: Vec<usize> = (0..BAYS)
            .filter(|other| {
                let there = sessions[*other].as_ref();
                there.is_some_and(|there| *other == bay || there.device == device)
            })
            .collect();
        for other in gone {
            self.undock(other)?;
        }
        {
            let mut harness = self.harness.borrow_mut();
            harness.docked[bay] = Some(device);
            let mut devices = harness.cameras.lock();
            devices[device].present = true;
            devices[device].listed = None;
        }
        self.during(|station| {
            station.begin(device, bay);
            Ok(())
        })
    }

    fn begin(&mut self, device: usize, bay: usize) {
        let camera = cameras::id(device);
        let session = SessionRow {
            id: SessionId::new(),
            bay: BayName::new(&format!("bay-{bay}")),
            quarantine: camera.is_none().then(|| "no serial".into()),
            profile: "model".into(),
            access: "folder".into(),
            officer: None,
            started: now(),
            ended: None,
            source: None,
            camera,
        };
        self.harness
            .borrow_mut()
            .reference
            .docks(session.id, device);
        let Some(service) = &mut self.service else {
            return;
        };
        let job = Job {
            shared: Arc::clone(&service.shared),
            anonymous: session.camera.is_none(),
            session,
            camera: self.harness.borrow().cameras.camera(device),
            control: Arc::new(JobControl::default()),
            wiping: None,
            at_start: false,
            import: None,
        };
        let (mut run, mut camera) = job.open();
        // Only a stop ends the attempts, and then the session.
        if run.begin(&camera.condition()).is_ok() {
            service.sessions[bay] = Some(DockedJob {
                device,
                run,
                camera,
                settled: false,
            });
        }
    }

    /// The bus reports that a camera left.
    pub fn undock(&mut self, bay: usize) -> Verdict {
        {
            let mut harness = self.harness.borrow_mut();
            if let Some(device) = harness.docked[bay].take() {
                harness.cameras.lock()[device].present = false;
            }
        }
        let session = self.service.as_mut().and_then(|s| s.sessions[bay].take());
        let Some(docked) = session else {
            return Ok(());
        };
        docked.run.session.control.leave("the camera was removed");
        self.during(|_| {
            // Fails only when the service stops, or for good.
            let _ = docked.run.end();
            Ok(())
        })
    }
}

impl Drop for ModelStation<'_> {
    fn drop(&mut self) {
        self.service = None;
        hook::set(None);
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

/// Commits on the scenario's own thread, when a job waits for it.
struct OwnThread {
    shared: Weak<Shared>,
    sealed: Mutex<Vec<SealedFile>>,
}

impl Committer for OwnThread {
    fn hand_over(&self, sealed: SealedFile) -> Result<(), IngestError> {
        self.sealed.lock().push(sealed);
        Ok(())
    }

    fn hurry(&self) {
        let batch = std::mem::take(&mut *self.sealed.lock());
        if let Some(shared) = self.shared.upgrade() {
            commit(&shared, batch);
        }
    }
}
