//! From an arrival to a running dock session: who is it, may it be taken, on which thread.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError};
use std::thread::JoinHandle;

use crate::camera::{Camera as _, FolderCamera};
use crate::config::{AcceptUnknown, Profiles, Roster};
use crate::ingest::{Job, JobControl, Shared, now};
use crate::journal::SessionRow;
use crate::metrics;
use crate::model::{BayName, BayStatus, BayView, CameraRefused, Event, Explain as _, SessionId};

/// What deciding on an arrival needs; roster and profiles as they are now.
#[derive(Clone)]
pub struct Rules {
    pub roster: Arc<Roster>,
    pub profiles: Arc<Profiles>,
    pub accept_unknown: AcceptUnknown,
    pub max_files: u64,
}

struct Docked {
    control: Arc<JobControl>,
    thread: JoinHandle<()>,
}

/// The threads of all dock sessions; every one is joined.
pub struct Docking {
    shared: Arc<Shared>,
    jobs: HashMap<BayName, Docked>,
    /// Left already, still ending.
    ending: Vec<JoinHandle<()>>,
}

impl Docking {
    pub fn new(shared: Arc<Shared>) -> Self {
        Self {
            shared,
            jobs: HashMap::new(),
            ending: Vec::new(),
        }
    }

    pub fn arrived(&mut self, bay: BayName, root: PathBuf, profile: String, rules: Rules) {
        self.left(&bay, "another camera took its place");
        self.ending.retain(|thread| !thread.is_finished());
        let control = Arc::new(JobControl::default());
        let (shared, mine, name) = (Arc::clone(&self.shared), Arc::clone(&control), bay.clone());
        let started = std::thread::Builder::new()
            .name(format!(
                "bay-{}",
                name.as_str().chars().take(10).collect::<String>()
            ))
            .spawn(move || session(&shared, mine, &name, &root, &profile, &rules));
        match started {
            Ok(thread) => {
                self.jobs.insert(bay, Docked { control, thread });
            }
            Err(error) => {
                tracing::error!(%bay, %error, next_step = "undock and dock again; raise TasksMax if it happens often", "cannot start a thread for a camera");
                not_recognised(
                    &self.shared,
                    &bay,
                    "no_thread",
                    "the station has no thread left for it".into(),
                    "Wait a minute, then dock it again.".into(),
                );
            }
        }
    }

    pub fn left(&mut self, bay: &BayName, reason: &str) {
        if let Some(docked) = self.jobs.remove(bay) {
            docked.control.leave(reason);
            self.ending.push(docked.thread);
        }
        self.shared.bays.clear(bay);
    }

    pub fn refused(&self, bay: &BayName, reason: &str) {
        refuse(
            &self.shared,
            bay,
            "not_a_camera",
            reason.to_owned(),
            "Remove it; only camera folders are read here.".into(),
        );
    }

    pub fn touched(&self, bay: &BayName) {
        if let Some(docked) = self.jobs.get(bay) {
            docked.control.touch();
        }
    }

    /// Every docked camera is settled or was refused.
    pub fn all_settled(&self) -> bool {
        self.jobs
            .values()
            .all(|docked| docked.control.settled() || docked.thread.is_finished())
    }

    /// Ends every session and waits for the threads. Blocks.
    pub fn stop(&mut self, reason: &str) {
        for (_, docked) in self.jobs.drain() {
            docked.control.leave(reason);
            self.ending.push(docked.thread);
        }
        for thread in self.ending.drain(..) {
            if thread.join().is_err() {
                tracing::error!(
                    "a dock session's thread panicked; its camera is taken up again at the next docking"
                );
            }
        }
    }
}

/// One camera's thread: recognise it, then run its session.
fn session(
    shared: &Arc<Shared>,
    control: Arc<JobControl>,
    bay: &BayName,
    root: &std::path::Path,
    profile: &str,
    rules: &Rules,
) {
    let camera = match FolderCamera::open(root, profile, &rules.profiles) {
        Ok(camera) => camera.with_max_files(rules.max_files),
        Err(error) => {
            metrics::error(error.label());
            return refuse(
                shared,
                bay,
                error.label(),
                format!("{:#}", anyhow::Error::new(error)),
                "Dock it again; if that does not help, tell operations.".into(),
            );
        }
    };
    let identity = camera.identity().clone();
    let entry = identity.id.as_ref().and_then(|id| rules.roster.get(id));
    let mut quarantine = match (&identity.id, entry) {
        (None, _) => Some("the camera gives no usable serial".to_owned()),
        (Some(id), None) => Some(format!("the camera {id} is not in the roster")),
        (Some(_), Some(_)) => None,
    };
    if quarantine.is_some() && rules.accept_unknown == AcceptUnknown::Refuse {
        let reason = quarantine.take().unwrap_or_default();
        return refuse(
            shared,
            bay,
            "camera_unknown",
            reason,
            "Enter the camera in roster.toml, then dock it again.".into(),
        );
    }
    // A claimed serial that another docked camera has, too, names nobody: such a session is nobody's.
    let mut camera_id = identity.id.clone();
    if let Some(id) = &identity.id {
        let mut docked = shared.docked.lock().unwrap_or_else(PoisonError::into_inner);
        match docked.get(id) {
            Some(other) if other != bay => {
                camera_id = None;
                quarantine = Some(format!(
                    "another camera with the serial {} is docked in bay {other}",
                    id.serial()
                ));
            }
            _ => {
                docked.insert(id.clone(), bay.clone());
            }
        }
    }
    let anonymous = camera_id.is_none();
    let id = camera_id.clone();
    let session = SessionRow {
        id: SessionId::new(),
        bay: bay.clone(),
        camera: camera_id,
        profile: identity.profile,
        access: identity.access,
        officer: entry.map(|e| e.officer.clone()),
        quarantine,
        started: now(),
        ended: None,
    };
    let job = Job {
        shared: Arc::clone(shared),
        session,
        camera: Box::new(camera),
        control,
        anonymous,
    };
    if let Err(error) = job.run() {
        metrics::error(error.label());
        tracing::error!(%bay, code = error.label(), error = &error as &dyn std::error::Error, next_step = error.next_step(), "a dock session ended with an error");
        not_recognised(
            shared,
            bay,
            error.label(),
            error.to_string(),
            error.next_step(),
        );
    }
    if let Some(id) = id {
        let mut docked = shared.docked.lock().unwrap_or_else(PoisonError::into_inner);
        if docked.get(&id) == Some(bay) {
            docked.remove(&id);
        }
    }
}

fn refuse(shared: &Shared, bay: &BayName, code: &str, reason: String, next_step: String) {
    tracing::warn!(%bay, code, reason, next_step, "refused");
    let event = Event::CameraRefused(CameraRefused {
        bay: bay.clone(),
        reason: reason.clone(),
    });
    if let Err(error) = shared.log_event(None, event) {
        tracing::error!(code = error.label(), %error, "cannot enter a refusal in the log");
    }
    not_recognised(shared, bay, code, reason, next_step);
}

fn not_recognised(shared: &Shared, bay: &BayName, code: &str, reason: String, next_step: String) {
    let code = code.to_owned();
    let status = BayStatus::NotRecognised {
        code,
        reason,
        next_step,
    };
    shared.bays.show(BayView {
        bay: bay.clone(),
        camera: None,
        officer: None,
        session: None,
        file: None,
        status,
    });
}
