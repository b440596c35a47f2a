//! Imports: evidence that comes on discs and sticks or from other programs, taken as a camera's footage is, on a thread of its
//! own for each. Only read: nothing that was imported is ever deleted or written to.

mod drops;
mod requests;
mod vetting;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;

use parking_lot::Mutex;

use crate::camera::{Camera, FolderCamera};
use crate::config::{Config, Profile};
use crate::ingest::{Import, IngestError, Job, JobControl, JobEnd, Shared, now};
use crate::journal::SessionRow;
use crate::metrics;
use crate::model::{BayName, CameraId, Explain as _, IMPORT_MAKE, ImportFacts, SessionId};
pub use requests::{
    ImportOrder, ImportRefusal, ImportReply, ImportReport, ImportRequest, ImportStarted, open,
};
use vetting::Vetting;

/// At a time.
const RUNNING_MAX: usize = 8;
/// Ended ones whose outcome can still be asked for.
const KEPT_MAX: usize = 64;

/// All imports of this run of the station; every thread is joined.
pub struct Imports {
    shared: Arc<Shared>,
    profile: Arc<Profile>,
    max_files: u64,
    vetting: Vetting,
    /// Names that are bays.
    bays: Vec<BayName>,
    runs: Mutex<Vec<ImportRun>>,
    /// The threads of the folders that other programs drop evidence into.
    drops: Mutex<Vec<JoinHandle<()>>>,
}

struct ImportRun {
    begun: ImportStarted,
    control: Arc<JobControl>,
    /// `None` for a folder that is served as long as the station runs.
    thread: Option<JoinHandle<()>>,
    /// Once it has ended.
    report: Option<ImportReport>,
    /// Such a folder is not there.
    absent: bool,
}

impl ImportRun {
    fn is_over(&self) -> bool {
        self.report.is_some() || self.thread.as_ref().is_some_and(JoinHandle::is_finished)
    }
}

impl Imports {
    pub fn new(config: &Config, shared: Arc<Shared>) -> Self {
        Self {
            shared,
            profile: Arc::new(Profile::of_imports()),
            max_files: config.ingest.max_files,
            vetting: Vetting::new(config),
            bays: config
                .dock
                .bays
                .iter()
                .map(|bay| bay.name.clone())
                .collect(),
            runs: Mutex::default(),
            drops: Mutex::default(),
        }
    }

    /// Begins an import, or says why not. `peer` is whoever ordered it. Blocks for a moment.
    fn begin(
        self: &Arc<Self>,
        order: ImportOrder,
        peer: String,
    ) -> Result<ImportStarted, ImportRefusal> {
        let ImportOrder { path, mut facts } = order;
        facts.check().map_err(|reason| ImportRefusal {
            code: "import_refused".into(),
            reason,
            next_step: "Correct it, then give the command again.".into(),
        })?;
        self.find_original(&mut facts)?;
        let path = self.vetting.readable(&path)?;
        let camera = self.camera(&path, facts.source_id())?;
        self.start(camera, facts, peer)
    }

    /// What lies there, ready to be read.
    fn camera(&self, path: &Path, id: CameraId) -> Result<Box<dyn Camera>, ImportRefusal> {
        let camera = FolderCamera::imported(path, &self.profile, id)
            .map_err(|error| vetting::unreadable(path, &error))?;
        Ok(Box::new(camera.with_max_files(self.max_files)))
    }

    /// The digest of the original that the import is derived from, where this station has it.
    fn find_original(&self, facts: &mut ImportFacts) -> Result<(), ImportRefusal> {
        if let Some(derived) = &mut facts.derived {
            let original = self.shared.journal.item(derived.from);
            let original = original.map_err(|error| ImportRefusal::of(&error))?;
            derived.sha256 = original.and_then(|item| Some(item.sealed?.sha256));
        }
        Ok(())
    }

    fn start(
        self: &Arc<Self>,
        camera: Box<dyn Camera>,
        facts: ImportFacts,
        peer: String,
    ) -> Result<ImportStarted, ImportRefusal> {
        let mut runs = self.runs.lock();
        let source = facts.source_id();
        let running: Vec<_> = runs.iter().filter(|run| !run.is_over()).collect();
        if running.iter().any(|run| run.begun.source == source) {
            return Err(ImportRefusal {
                code: "import_running".into(),
                reason: format!("an import of this source, {source}, is running"),
                next_step: "Wait for its end (`camdock status` shows it), then give the command again: it takes only what is missing.".into(),
            });
        }
        let ordered = running.iter().filter(|run| run.thread.is_some()).count();
        if ordered >= RUNNING_MAX || self.shared.stopping() {
            return Err(ImportRefusal {
                code: "import_running".into(),
                reason: format!("{ordered} imports are running"),
                next_step: "Wait for the end of one of them, then give the command again.".into(),
            });
        }
        let begun = ImportStarted {
            session: SessionId::new(),
            bay: self.free_bay(&runs),
            source,
            original_known: facts
                .derived
                .as_ref()
                .map(|derived| derived.sha256.is_some()),
        };
        let control = Arc::new(JobControl::default());
        let import = Import::new(facts.clone(), peer);
        let job = self.job(&begun, Arc::clone(&control), camera, &facts, import);
        let (imports, session) = (Arc::clone(self), begun.session);
        let thread = std::thread::Builder::new()
            .name("import".into())
            .spawn(move || {
                let ended = job.run();
                imports.ended(session, ended);
            })
            .map_err(|error| ImportRefusal::of(&IngestError::Thread(error)))?;
        let over = runs.len().saturating_sub(KEPT_MAX);
        let mut left = over;
        runs.retain(|run| {
            let drop = left > 0 && run.is_over();
            left -= usize::from(drop);
            !drop
        });
        runs.push(ImportRun {
            begun: begun.clone(),
            control,
            thread: Some(thread),
            report: None,
            absent: false,
        });
        Ok(begun)
    }

    /// A session that reads what `camera` gives as imported.
    fn job(
        &self,
        begun: &ImportStarted,
        control: Arc<JobControl>,
        camera: Box<dyn Camera>,
        facts: &ImportFacts,
        import: Import,
    ) -> Job {
        Job {
            shared: Arc::clone(&self.shared),
            session: SessionRow {
                id: begun.session,
                bay: begun.bay.clone(),
                camera: Some(begun.source.clone()),
                profile: self.profile.name.clone(),
                access: IMPORT_MAKE.into(),
                officer: facts.officer.clone(),
                quarantine: None,
                started: now(),
                ended: None,
                source: Some(facts.source.clone()),
            },
            camera,
            control,
            anonymous: false,
            at_start: false,
            wiping: None,
            import: Some(import),
        }
    }

    /// `import-1` and so on: no bay, and no other import.
    fn free_bay(&self, runs: &[ImportRun]) -> BayName {
        let shown = self.shared.bays.all();
        let taken = |name: &BayName| {
            self.bays.contains(name)
                || shown.iter().any(|view| view.bay == *name)
                || runs
                    .iter()
                    .any(|run| !run.is_over() && run.begun.bay == *name)
        };
        let names = (1u32..).map(|n| BayName::new(&format!("{IMPORT_MAKE}-{n}")));
        let mut free = names.filter(|name| !taken(name));
        free.next().unwrap_or_else(|| BayName::new(IMPORT_MAKE))
    }

    fn ended(&self, session: SessionId, ended: Result<JobEnd, IngestError>) {
        if let Err(error) = &ended {
            metrics::error(error.label());
            tracing::error!(
                code = error.label(),
                error = error as &dyn std::error::Error,
                next_step = error.next_step(),
                "an import ended with an error"
            );
        }
        let mut runs = self.runs.lock();
        if let Some(run) = runs.iter_mut().find(|run| run.begun.session == session) {
            run.report = Some(ImportReport::new(&run.begun, ended));
        }
    }

    /// What the import has come to; `None`: this run of the station knows no such import.
    fn progress(&self, session: SessionId) -> Option<ImportReply> {
        let runs = self.runs.lock();
        let run = runs.iter().find(|run| run.begun.session == session)?;
        if let Some(report) = &run.report {
            return Some(ImportReply::Ended(Box::new(report.clone())));
        }
        // Its thread panicked.
        if run.is_over() {
            return None;
        }
        let mut shown = self.shared.bays.all();
        shown.retain(|view| view.session == Some(session));
        Some(ImportReply::Running {
            view: shown.pop().map(Box::new),
        })
    }

    /// None is running, or none can continue.
    pub fn all_at_rest(&self) -> bool {
        let runs = self.runs.lock();
        let at_rest = |run: &ImportRun| {
            let control = &run.control;
            run.is_over() || run.absent || control.settled() || control.is_stuck(&self.shared.spool)
        };
        runs.iter().all(at_rest)
    }

    /// Ends every import and waits for the threads; [`Shared::stop`] is set already. Blocks.
    pub fn stop(&self) {
        let threads: Vec<_> = {
            let mut runs = self.runs.lock();
            runs.iter_mut()
                .filter_map(|run| {
                    run.control.touch();
                    run.thread.take()
                })
                .collect()
        };
        let drops = std::mem::take(&mut *self.drops.lock());
        for thread in threads.into_iter().chain(drops) {
            if thread.join().is_err() {
                tracing::error!(
                    code = "part_crashed",
                    next_step =
                        "run the import again, and report this with the log lines before it",
                    "an import's thread panicked; what it took is kept"
                );
            }
        }
    }
}

/// A path as people gave it, for messages.
fn shown(path: &Path) -> String {
    use std::os::unix::ffi::OsStrExt as _;
    crate::model::Escaped(path.as_os_str().as_bytes()).to_string()
}

/// The canonical path, where it can be had.
fn canonical(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}
