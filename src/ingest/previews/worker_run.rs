//! One run of a worker: its order, its supervision, and the check of its output before anything relies on it.

use std::fs::File;
use std::io::BufReader;

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::{PreviewOrder, Previews};
use crate::config::PreviewVideo;
use crate::durable::{self, AppendFile};
use crate::failpoint::reached;
use crate::ingest::IngestError;
use crate::journal::ItemRow;
use crate::metrics;
use crate::model::{Event, Explain as _, ItemPreviewed, Part, PreviewOutcome, Probe, RetryClass};
use crate::preview::{
    Ending, FinishedPreview, PreviewError, PreviewRequest, WorkerJob, WorkerReport, supervise,
};
use crate::seal::{ExpectedMessage, KeySource, Recipient, SealError, open_to};

/// The number of tries for a preview whose worker was killed, or whose station stopped meanwhile.
const ATTEMPTS: u32 = 3;
/// The longest answer of a worker, as JSON: a log entry must be smaller than 64 KiB.
const REPORT_MAX: usize = 40 << 10;
/// Codes after which the other preview of the item is not tried either.
const HOPELESS: [&str; 6] = [
    "preview_all_zeros",
    "preview_encrypted",
    "preview_no_index",
    "preview_unreadable",
    "preview_no_decoder",
    "preview_size",
];

impl Previews {
    /// Makes one preview, or logs why it cannot be made. Errors may pass later. Blocks until the worker ends.
    pub(super) fn make(&self, row: &ItemRow, part: Part) -> Result<(), IngestError> {
        let journal = &self.shared.journal;
        let id = row.id;
        if !self.wanted(row)? {
            tracing::info!(evidence = %id, path = %row.facts.path, "no previews: its profile switches them off");
            return Ok(journal.previews_done(id)?);
        }
        if part == Part::Preview && self.rules.video == PreviewVideo::Never {
            let reason = "the configuration of the station asks for no preview videos";
            return self.enter_skipped(row, part, "preview_videos_off", reason.to_owned(), None);
        }
        while self.must_wait(part) {
            if self.shared.stopping() {
                return Err(IngestError::Stopped);
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        let attempts = journal.try_preview(id, part)?;
        if attempts > ATTEMPTS {
            let reason = format!("{ATTEMPTS} workers for it were killed");
            return self.enter_failure(row, part, "preview_crashed", reason, None);
        }
        tracing::debug!(evidence = %id, path = %row.facts.path, %part, attempts, "a preview is begun");
        if part == Part::Storyboard {
            self.sheets.fetch_add(1, Ordering::Relaxed);
        }
        let done = self.run_worker(row, part);
        if part == Part::Storyboard {
            self.sheets.fetch_sub(1, Ordering::Relaxed);
        }
        match done {
            Ok(report) => self.accept(row, part, report),
            Err(error) => {
                durable::remove(&self.shared.spool.preview_partial(id, part))?;
                let IngestError::Preview(error) = error else {
                    journal.untry_preview(id, part)?;
                    return Err(error);
                };
                match &error {
                    PreviewError::Stopped => {
                        journal.untry_preview(id, part)?;
                        Err(IngestError::Stopped)
                    }
                    PreviewError::Killed if attempts < ATTEMPTS => Err(error.into()),
                    _ if error.retry_class() == RetryClass::Operator => {
                        journal.untry_preview(id, part)?;
                        Err(error.into())
                    }
                    _ => {
                        metrics::error(error.label());
                        let label = error.label();
                        self.enter_failure(row, part, label, error.to_string(), None)
                    }
                }
            }
        }
    }

    /// Whether the camera's current profile wants previews.
    fn wanted(&self, row: &ItemRow) -> Result<bool, IngestError> {
        let Some(session) = self.shared.journal.session(row.session)? else {
            return Ok(true);
        };
        let profiles = self.profiles.read();
        Ok(profiles
            .get(&session.profile)
            .is_none_or(|profile| profile.preview))
    }

    fn run_worker(&self, row: &ItemRow, part: Part) -> Result<WorkerReport, IngestError> {
        let (shared, id) = (&*self.shared, row.id);
        let key = shared.item_key(row)?;
        let recipients = shared.recipients.iter().map(Recipient::to_pem);
        let request = PreviewRequest {
            part,
            settings: self.rules.settings,
            limits: self.rules.limits,
        };
        let order = PreviewOrder {
            request,
            evidence: id,
            station: shared.station.to_string(),
            camera: row
                .camera
                .as_ref()
                .map_or("unknown", |c| c.as_str())
                .to_owned(),
            recipients: recipients.collect::<Result<_, _>>()?,
            frame_length: shared.frame_length,
        };
        let partial = shared.spool.preview_partial(id, part);
        durable::remove(&partial)?;
        let file = AppendFile::create(&partial)?;
        let view_key = format!("{id}/{part}");
        let answer = supervise(WorkerJob {
            program: &self.rules.program,
            arguments: &[],
            order: order.encode(key)?,
            input: File::open(shared.spool.sealed(id)).map_err(SealError::Read)?,
            output: file.file().try_clone().map_err(PreviewError::Start)?,
            limits: self.rules.limits,
            paused: &|| self.must_wait(part),
            stopped: &|| shared.stopping(),
            progress: &|ms| {
                let mut view = self.outbound.lock();
                if let Some(at_work) = view.previews.at_work.get_mut(&view_key) {
                    at_work.done_ms = ms;
                }
            },
        })?;
        if !answer.missing.is_empty() && !self.layers_logged.swap(true, Ordering::Relaxed) {
            tracing::warn!(code = "preview_sandbox_layers", missing = ?answer.missing,
                next_step = "use a kernel with Landlock; until then the filter on system calls alone confines the previews' worker",
                "this kernel lacks layers of the previews' sandbox");
        }
        sensible(&answer.report)?;
        if let Ending::Made(made) = &answer.report.ending {
            file.sync()?;
            reached!("preview: synced");
            self.check(row, part, made)?;
            reached!("preview: checked");
            durable::rename_unsynced(&partial, &shared.spool.preview(id, part))?;
            durable::sync_dir(shared.spool.dir())?;
        } else {
            durable::remove(&partial)?;
        }
        Ok(answer.report)
    }

    /// A worker is not trusted: its output must be a sealed message of this item and part, with the digest that it reports.
    fn check(&self, row: &ItemRow, part: Part, made: &FinishedPreview) -> Result<(), IngestError> {
        let nonsense = |what| IngestError::from(PreviewError::Nonsense(what));
        let path = self.shared.spool.preview_partial(row.id, part);
        let file = File::open(&path).map_err(SealError::Read)?;
        if file.metadata().map_err(SealError::Read)?.len() != made.sealed_size {
            return Err(nonsense("its output has another size than it says"));
        }
        let key = self.shared.item_key(row)?;
        let expected = ExpectedMessage {
            evidence: row.id,
            part,
            sha256: Some(made.sha256),
        };
        let reader = BufReader::with_capacity(1 << 20, file);
        match open_to(reader, &KeySource::Item(&key), Some(&expected), |_| Ok(())) {
            Ok((_, size)) if size == made.size => Ok(()),
            Ok(_) | Err(SealError::Digest { .. }) => {
                Err(nonsense("its output is not what it says"))
            }
            Err(error @ SealError::Read(_)) => Err(error.into()),
            Err(_) => Err(nonsense("its output does not open")),
        }
    }

    fn accept(&self, row: &ItemRow, part: Part, report: WorkerReport) -> Result<(), IngestError> {
        let (journal, id) = (&self.shared.journal, row.id);
        match &report.ending {
            Ending::Made(_) => {
                let json = serde_json::to_string(&report)
                    .map_err(|_| PreviewError::Nonsense("its answer cannot be kept"))?;
                Ok(journal.preview_made(id, part, &json)?)
            }
            Ending::Skipped { code, reason } => {
                let (code, reason) = (code.clone(), reason.clone());
                self.enter_skipped(row, part, &code, reason, Some(report))?;
                // What has nothing to show needs no second entry.
                if part == Part::Storyboard {
                    journal.preview_done(id, Part::Preview)?;
                }
                Ok(())
            }
            Ending::Failed { code, reason } => {
                let (code, reason) = (code.clone(), reason.clone());
                let hopeless = HOPELESS.contains(&code.as_str()) && part == Part::Storyboard;
                self.enter_failure(row, part, &code, reason, Some(report))?;
                if hopeless {
                    journal.preview_done(id, Part::Preview)?;
                }
                Ok(())
            }
        }
    }

    pub(super) fn enter_failure(
        &self,
        row: &ItemRow,
        part: Part,
        code: &str,
        reason: String,
        report: Option<WorkerReport>,
    ) -> Result<(), IngestError> {
        tracing::warn!(evidence = %row.id, path = %row.facts.path, %part, code, reason,
            next_step = "nothing to do for the original; `camdock explain` says what can be done about this code", "preview failed; the original is safe");
        metrics::preview(part.as_str(), "failed");
        let outcome = PreviewOutcome::Failed {
            code: code.to_owned(),
            reason,
        };
        self.enter(row, part, outcome, report)
    }

    fn enter_skipped(
        &self,
        row: &ItemRow,
        part: Part,
        code: &str,
        reason: String,
        report: Option<WorkerReport>,
    ) -> Result<(), IngestError> {
        tracing::info!(evidence = %row.id, path = %row.facts.path, %part, code, reason, "no preview is made");
        metrics::preview(part.as_str(), "skipped");
        let outcome = PreviewOutcome::Skipped {
            code: Some(code.to_owned()),
            reason,
        };
        self.enter(row, part, outcome, report)
    }

    /// Makes the entry durable; the delivery adds it to the log.
    fn enter(
        &self,
        row: &ItemRow,
        part: Part,
        outcome: PreviewOutcome,
        report: Option<WorkerReport>,
    ) -> Result<(), IngestError> {
        let (ffmpeg, probe): (Option<String>, Option<Box<Probe>>) = match report {
            Some(report) => (Some(report.ffmpeg), report.probe.map(Box::new)),
            None => (None, None),
        };
        let event = Event::ItemPreviewed(ItemPreviewed {
            evidence: row.id,
            part,
            outcome,
            ffmpeg,
            probe,
        });
        let entry = self.shared.encode(Some(row.session), event)?;
        Ok(self.shared.journal.preview_entered(row.id, part, &entry)?)
    }
}

/// An answer comes from a process that has read hostile footage: it must be bounded and free of control characters.
fn sensible(report: &WorkerReport) -> Result<(), PreviewError> {
    fn clean(value: &serde_json::Value) -> bool {
        use serde_json::Value;
        match value {
            Value::String(text) => !text.chars().any(char::is_control),
            Value::Array(list) => list.iter().all(clean),
            Value::Object(map) => map
                .iter()
                .all(|(key, value)| !key.chars().any(char::is_control) && clean(value)),
            _ => true,
        }
    }
    let value = serde_json::to_value(report)
        .map_err(|_| PreviewError::Nonsense("its answer cannot be kept"))?;
    if value.to_string().len() > REPORT_MAX {
        return Err(PreviewError::Nonsense("its answer is too long"));
    }
    if !clean(&value) {
        return Err(PreviewError::Nonsense("its answer has control characters"));
    }
    Ok(())
}
