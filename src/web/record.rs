//! Entering in the custody log who looked at what: before the answer goes out, and once for what is the same.

use std::collections::HashMap;
use std::net::IpAddr;

use std::time::{Duration, Instant};

use axum::http::StatusCode;
use parking_lot::Mutex;

use super::{Refused, Station, Viewer};
use crate::model::{EvidenceId, OperatorAction};

/// The same person doing the same within this time is one entry: turning pages, or looking again.
const SAME: Duration = Duration::from_mins(1);
/// A page that stays open looks again and again: that is an entry an hour.
const OPEN: Duration = Duration::from_hours(1);
const REMEMBERED: usize = 10_000;
pub(super) const EXPORTED: &str = "evidence.exported";

type Key = (String, &'static str, Option<EvidenceId>, String, IpAddr);

/// What was entered lately: when it was, and when it was asked for last.
#[derive(Default)]
pub(super) struct Accesses(Mutex<HashMap<Key, (Instant, Instant)>>);

impl Accesses {
    /// Enters an access; without the entry nothing is shown. Blocks.
    pub fn enter(
        &self,
        station: &dyn Station,
        viewer: &Viewer,
        from: IpAddr,
        action: &'static str,
        evidence: Option<EvidenceId>,
        what: &str,
    ) -> Result<(), Refused> {
        let operator = viewer.name.as_deref().unwrap_or("unknown").to_owned();
        let key = (operator.clone(), action, evidence, what.to_owned(), from);
        let mut lately = self.0.lock();
        if let Some((entered, last)) = lately.get_mut(&key)
            && last.elapsed() < SAME
            && entered.elapsed() < OPEN
        {
            *last = Instant::now();
            return Ok(());
        }
        if lately.len() >= REMEMBERED {
            lately.clear();
        }
        // The lock is held over the append: two equal requests at once are one entry.
        let entered = station.record(OperatorAction {
            operator,
            action: action.to_owned(),
            evidence,
            reason: what.to_owned(),
            officer: None,
            gap: None,
            peer: Some(format!("web {from}")),
        });
        match entered {
            Ok(()) => {
                // What was taken away as a file is entered each time.
                if action != EXPORTED {
                    lately.insert(key, (Instant::now(), Instant::now()));
                }
                Ok(())
            }
            Err(error) => {
                tracing::error!(
                    code = "access_not_logged",
                    error,
                    next_step = "see what the custody log says; no evidence is shown until it takes entries again",
                    "an access could not be entered in the custody log"
                );
                let text =
                    "the access could not be entered in the custody log, so nothing is shown\n";
                Err(Refused::new(StatusCode::SERVICE_UNAVAILABLE, text).coded("access_not_logged"))
            }
        }
    }
}
