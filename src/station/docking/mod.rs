//! From an arrival to a running dock session: opens the camera, decides whether it may be taken, and runs the session on a
//! thread of its own. A serial that two docked cameras give names neither of them; a refusal is shown and logged.

mod cameras;
mod claims;
mod imported;
mod refusal_limit;
mod session;
mod unlock;
mod unlock_retry;

use std::collections::HashMap;
use std::sync::Arc;
use std::thread::JoinHandle;

use crate::camera::unlock::Attempts;
use crate::config::{AcceptUnknown, Config, Profiles, Roster};
use crate::dock::{LeftReason, Target};
use crate::ingest::{JobControl, Shared, WipeMeans};
use crate::metrics;
use crate::model::{BayName, BayStatus, BayView, CameraRefused, Event, Explain as _, UsbDevice};
use cameras::PendingUnlocks;
use claims::SerialClaims;
use refusal_limit::RefusalLimit;
use session::Arrival;
use unlock::LockedCamera;

/// The current roster and profiles, which decide about an arrival.
#[derive(Clone)]
pub struct IntakeRules {
    pub roster: Arc<Roster>,
    pub profiles: Arc<Profiles>,
    pub accept_unknown: AcceptUnknown,
    pub max_files: u64,
    pub config: Arc<Config>,
    pub wiping: Arc<WipeMeans>,
}

struct CameraThread {
    control: Arc<JobControl>,
    thread: JoinHandle<()>,
}

/// The threads of all dock sessions; every one is joined.
pub struct Docking {
    shared: Arc<Shared>,
    jobs: HashMap<BayName, CameraThread>,
    /// Threads of cameras that have left.
    ending: Vec<JoinHandle<()>>,
    /// Bays whose camera is being mounted or unlocked, and whether it was there when the station started.
    awaited: HashMap<BayName, bool>,
    pending_unlocks: Arc<PendingUnlocks>,
    /// Passwords that cameras have refused.
    attempts: Arc<Attempts>,
    refusals: Arc<RefusalLimit>,
    claims: Arc<SerialClaims>,
}

impl Docking {
    pub fn new(shared: Arc<Shared>) -> Self {
        Self {
            shared,
            jobs: HashMap::new(),
            ending: Vec::new(),
            awaited: HashMap::new(),
            pending_unlocks: Arc::default(),
            attempts: Arc::default(),
            refusals: Arc::default(),
            claims: Arc::default(),
        }
    }

    /// A USB disk that is still being mounted.
    pub fn plugged(&mut self, bay: BayName, at_start: bool) {
        self.end(&bay, LeftReason::Replaced);
        show_reading(&self.shared, &bay);
        self.awaited.insert(bay, at_start);
    }

    /// A locked camera: unlocks it. It then comes back in the same bay as a camera that can be read, or leaves.
    pub fn locked(
        &mut self,
        bay: BayName,
        device: UsbDevice,
        profile: &str,
        at_start: bool,
        rules: IntakeRules,
    ) {
        self.end(&bay, LeftReason::Replaced);
        let Some(profile) = rules.profiles.get(profile).map(Arc::clone) else {
            return;
        };
        show_reading(&self.shared, &bay);
        self.awaited.insert(bay.clone(), at_start);
        let number = self.pending_unlocks.expect(&bay);
        let (shared, pending_unlocks, attempts, refusals) = (
            Arc::clone(&self.shared),
            Arc::clone(&self.pending_unlocks),
            Arc::clone(&self.attempts),
            Arc::clone(&self.refusals),
        );
        let name = bay.clone();
        let control = Arc::new(JobControl::default());
        let session = Arc::clone(&control);
        self.start(bay, control, move || {
            let camera = LockedCamera {
                device: &device,
                profile: &profile,
                config: &rules.config,
                attempts: &attempts,
                stop: &|| session.left().is_some() || shared.stopping(),
                refused: &|(code, reason, next_step)| {
                    // Once it has left, the bay is another camera's or empty.
                    if session.left().is_none() {
                        refuse(&shared, &refusals, &name, code, reason, next_step);
                    }
                },
                again: &|| show_reading(&shared, &name),
            };
            if let Some(unlocked) = camera.unlocked() {
                pending_unlocks.put(&name, number, unlocked);
            }
        });
    }

    pub fn arrived(
        &mut self,
        bay: BayName,
        target: Target,
        profile: String,
        at_start: bool,
        rules: IntakeRules,
    ) {
        self.end(&bay, LeftReason::Replaced);
        let at_start = self.awaited.remove(&bay).unwrap_or(at_start);
        let control = Arc::new(JobControl::default());
        let (shared, session_control, name) =
            (Arc::clone(&self.shared), Arc::clone(&control), bay.clone());
        let (unlocked, refusals) = (self.pending_unlocks.take(&bay), Arc::clone(&self.refusals));
        let claims = Arc::clone(&self.claims);
        self.start(bay, control, move || {
            let arrival = Arrival {
                bay: &name,
                target: &target,
                profile: &profile,
                unlocked,
                at_start,
            };
            session::run(
                &shared,
                &refusals,
                &claims,
                session_control,
                arrival,
                &rules,
            );
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
                self.jobs.insert(bay, CameraThread { control, thread });
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

    pub fn left(&mut self, bay: &BayName, reason: LeftReason) {
        self.awaited.remove(bay);
        self.pending_unlocks.take(bay);
        self.end(bay, reason);
    }

    fn end(&mut self, bay: &BayName, reason: LeftReason) {
        if let Some(camera) = self.jobs.remove(bay) {
            camera.control.leave(&reason.to_string());
            self.ending.push(camera.thread);
        }
        self.shared.bays.clear(bay);
    }

    pub fn refused(&mut self, bay: &BayName, reason: &str) {
        self.awaited.remove(bay);
        self.end(bay, LeftReason::Replaced);
        refuse(
            &self.shared,
            &self.refusals,
            bay,
            "not_a_camera",
            reason.to_owned(),
            "Remove it, and tell operations why it was refused; the other bays work as before."
                .into(),
        );
    }

    pub fn touched(&self, bay: &BayName) {
        if let Some(camera) = self.jobs.get(bay) {
            camera.control.touch();
        }
    }

    /// Every docked camera is settled, was refused, or cannot continue.
    pub fn all_at_rest(&self) -> bool {
        // A camera that cannot be unlocked or mounted is shown as such at its bay, and is not waited for.
        let shown = self.shared.bays.all();
        let given_up = |bay: &BayName| {
            shown.iter().any(|view| {
                view.bay == *bay && matches!(view.status, BayStatus::NotRecognised { .. })
            })
        };
        let jobs = self.jobs.iter().all(|(bay, camera)| {
            let control = &camera.control;
            control.settled()
                || control.is_stuck(&self.shared.spool)
                || camera.thread.is_finished()
                || given_up(bay)
        });
        jobs && self.awaited.keys().all(given_up)
    }

    /// A docked camera waits for room in the spool, or for a person.
    pub fn any_stuck(&self) -> bool {
        let spool = &self.shared.spool;
        self.jobs.values().any(|camera| {
            let control = &camera.control;
            !control.settled() && !camera.thread.is_finished() && control.is_stuck(spool)
        })
    }

    /// Something is still to be deleted from a docked camera, and can be.
    pub fn to_wipe(&self) -> bool {
        self.jobs
            .values()
            .any(|camera| camera.control.to_wipe() && !camera.thread.is_finished())
    }

    /// Ends every session and waits for the threads; [`Shared::stop`] is set already. Blocks.
    ///
    /// No camera is reported as removed, because nobody saw one leave.
    pub fn stop(&mut self) {
        for (_, camera) in self.jobs.drain() {
            camera.control.touch();
            self.ending.push(camera.thread);
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

fn refuse(
    shared: &Shared,
    refusals: &RefusalLimit,
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

/// Shows that a camera is being read, before anything is known of it.
fn show_reading(shared: &Shared, bay: &BayName) {
    let status = BayStatus::Reading {
        files_done: 0,
        files_total: 0,
        bytes_done: 0,
        bytes_total: 0,
        seconds_left: None,
    };
    show_anonymous(shared, bay, status);
}

fn not_recognised(shared: &Shared, bay: &BayName, code: &str, reason: String, next_step: String) {
    let code = code.to_owned();
    let status = BayStatus::NotRecognised {
        code,
        reason,
        next_step,
    };
    show_anonymous(shared, bay, status);
}

/// Shows the state of a camera that is not identified.
fn show_anonymous(shared: &Shared, bay: &BayName, status: BayStatus) {
    shared.bays.show(BayView {
        bay: bay.clone(),
        camera: None,
        officer: None,
        session: None,
        file: None,
        status,
    });
}
