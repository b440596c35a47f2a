//! The log events of a dock session as a whole, and of held files.

use crate::journal::SessionRow;
use crate::metrics;
use crate::model::{
    CameraDocked, Condition, DockSessionEnd, Event, HeldFile, ItemHeld, SourcePath,
};
use crate::sys;

pub fn session_docked(session: &SessionRow, condition: Condition, at_start: bool) -> Event {
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
        at_start,
    }))
}

/// The reason for a dock session's end. The log may call a camera undocked only where the station saw it leave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EndReason {
    /// Holds how the camera left.
    Left(String),
    /// The station ends its watch, and the camera was docked until then. Holds why.
    Unwatched(String),
}

impl EndReason {
    pub fn text(&self) -> &str {
        match self {
            Self::Left(text) | Self::Unwatched(text) => text,
        }
    }

    pub fn add(&mut self, more: &str) {
        match self {
            Self::Left(text) | Self::Unwatched(text) => text.push_str(more),
        }
    }

    /// `missing` names some of the `missing_count` files that were seen but not secured.
    pub fn event(
        &self,
        session: &SessionRow,
        complete: bool,
        missing: Vec<SourcePath>,
        missing_count: u64,
    ) -> Event {
        let end = DockSessionEnd {
            bay: session.bay.clone(),
            camera: session.camera.clone(),
            complete,
            reason: self.text().to_owned(),
            missing,
            missing_count,
        };
        match self {
            _ if session.is_import() => Event::ImportEnded(end),
            Self::Left(_) => Event::CameraUndocked(end),
            Self::Unwatched(_) => Event::SessionEnded(end),
        }
    }
}

/// Bytes of one entry's list of held files, well below the log's 65,535.
const PAGE_BYTES: usize = 56_000;

/// The entries that name these files as held: one, unless their names are too long for that.
pub fn held(files: &[HeldFile]) -> Vec<Event> {
    let (mut events, mut page, mut bytes) = (Vec::new(), Vec::new(), 0);
    for file in files {
        metrics::file("held", file.size);
        let length = serde_json::to_vec(file).map_or(PAGE_BYTES, |json| json.len() + 1);
        if bytes + length > PAGE_BYTES && !page.is_empty() {
            events.push(Event::ItemHeld(ItemHeld::new(std::mem::take(&mut page))));
            bytes = 0;
        }
        bytes += length;
        page.push(file.clone());
    }
    if !page.is_empty() {
        events.push(Event::ItemHeld(ItemHeld::new(page)));
    }
    events
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::EvidenceId;

    #[test]
    fn held_files_share_an_entry_as_far_as_its_length_allows() {
        let file = |path: &str| HeldFile {
            evidence: EvidenceId::new(),
            path: SourcePath::new(path).unwrap(),
            size: 1 << 40,
            modified: "2026-01-31T06:00:00Z".parse().ok(),
            disposed: None,
        };
        let common: Vec<_> = (0..256)
            .map(|n| file(&format!("DCIM/100MEDIA/AXON_VIDEO_{n:08}.MP4")))
            .collect();
        assert_eq!(held(&common).len(), 1);
        // The JSON form of control characters is the longest.
        let long: Vec<_> = (0..256)
            .map(|n| file(&format!("{}{n}", "\u{1}".repeat(240))))
            .collect();
        let events = held(&long);
        let mut named = Vec::new();
        for event in &events {
            assert!(serde_json::to_vec(event).unwrap().len() < 65_000);
            let Event::ItemHeld(entry) = event else {
                panic!("{event:?}");
            };
            named.extend(entry.files().cloned());
        }
        assert_eq!(named, long);
        assert!(held(&[]).is_empty());
    }

    #[test]
    fn an_entry_of_version_0_1_names_one_file() {
        let data = r#"{"event":"item.held","data":{"evidence":"01936f0a-0000-7000-8000-000000000000","path":"A.MP4","size":5}}"#;
        let event: Event = serde_json::from_str(data).unwrap();
        let Event::ItemHeld(entry) = &event else {
            panic!("{event:?}");
        };
        assert_eq!(entry.files().count(), 1);
        let again = serde_json::to_value(&event).unwrap();
        assert_eq!(
            again,
            serde_json::from_str::<serde_json::Value>(data).unwrap()
        );
    }
}
