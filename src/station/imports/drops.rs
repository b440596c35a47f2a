//! Folders that other programs drop evidence into: each is an import that lasts as long as the station runs. What rests there is
//! taken; nothing is deleted, so whoever drops it also clears it away.

use std::sync::Arc;
use std::time::Duration;

use super::requests::{ImportRefusal, ImportStarted};
use super::{ImportRun, Imports};
use crate::config::DropFolder;
use crate::ingest::{Import, JobControl};
use crate::metrics;
use crate::model::{BayStatus, BayView, Explain as _, SessionId};

/// Between attempts to open a folder that is not there.
const RETRY: Duration = Duration::from_secs(5);
const STEP: Duration = Duration::from_millis(100);

impl Imports {
    /// Starts a thread for each folder.
    pub fn serve_drops(self: &Arc<Self>, folders: &[DropFolder]) -> std::io::Result<()> {
        for folder in folders {
            let begun = {
                let mut runs = self.runs.lock();
                let begun = ImportStarted {
                    session: SessionId::new(),
                    bay: self.free_bay(&runs),
                    source: folder.facts.source_id(),
                    original_known: None,
                };
                runs.push(ImportRun {
                    begun: begun.clone(),
                    control: Arc::default(),
                    thread: None,
                    report: None,
                    absent: false,
                });
                begun
            };
            let (imports, folder) = (Arc::clone(self), folder.clone());
            let thread = std::thread::Builder::new()
                .name("drop folder".into())
                .spawn(move || imports.serve_drop(&folder, begun))?;
            self.drops.lock().push(thread);
        }
        Ok(())
    }

    fn serve_drop(&self, folder: &DropFolder, mut begun: ImportStarted) {
        let mut said = None;
        while !self.shared.stopping() {
            let session = std::mem::take(&mut begun.session);
            match self.try_drop(folder, session, &begun) {
                Ok(()) => said = None,
                Err(refusal) => {
                    self.show_absent(&begun, &refusal);
                    if said.as_ref() != Some(&refusal.reason) {
                        metrics::error("import_unreadable");
                        tracing::error!(
                            code = refusal.code,
                            reason = refusal.reason,
                            next_step = refusal.next_step,
                            "a folder of [import] cannot be read; it is tried again"
                        );
                        said = Some(refusal.reason);
                    }
                    self.wait(RETRY);
                }
            }
        }
    }

    /// Takes what is dropped until the folder is gone or the station stops.
    fn try_drop(
        &self,
        folder: &DropFolder,
        session: SessionId,
        begun: &ImportStarted,
    ) -> Result<(), ImportRefusal> {
        let path = self.vetting.readable(&folder.path)?;
        let camera = self.camera(&path, folder.facts.source_id())?;
        let control = Arc::new(JobControl::default());
        let begun = ImportStarted {
            session,
            ..begun.clone()
        };
        self.set_run(&begun, |run| {
            run.control = Arc::clone(&control);
            run.absent = false;
        });
        let facts = &folder.facts;
        let import = Import::standing(facts.clone(), "camdock.toml".into());
        let job = self.job(&begun, control, camera, facts, import);
        if let Err(error) = job.run() {
            metrics::error(error.label());
            tracing::error!(
                code = error.label(),
                error = &error as &dyn std::error::Error,
                next_step = error.next_step(),
                "taking what is dropped ended with an error"
            );
            self.wait(RETRY);
        }
        Ok(())
    }

    fn set_run(&self, begun: &ImportStarted, set: impl FnOnce(&mut ImportRun)) {
        let mut runs = self.runs.lock();
        if let Some(run) = runs.iter_mut().find(|run| run.begun.bay == begun.bay) {
            run.begun.session = begun.session;
            set(run);
        }
    }

    fn show_absent(&self, begun: &ImportStarted, refusal: &ImportRefusal) {
        self.set_run(begun, |run| run.absent = true);
        self.shared.bays.show(BayView {
            bay: begun.bay.clone(),
            camera: Some(begun.source.clone()),
            officer: None,
            session: None,
            file: None,
            status: BayStatus::NotRecognised {
                code: refusal.code.clone(),
                reason: refusal.reason.clone(),
                next_step: refusal.next_step.clone(),
            },
        });
    }

    fn wait(&self, length: Duration) {
        let mut waited = Duration::ZERO;
        while waited < length && !self.shared.stopping() {
            std::thread::sleep(STEP);
            waited += STEP;
        }
    }
}
