//! The log events of a dock session as a whole, and of held files.

use crate::journal::SessionRow;
use crate::metrics;
use crate::model::{
    CameraDocked, CameraUndocked, Condition, Event, EvidenceId, FileFacts, ItemHeld, SourcePath,
};
use crate::sys;

pub fn session_docked(session: &SessionRow, condition: Condition) -> Event {
    let clock = sys::clock_state();
    metrics::clock(clock.synchronised);
    if !clock.synchronised {
        tracing::warn!(
            code = "clock_not_synchronised",
            next_step = "set up time synchronisation, for example systemd-timesyncd",
            "the station's clock is not synchronised; the custody log says so with each docking"
        );
    }
    for warning in &condition.warnings {
        tracing::warn!(
            code = "camera_warning",
            warning,
            next_step = "do what the warning says; the footage is taken anyway",
            "the camera needs attention"
        );
    }
    Event::CameraDocked(Box::new(CameraDocked {
        bay: session.bay.clone(),
        camera: session.camera.clone(),
        profile: session.profile.clone(),
        access: session.access.clone(),
        officer: session.officer.clone(),
        clock,
        quarantine: session.quarantine.clone(),
        camera_clock: condition.clock,
        battery_percent: condition.battery,
        device: condition.device,
        warnings: condition.warnings,
    }))
}

/// `missing` names some of the `missing_count` files that were seen but not secured.
pub fn session_undocked(
    session: &SessionRow,
    complete: bool,
    reason: &str,
    missing: Vec<SourcePath>,
    missing_count: u64,
) -> Event {
    Event::CameraUndocked(CameraUndocked {
        bay: session.bay.clone(),
        camera: session.camera.clone(),
        complete,
        reason: reason.to_owned(),
        missing,
        missing_count,
    })
}

/// A file that was taken before as an earlier item.
pub struct HeldFile {
    pub facts: FileFacts,
    pub evidence: EvidenceId,
}

impl HeldFile {
    pub fn event(&self) -> Event {
        metrics::file("held", self.facts.size);
        Event::ItemHeld(ItemHeld {
            evidence: self.evidence,
            path: self.facts.path.clone(),
            size: self.facts.size,
            modified: self.facts.modified,
        })
    }
}
