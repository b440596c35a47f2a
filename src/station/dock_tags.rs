//! Officers tag the recordings of their docked camera: entries of the log, and then the journal's. Nothing here is on a camera's way to
//! being safe to remove: the job that takes it in neither waits for a tag nor knows of any.

use crate::config::TaggingSettings;
use crate::ingest::Shared;
use crate::model::{
    Escaped, Event, ItemTaggedAtDock, Officer, OperatorAction, SessionId, TagChange,
};
use crate::web::{DockRefusal, DockTags, DockedRecording, DockedRecordings, OfficerAtBay};

/// Recordings of a camera that are shown, the newest.
const SHOWN: u32 = 300;
/// Recordings that are tagged in one go.
const TAGGED_MAX: usize = 300;

/// The recordings of the officer's docked camera. That they were looked at is in the log before they are shown. Blocks.
pub fn recordings(shared: &Shared, at: &OfficerAtBay) -> Result<DockedRecordings, DockRefusal> {
    let (session, officer) = docked(shared, at)?;
    let looked = OperatorAction {
        operator: officer.0.clone(),
        action: "evidence.listed".into(),
        evidence: None,
        reason: format!("recordings of the camera in bay {}, to tag them", at.bay),
        officer: None,
        gap: None,
        peer: Some(at.peer.clone()),
    };
    let logged = shared.log_event(Some(session), Event::OperatorAction(looked));
    logged.map_err(|error| not_logged(&error))?;
    let items = shared.journal.docked_items(session, &officer, SHOWN + 1);
    let items = items.map_err(|error| failed(&error))?;
    let more = items.len() > SHOWN as usize;
    let shown = items.into_iter().take(SHOWN as usize);
    Ok(DockedRecordings {
        recordings: shown
            .map(|item| DockedRecording {
                evidence: item.id,
                time: item.modified,
                milliseconds: item.duration,
                bytes: item.size,
                flagged: item.flagged,
                incident: item.incident,
                category: item.category,
            })
            .collect(),
        more,
    })
}

/// Enters what the officer says of these recordings; each is an entry. Blocks.
pub fn tag(
    shared: &Shared,
    settings: &TaggingSettings,
    tags: &DockTags,
) -> Result<usize, DockRefusal> {
    let (session, officer) = docked(shared, &tags.at)?;
    let given = |tag: &Option<String>| {
        let tag = tag.as_deref().map(str::trim);
        tag.filter(|tag| !tag.is_empty()).map(str::to_owned)
    };
    let change = TagChange {
        incident: given(&tags.incident),
        category: given(&tags.category),
        ..TagChange::default()
    };
    change.check().map_err(DockRefusal::Unfit)?;
    let pattern = settings.incident_pattern.as_ref();
    if let (Some(pattern), Some(incident)) = (pattern, &change.incident)
        && !pattern.matches(incident)
    {
        return Err(DockRefusal::Unfit(
            "this is not how an incident number looks here",
        ));
    }
    let category = change.category.as_ref();
    if category.is_some_and(|category| !settings.categories.contains(category)) {
        return Err(DockRefusal::Unfit("there is no such category"));
    }
    if tags.evidence.is_empty() || tags.evidence.len() > TAGGED_MAX {
        return Err(DockRefusal::Unfit("no recording was chosen, or too many"));
    }
    let items = shared.journal.docked_items(session, &officer, u32::MAX);
    let items = items.map_err(|error| failed(&error))?;
    let mut said = Vec::new();
    for evidence in &tags.evidence {
        let Some(item) = items.iter().find(|item| item.id == *evidence) else {
            return Err(DockRefusal::Unfit(
                "one of these recordings is not on this camera",
            ));
        };
        // What the officer left as it is stays.
        let incident = change.incident.as_ref().or(item.incident.as_ref());
        let category = change.category.as_ref().or(item.category.as_ref());
        let before = (item.incident.as_ref(), item.category.as_ref());
        if (incident, category) == before
            || said
                .iter()
                .any(|s: &ItemTaggedAtDock| s.evidence == item.id)
        {
            continue;
        }
        said.push(ItemTaggedAtDock {
            evidence: item.id,
            incident: incident.cloned(),
            category: category.cloned(),
            officer: officer.clone(),
            bay: tags.at.bay.clone(),
            peer: tags.at.peer.clone(),
        });
    }
    let events = said.iter().cloned();
    let events = events.map(|said| Event::ItemTaggedAtDock(Box::new(said)));
    let logged = shared.log_events(Some(session), events.collect());
    logged.map_err(|error| not_logged(&error))?;
    tracing::info!(bay = %tags.at.bay, recordings = said.len(), "an officer tagged recordings at the dock");
    let noted = shared.journal.note_dock_tags(&said);
    noted.map_err(|error| failed(&error))?;
    Ok(said.len())
}

/// The session of the camera that is docked there, if its officer's badge is this one.
fn docked(shared: &Shared, at: &OfficerAtBay) -> Result<(SessionId, Officer), DockRefusal> {
    let bays = shared.bays.all();
    let bay = bays.into_iter().find(|bay| bay.bay == at.bay);
    let bay = bay.filter(|bay| bay.session == Some(at.session));
    let officer = bay.ok_or(DockRefusal::Gone)?.officer;
    match officer {
        Some(officer) if officer.0 == at.badge.trim() => Ok((at.session, officer)),
        _ => Err(DockRefusal::Badge),
    }
}

fn not_logged(error: &dyn std::error::Error) -> DockRefusal {
    tracing::error!(
        code = "access_not_logged",
        error = %Escaped(error.to_string().as_bytes()),
        next_step = "see what the custody log says; nobody can tag until it takes entries again",
        "what an officer did at the dock could not be entered in the custody log"
    );
    DockRefusal::Failed
}

fn failed(error: &dyn crate::model::Explain) -> DockRefusal {
    tracing::warn!(code = error.label(), %error, next_step = error.next_step(), "recordings cannot be listed for their officer");
    DockRefusal::Failed
}
