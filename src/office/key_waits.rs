//! Measures how long people wait for the key desk: from a published view to the item key that lies sealed below `shares/`. It
//! reads nothing of the key, and stands in nobody's way.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;

use crate::metrics;
use crate::upload::Store;

/// Who waits longer is counted as not answered.
pub const ANSWERED_WITHIN: Duration = Duration::from_mins(1);
/// The store is asked often while an answer is due, then less.
const DUE: Duration = Duration::from_secs(3);
const OFTEN: Duration = Duration::from_millis(100);
const SELDOM: Duration = Duration::from_secs(1);
/// Views that are measured at a time; others are not.
const AT_A_TIME: usize = 16;

pub struct KeyWaits {
    store: Arc<dyn Store>,
    turns: Arc<Semaphore>,
}

impl KeyWaits {
    pub fn new(store: &Arc<dyn Store>) -> Self {
        Self {
            store: Arc::clone(store),
            turns: Arc::new(Semaphore::new(AT_A_TIME)),
        }
    }

    /// The view is published now; `share` is where its key is to be.
    pub fn begin(&self, share: String) {
        let Ok(turn) = Arc::clone(&self.turns).try_acquire_owned() else {
            return;
        };
        let (store, began) = (Arc::clone(&self.store), Instant::now());
        tokio::spawn(async move {
            let _turn = turn;
            while began.elapsed() < ANSWERED_WITHIN {
                // What is not there, and a store that does not answer, are the same to whoever waits.
                if let Ok(Some(_)) = store.head(&share, None).await {
                    metrics::key_sealed(Some(began.elapsed().as_secs_f64()));
                    return;
                }
                let pause = if began.elapsed() < DUE { OFTEN } else { SELDOM };
                tokio::time::sleep(pause).await;
            }
            metrics::key_sealed(None);
        });
    }
}
