//! From an arrival to a running dock session: who is it, may it be taken, on which thread.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::thread::JoinHandle;

use super::claims::Claims;
use super::opening::{self, Unlocked};
use super::refusals::Refusals;
use super::unlocking::LockedCamera;
use crate::camera::{self, unlock::Attempts};
use crate::config::{AcceptUnknown, Config, Profiles, Roster};
use crate::dock::Target;
use crate::ingest::{Job, JobControl, Shared, WipeMeans, Wiping, now};
use crate::journal::SessionRow;
use crate::metrics;
use crate::model::{
    BayName, BayStatus, BayView, CameraRefused, Event, Explain as _, SessionId, UsbDevice,
};

/// What deciding on an arrival needs; roster and profiles as they are now.
#[derive(Clone)]
pub struct Rules {
    pub roster: Arc<Roster>,
    pub profiles: Arc<Profiles>,
    pub accept_unknown: AcceptUnknown,
    pub max_files: u64,
    pub config: Arc<Config>,
    pub wiping: Arc<WipeMeans>,
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
    /// Bays whose camera is on its way: being mounted, or being unlocked.
    awaited: HashSet<BayName>,
    unlocked: Arc<Unlocked>,
    /// Passwords that cameras refused.
    attempts: Arc<Attempts>,
    refusals: Arc<Refusals>,
    claims: Arc<Claims>,
}

impl Docking {
    pub fn new(shared: Arc<Shared>) -> Self {
        Self {
            shared,
            jobs: HashMap::new(),
            ending: Vec::new(),
            awaited: HashSet::new(),
            unlocked: Arc::default(),
            attempts: Arc::default(),
            refusals: Arc::default(),
            claims: Arc::default(),
        }
    }

    /// A USB disk that is still being mounted.
    pub fn plugged(&mut self, bay: BayName) {
        self.end(&bay, "another camera took its place");
        show_awaited(&self.shared, &bay);
        self.awaited.insert(bay);
    }

    /// A locked camera: asks it to become what can be read. It comes back in the same bay, or leaves it.
    pub fn locked(&mut self, bay: BayName, device: UsbDevice, profile: &str, rules: Rules) {
        self.end(&bay, "another camera took its place");
        let Some(profile) = rules.profiles.get(profile).map(Arc::clone) else {
            return;
        };
        show_awaited(&self.shared, &bay);
        self.awaited.insert(bay.clone());
        let number = self.unlocked.expect(&bay);
        let (shared, unlocked, attempts, refusals) = (
            Arc::clone(&self.shared),
            Arc::clone(&self.unlocked),
            Arc::clone(&self.attempts),
            Arc::clone(&self.refusals),
        );
        let name = bay.clone();
        let control = Arc::new(JobControl::default());
        let mine = Arc::clone(&control);
        self.start(bay, control, move || {
            let camera = LockedCamera {
                device: &device,
                profile: &profile,
                config: &rules.config,
                attempts: &attempts,
                stop: &|| mine.left().is_some() || shared.stopping(),
                refused: &|(code, reason, next_step)| {
                    // The bay is another camera's by then, or nobody's.
                    if mine.left().is_none() {
                        refuse(&shared, &refusals, &name, code, reason, next_step);
                    }
                },
                again: &|| show_awaited(&shared, &name),
            };
            if let Some(told) = camera.unlocked() {
                unlocked.put(&name, number, told);
            }
        });
    }

    pub fn arrived(&mut self, bay: BayName, target: Target, profile: String, rules: Rules) {
        self.end(&bay, "another camera took its place");
        self.awaited.remove(&bay);
        let control = Arc::new(JobControl::default());
        let (shared, mine, name) = (Arc::clone(&self.shared), Arc::clone(&control), bay.clone());
        let (unlocked, refusals) = (self.unlocked.take(&bay), Arc::clone(&self.refusals));
        let claims = Arc::clone(&self.claims);
        self.start(bay, control, move || {
            let arrival = Arrival {
                bay: &name,
                target: &target,
                profile: &profile,
                unlocked,
            };
            session(&shared, &refusals, &claims, mine, arrival, &rules);
        });
    }

    fn start(
        &mut self,
        bay: BayName,
        control: Arc<JobControl>,
        work: impl FnOnce() + Send + 'static,
    ) {
        self.ending.retain(|thread| !thread.is_finished());
        let started = std::thread::Builder::new()
            .name(format!(
                "bay-{}",
                bay.as_str().chars().take(10).collect::<String>()
            ))
            .spawn(work);
        match started {
            Ok(thread) => {
                self.jobs.insert(bay, Docked { control, thread });
            }
            Err(error) => {
                tracing::error!(code = "no_thread", %bay, %error, next_step = "undock and dock again; raise TasksMax if it happens often", "cannot start a thread for a camera");
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
        self.awaited.remove(bay);
        self.unlocked.take(bay);
        self.end(bay, reason);
    }

    fn end(&mut self, bay: &BayName, reason: &str) {
        if let Some(docked) = self.jobs.remove(bay) {
            docked.control.leave(reason);
            self.ending.push(docked.thread);
        }
        self.shared.bays.clear(bay);
    }

    pub fn refused(&mut self, bay: &BayName, reason: &str) {
        self.awaited.remove(bay);
        self.end(bay, "it was refused");
        refuse(
            &self.shared,
            &self.refusals,
            bay,
            "not_a_camera",
            reason.to_owned(),
            "Remove it, and tell operations why it was refused; the other bays go on.".into(),
        );
    }

    pub fn touched(&self, bay: &BayName) {
        if let Some(docked) = self.jobs.get(bay) {
            docked.control.touch();
        }
    }

    /// Every docked camera is settled or was refused.
    pub fn all_settled(&self) -> bool {
        // What cannot be unlocked or mounted has said so at its bay, and is not waited for.
        let shown = self.shared.bays.all();
        let given_up = |bay: &BayName| {
            shown.iter().any(|view| {
                view.bay == *bay && matches!(view.status, BayStatus::NotRecognised { .. })
            })
        };
        let jobs = self.jobs.iter().all(|(bay, docked)| {
            docked.control.settled() || docked.thread.is_finished() || given_up(bay)
        });
        jobs && self.awaited.iter().all(given_up)
    }

    /// Something is still to be deleted from a docked camera, and can be.
    pub fn to_wipe(&self) -> bool {
        self.jobs
            .values()
            .any(|docked| docked.control.to_wipe() && !docked.thread.is_finished())
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
                    code = "part_crashed",
                    next_step =
                        "dock the camera again, and report this with the log lines before it",
                    "a dock session's thread panicked; its camera is taken up again at the next docking"
                );
            }
        }
    }
}

struct Arrival<'a> {
    bay: &'a BayName,
    target: &'a Target,
    profile: &'a str,
    /// What the unlock step was told, if there was one.
    unlocked: Option<camera::unlock::UnlockReport>,
}

/// One camera's thread: recognise it, then run its session.
fn session(
    shared: &Arc<Shared>,
    refusals: &Refusals,
    claims: &Arc<Claims>,
    control: Arc<JobControl>,
    arrival: Arrival<'_>,
    rules: &Rules,
) {
    let bay = arrival.bay;
    let (left, all) = (Arc::clone(&control), Arc::clone(shared));
    let stop: camera::ptp::Stop = Arc::new(move || left.left().is_some() || all.stopping());
    let opened = opening::open(
        arrival.target,
        arrival.profile,
        rules,
        arrival.unlocked,
        Arc::clone(&stop),
    );
    let camera = match opened {
        Ok(camera) => camera,
        Err(error) => {
            let (code, next_step) = (error.label(), error.next_step());
            metrics::error(code);
            let reason = format!("{:#}", anyhow::Error::new(error));
            return refuse(shared, refusals, bay, code, reason, next_step);
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
            refusals,
            bay,
            "camera_unknown",
            reason,
            "Enter the camera in roster.toml, then dock it again.".into(),
        );
    }
    // A claimed serial that another docked camera has, too, names nobody: such a session is nobody's.
    let mut camera_id = identity.id.clone();
    let mut claim = None;
    if let Some(id) = &identity.id {
        match claims.claim(id, bay, &control, stop.as_ref()) {
            Ok(mine) => claim = Some(mine),
            // It left while it waited: there is nothing to take, and nothing to mistake.
            Err(_) if stop() => {}
            Err(other) => {
                camera_id = None;
                quarantine = Some(format!(
                    "another camera with the serial {} is docked in bay {other}",
                    id.serial()
                ));
            }
        }
    }
    let anonymous = camera_id.is_none();
    let profile = rules.profiles.get(&identity.profile);
    let wiping = profile.and_then(|profile| profile.wipe).map(|wipe| Wiping {
        rules: wipe,
        means: Arc::clone(&rules.wiping),
    });
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
        camera,
        control,
        anonymous,
        wiping,
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
    drop(claim);
}

fn refuse(
    shared: &Shared,
    refusals: &Refusals,
    bay: &BayName,
    code: &str,
    reason: String,
    next_step: String,
) {
    metrics::session("refused");
    if let Some(logged) = refusals.to_log(bay, &reason) {
        tracing::warn!(%bay, code, reason = logged, next_step, "refused");
        let event = Event::CameraRefused(CameraRefused {
            bay: bay.clone(),
            reason: logged,
        });
        if let Err(error) = shared.log_event(None, event) {
            tracing::error!(code = error.label(), %error, next_step = error.next_step(), "cannot enter a refusal in the log");
        }
    }
    not_recognised(shared, bay, code, reason, next_step);
}

/// Its bay says that something is on its way.
fn show_awaited(shared: &Shared, bay: &BayName) {
    let status = BayStatus::Reading {
        files_done: 0,
        files_total: 0,
        bytes_done: 0,
        bytes_total: 0,
        seconds_left: None,
    };
    show_nobodys(shared, bay, status);
}

fn not_recognised(shared: &Shared, bay: &BayName, code: &str, reason: String, next_step: String) {
    let code = code.to_owned();
    let status = BayStatus::NotRecognised {
        code,
        reason,
        next_step,
    };
    show_nobodys(shared, bay, status);
}

/// What a bay shows of a camera that is not known yet, or never will be.
fn show_nobodys(shared: &Shared, bay: &BayName, status: BayStatus) {
    shared.bays.show(BayView {
        bay: bay.clone(),
        camera: None,
        officer: None,
        session: None,
        file: None,
        status,
    });
}
