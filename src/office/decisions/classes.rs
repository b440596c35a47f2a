//! Classes: people say by which rule of office.toml an item stays. A later class supersedes an earlier one, and shortens no lock.

use super::{Decisions, Made};
use crate::model::{Event, ItemClassified};
use crate::office::OfficeError;
use crate::web::ItemOrder;

impl Decisions {
    /// Blocks.
    pub(super) fn classify(&self, order: &ItemOrder, class: &str) -> Result<Made, OfficeError> {
        let (station, id) = (&order.station, order.evidence);
        self.item(order)?;
        if !self.config.keeping.classes.contains_key(class) {
            let why = "office.toml has no class of this name";
            return Err(OfficeError::NothingToDecide { item: id, why });
        }
        let before = self.index.class_of(station, id)?;
        let supersedes = match before {
            Some((said, entry)) if said == class => return Ok(Made::Before(entry)),
            Some((_, entry)) => Some(self.acts.reference(entry)),
            None => None,
        };
        Ok(Made::Act(Box::new(Event::ItemClassified(Box::new(
            ItemClassified {
                log: station.clone(),
                evidence: id,
                class: class.to_owned(),
                supersedes,
                by: self.decider(order)?,
            },
        )))))
    }
}
