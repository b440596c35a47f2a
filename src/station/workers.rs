//! The tasks that work on what is secured here: uploads, previews, publishing the custody log, and having it
//! cosigned.

use std::sync::Arc;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use super::joined;
use super::office_acts::OfficeActs;
use crate::config::Profiles;
use crate::ingest::{Outbound, Previews};
use crate::publish::{PublishError, Publisher};
use crate::witnessing::Witnesses;

/// Owns these tasks.
pub struct Workers {
    uploading: Option<JoinHandle<()>>,
    previews: Option<(Arc<Previews>, JoinHandle<()>)>,
    publishing: JoinHandle<()>,
    witnessing: Option<JoinHandle<()>>,
    /// Reads what the office says, where one is believed.
    reading: Vec<JoinHandle<()>>,
    /// The bucket's copy of the log contradicts ours: the station must not continue.
    contradictions: mpsc::Receiver<PublishError>,
}

impl Workers {
    /// `previews`, uploads and what follows them start only when `uploads` says so; the log is published and sent to its
    /// witnesses always.
    pub fn start(
        outbound: &Arc<Outbound>,
        previews: Option<Previews>,
        acts: Vec<OfficeActs>,
        publisher: Publisher,
        witnesses: Option<Arc<Witnesses>>,
        uploads: bool,
        stopped: &watch::Receiver<bool>,
    ) -> Self {
        let uploading = uploads.then(|| tokio::spawn(Arc::clone(outbound).run(stopped.clone())));
        let previews = previews.filter(|_| uploads).map(|previews| {
            let previews = Arc::new(previews);
            let making = tokio::spawn(Arc::clone(&previews).run(stopped.clone()));
            (previews, making)
        });
        let acts = acts.into_iter().filter(|_| uploads);
        let reading = acts.map(|acts| tokio::spawn(acts.run(stopped.clone())));
        let reading = reading.collect();
        let (contradiction, contradictions) = mpsc::channel(1);
        let publishing = tokio::spawn(publisher.run(stopped.clone(), contradiction));
        let witnessing = witnesses.map(|witnesses| tokio::spawn(witnesses.run(stopped.clone())));
        Self {
            uploading,
            previews,
            publishing,
            witnessing,
            reading,
            contradictions,
        }
    }

    pub fn set_profiles(&self, profiles: &Arc<Profiles>) {
        if let Some((previews, _)) = &self.previews {
            previews.set_profiles(Arc::clone(profiles));
        }
    }

    /// The reason why this station must not continue; never returns while it may.
    pub async fn contradiction(&mut self) -> PublishError {
        match self.contradictions.recv().await {
            Some(error) => error,
            // The publisher ends without one when it is stopped.
            None => std::future::pending().await,
        }
    }

    /// Waits for the tasks; each ends by the stop signal that it was given.
    pub async fn join(self) {
        if let Some(uploading) = self.uploading {
            joined("uploading", uploading).await;
        }
        if let Some((_, making)) = self.previews {
            joined("making previews", making).await;
        }
        for reading in self.reading {
            joined("reading the office's acts", reading).await;
        }
        joined("publishing the custody log", self.publishing).await;
        if let Some(witnessing) = self.witnessing {
            joined("asking the witnesses", witnessing).await;
        }
    }
}
