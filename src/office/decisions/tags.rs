//! Tags: people say what an item belongs to. The act says all tags that the item has from then on, and names the one before it.

use super::{Decisions, Made};
use crate::model::{Event, ItemTagged, TagChange, TagSource, Tags};
use crate::office::OfficeError;
use crate::web::ItemOrder;

impl Decisions {
    /// Blocks.
    pub(super) fn tag(&self, order: &ItemOrder, change: &TagChange) -> Result<Made, OfficeError> {
        let (station, id) = (&order.station, order.evidence);
        self.item(order)?;
        let refused = |why| OfficeError::NothingToDecide { item: id, why };
        change.check().map_err(refused)?;
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
        };
        match &before {
            Some(said) if said.tags == tags && said.source == TagSource::Person => {
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
                source: TagSource::Person,
                supersedes: before.map(|said| self.acts.reference(said.entry)),
                by: self.decider(order)?,
            },
        )))))
    }
}
