//! Keeps the bucket's copy of a log up to date, after making sure that both are one log.

use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::{LogCopy, PublishError};
use crate::metrics;
use crate::model::{Explain as _, RetryClass};
use crate::upload::Backoff;

/// A store that comes back with other content, or none, is noticed after a failure or after this time.
const CHECK_AGAIN: Duration = Duration::from_mins(10);

/// While the log grows, its checkpoint is left at least this often where its writer cannot take it back.
const ANCHOR_EVERY: Duration = Duration::from_mins(30);
/// Between rounds, so that many entries share one checkpoint in the bucket.
const PAUSE: Duration = Duration::from_millis(500);
/// For the last round of a service that stops, well within the unit's deadline. The next start publishes the rest.
const LAST_ROUND: Duration = Duration::from_secs(15);

pub struct Publisher {
    pub copy: LogCopy,
    /// When the bucket's copy was last compared with ours.
    checked: Option<Instant>,
    anchored: Anchored,
}

/// The last checkpoint that was left for good since the start.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Anchored(Option<(Instant, u64)>);

impl Anchored {
    /// When a log of `size` entries needs the next anchor; `None` if it has it.
    fn due(self, now: Instant, size: u64) -> Option<Instant> {
        match self.0 {
            Some((_, anchored)) if anchored >= size => None,
            Some((at, _)) => Some(at + ANCHOR_EVERY),
            // What a stop or a kill before this start left behind.
            None => Some(now),
        }
    }
}

impl Publisher {
    pub fn new(copy: LogCopy) -> Self {
        Self {
            copy,
            checked: None,
            anchored: Anchored::default(),
        }
    }

    /// Compares the two copies of the log.
    pub async fn check(&mut self) -> Result<(), PublishError> {
        self.copy.check().await?;
        self.checked = Some(Instant::now());
        Ok(())
    }

    fn log_size(&self) -> u64 {
        *self.copy.log.watch().borrow()
    }

    async fn round(&mut self, last: bool) -> Result<(), PublishError> {
        if self.checked.is_none_or(|at| at.elapsed() > CHECK_AGAIN) {
            self.check().await?;
        }
        let now = Instant::now();
        let size = self.log_size();
        let due = self.anchored.due(now, size);
        let anchor = due.is_some_and(|due| last || due <= now);
        let published = self.copy.publish(anchor).await;
        match published {
            Ok(published) if anchor && published >= size => {
                self.anchored = Anchored(Some((now, published)));
            }
            Ok(_) => {}
            Err(_) => self.checked = None,
        }
        published.map(drop)
    }

    /// Ends when an anchor is due without the log having grown again.
    async fn anchor_due(&self) {
        let due = self.anchored.due(Instant::now(), self.log_size());
        match due {
            Some(due) => tokio::time::sleep_until(due).await,
            None => std::future::pending().await,
        }
    }

    /// Publishes until `stop` is true, then once more; a contradiction goes to `fatal`.
    pub async fn run(mut self, mut stop: watch::Receiver<bool>, fatal: mpsc::Sender<PublishError>) {
        let mut size = self.copy.log.watch();
        let backoff = Backoff::default();
        let mut failures = 0;
        while !*stop.borrow() {
            size.mark_unchanged();
            let round = tokio::select! {
                round = self.round(false) => round,
                // A store that does not answer must not hold up the stop; an interrupted round is repeated.
                _ = stop.wait_for(|stop| *stop) => break,
            };
            match round {
                Ok(()) => failures = 0,
                Err(error) if error.is_contradiction() => {
                    let _ = fatal.send(error).await;
                    return;
                }
                Err(error) => {
                    failures += 1;
                    metrics::error(error.label());
                    let needs_operator = error.retry_class() != RetryClass::Later;
                    tracing::warn!(
                        code = error.label(),
                        failures,
                        needs_operator,
                        error = &error as &dyn std::error::Error,
                        next_step = error.next_step(),
                        "cannot publish the custody log; it is tried again"
                    );
                    let delay = backoff.delay(failures, failures.wrapping_mul(2_654_435_761), None);
                    tokio::select! { () = tokio::time::sleep(delay) => {}, _ = stop.changed() => {} }
                    continue;
                }
            }
            tokio::select! { _ = size.changed() => {}, () = self.anchor_due() => {}, _ = stop.changed() => {} }
            tokio::select! { () = tokio::time::sleep(PAUSE) => {}, _ = stop.changed() => {} }
        }
        if let Ok(Err(error)) = tokio::time::timeout(LAST_ROUND, self.round(true)).await {
            tracing::warn!(code = error.label(), %error, next_step = error.next_step(), "the log's last entries go to the bucket at the next start");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_anchor_is_due_at_the_start_and_within_the_hour_of_any_growth() {
        let now = Instant::now();
        assert_eq!(Anchored::default().due(now, 7), Some(now));
        let anchored = Anchored(Some((now, 7)));
        assert_eq!(anchored.due(now, 7), None);
        let due = anchored.due(now, 8).unwrap();
        assert!(due > now && due <= now + Duration::from_hours(1));
    }
}
