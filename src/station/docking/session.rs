//! One camera's thread: recognises the camera, decides whether it may be taken, and runs its dock session.

use std::sync::Arc;

use super::claims::SerialClaims;
use super::refusal_limit::RefusalLimit;
use super::{IntakeRules, cameras, imported};
use crate::camera::ptp::Stop;
use crate::camera::unlock::UnlockReport;
use crate::config::{AcceptUnknown, Profile};
use crate::dock::Target;
use crate::ingest::{Import, Job, JobControl, Shared, Wiping, now};
use crate::journal::SessionRow;
use crate::metrics;
use crate::model::{BayName, CameraId, Explain as _, IMPORT_MAKE, SessionId};

pub(super) struct Arrival<'a> {
    pub bay: &'a BayName,
    pub target: &'a Target,
    pub profile: &'a str,
    /// Facts from the unlock step, if there was one.
    pub unlocked: Option<UnlockReport>,
    /// It was docked already when the station started.
    pub at_start: bool,
}

/// Recognises the camera, then runs its session to the end. Blocks.
pub(super) fn run(
    shared: &Arc<Shared>,
    refusals: &RefusalLimit,
    claims: &Arc<SerialClaims>,
    control: Arc<JobControl>,
    arrival: Arrival<'_>,
    rules: &IntakeRules,
) {
    let bay = arrival.bay;
    let refuse = |code: &str, reason, next_step| {
        super::refuse(shared, refusals, bay, code, reason, next_step);
    };
    let (left, all) = (Arc::clone(&control), Arc::clone(shared));
    let stop: Stop = Arc::new(move || left.left().is_some() || all.stopping());
    let imported = imported::declared(bay, arrival.target, &rules.config);
    if imported.is_none()
        && let Some((reason, next_step)) = imported::refused(arrival.target)
    {
        return refuse("disc_not_imported", reason, next_step);
    }
    let how = imported.as_ref().map(|_| Arc::new(Profile::of_imports()));
    let opened = cameras::open(
        arrival.target,
        arrival.profile,
        rules,
        arrival.unlocked,
        how.as_ref(),
        Arc::clone(&stop),
    );
    let camera = match opened {
        Ok(camera) => camera,
        Err(error) => {
            let (code, next_step) = (error.label(), error.next_step());
            metrics::error(code);
            return refuse(code, format!("{:#}", anyhow::Error::new(error)), next_step);
        }
    };
    let mut identity = camera.identity().clone();
    if let Some(facts) = &imported {
        identity.id = Some(facts.source_id());
        identity.access = IMPORT_MAKE.into();
    }
    let entry = identity.id.as_ref().and_then(|id| rules.roster.get(id));
    let known = entry.is_some() || imported.is_some();
    let mut quarantine = quarantine_reason(identity.id.as_ref(), known);
    if quarantine.is_some() && rules.accept_unknown == AcceptUnknown::Refuse {
        return refuse(
            "camera_unknown",
            quarantine.take().unwrap_or_default(),
            "Enter the camera in roster.toml, then dock it again.".into(),
        );
    }
    let mut camera_id = identity.id.clone();
    let mut claim = None;
    if let Some(id) = &identity.id {
        match claims.claim(id, bay, &control, stop.as_ref()) {
            Ok(claimed) => claim = Some(claimed),
            // It left while it waited: there is nothing to take and nothing to confuse.
            Err(_) if stop() => {}
            // A serial that another docked camera gives, too, identifies neither of them.
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
    let profile = profile.filter(|_| imported.is_none());
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
        officer: entry.map(|entry| entry.officer.clone()),
        quarantine,
        started: now(),
        ended: None,
        source: imported.as_ref().map(|facts| facts.source.clone()),
    };
    let job = Job {
        shared: Arc::clone(shared),
        session,
        camera,
        control,
        anonymous,
        at_start: arrival.at_start,
        wiping,
        import: imported.map(|facts| Import::standing(facts, format!("bay {bay}"))),
    };
    if let Err(error) = job.run() {
        metrics::error(error.label());
        tracing::error!(%bay, code = error.label(), error = &error as &dyn std::error::Error, next_step = error.next_step(), "a dock session ended with an error");
        super::not_recognised(
            shared,
            bay,
            error.label(),
            error.to_string(),
            error.next_step(),
        );
    }
    drop(claim);
}

fn quarantine_reason(id: Option<&CameraId>, in_roster: bool) -> Option<String> {
    match id {
        None => Some("the camera gives no usable serial".to_owned()),
        Some(id) if !in_roster => Some(format!("the camera {id} is not in the roster")),
        Some(_) => None,
    }
}
