//! Gaps between cameras and logs: a person explains one, and it is reported no more.

use super::{Decisions, PUBLISHED_WITHIN};
use crate::model::{Decider, Event, GapAccepted};
use crate::office::OfficeError;
use crate::web::{Decided, GapOrder};

impl Decisions {
    /// Explains a gap that the last search found.
    pub async fn accept_gap(&self, order: GapOrder) -> Result<Decided, OfficeError> {
        let (entry, repeated) = {
            let _turn = self.turn.lock().await;
            match self.acts.gap_explained(&order.station, &order.gap) {
                Some(index) => (index, true),
                None => (self.enter_gap(order).await?, false),
            }
        };
        Ok(Decided {
            entry,
            published: self.acts.is_published(entry, PUBLISHED_WITHIN).await,
            repeated,
        })
    }

    async fn enter_gap(&self, order: GapOrder) -> Result<u64, OfficeError> {
        let GapOrder { station, gap, .. } = &order;
        let mut followed = self.config.stations.iter();
        let is_followed = followed.any(|followed| followed.name == *station);
        let has = || tokio::task::block_in_place(|| self.index.has_gap(station, gap));
        if !is_followed || !has()? {
            return Err(OfficeError::NoGap {
                station: station.clone(),
                gap: gap.chars().take(200).collect(),
            });
        }
        let reason = tokio::task::block_in_place(|| self.acts.keep_text(&order.reason))?;
        let event = Event::GapAccepted(Box::new(GapAccepted {
            log: order.station,
            gap: order.gap,
            by: Decider {
                operator: order.operator,
                peer: order.peer,
                reason_sha256: reason,
            },
        }));
        let index = self.acts.enter(event).await?;
        tracing::info!(index, "a person explained a gap");
        Ok(index)
    }
}
