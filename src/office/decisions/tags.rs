//! Tags: people say what an item belongs to, or a file of dispatch does, which never changes what a person said. The act says all tags that the item has from then on, and names the one before it.

use super::{Decisions, Made};
use crate::model::{
    ActReference, DispatchMatch, Event, FileTag, ItemTagged, TagChange, TagSource, Tags,
};
use crate::office::OfficeError;
use crate::office::index::SaidBy;
use crate::web::ItemOrder;

impl Decisions {
    /// What a file says of an item that no person has tagged. Blocks.
    pub(super) fn tag_from_file(
        &self,
        order: &ItemOrder,
        tag: &FileTag,
    ) -> Result<Made, OfficeError> {
        let before = self.index.tags(&order.station, order.evidence)?;
        if before.is_some_and(|said| !said.source.is_file()) {
            return Err(OfficeError::NothingToDecide {
                item: order.evidence,
                why: "a person has tagged it, and a file never changes that",
            });
        }
        let change = TagChange {
            incident: Some(tag.incident.clone()),
            category: tag.category.clone(),
            ..TagChange::default()
        };
        self.tag(order, &change, Some(tag.found.clone()))
    }

    /// `dispatch`: where a file says it. Blocks.
    pub(super) fn tag(
        &self,
        order: &ItemOrder,
        change: &TagChange,
        dispatch: Option<DispatchMatch>,
    ) -> Result<Made, OfficeError> {
        let (station, id) = (&order.station, order.evidence);
        self.item(order)?;
        let refused = |why| OfficeError::NothingToDecide { item: id, why };
        change.check().map_err(refused)?;
        let incident = change.incident.as_deref().map(str::trim);
        let pattern = self.config.tags.incident_pattern.as_ref();
        let given = incident.filter(|incident| !incident.is_empty());
        if let (Some(pattern), Some(incident)) = (pattern, given)
            && !pattern.matches(incident)
        {
            return Err(refused(
                "the incident number is not as incident_pattern of office.toml wants it",
            ));
        }
        let (source, said_by) = match dispatch {
            Some(_) => (TagSource::File, SaidBy::File),
            None => (TagSource::Person, SaidBy::Person),
        };
        let before = self.index.tags(station, id)?;
        let was = before.as_ref().map(|said| said.tags.clone());
        let was = was.unwrap_or_default();
        let changed = |now: &Option<String>, was: Option<String>| match now {
            Some(now) => Some(now.trim().to_owned()).filter(|now| !now.is_empty()),
            None => was,
        };
        let text_sha256 = match &change.text {
            None => was.text_sha256,
            Some(text) if text.is_empty() => None,
            Some(text) => Some(self.acts.keep_text(text.trim())?),
        };
        let tags = Tags {
            incident: changed(&change.incident, was.incident),
            category: changed(&change.category, was.category),
            exhibit: changed(&change.exhibit, was.exhibit),
            text_sha256,
            restricted: change.restricted.unwrap_or(was.restricted),
        };
        match &before {
            Some(said) if said.tags == tags && said.source == said_by => {
                return Ok(Made::Before(said.entry));
            }
            None if tags == Tags::default() => return Err(refused("it has no tags")),
            _ => {}
        }
        Ok(Made::Act(Box::new(Event::ItemTagged(Box::new(
            ItemTagged {
                log: station.clone(),
                evidence: id,
                tags,
                source,
                dispatch,
                supersedes: before.map(|said| match said.source {
                    SaidBy::Officer => ActReference {
                        log: station.clone(),
                        index: said.entry,
                    },
                    SaidBy::Person | SaidBy::File => self.acts.reference(said.entry),
                }),
                by: self.decider(order)?,
            },
        )))))
    }
}
