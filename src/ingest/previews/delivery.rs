//! Delivery of a finished preview to the store and the log, write-once and retained like the original.

use tokio::sync::watch;

use super::Previews;
use crate::durable;
use crate::failpoint::reached;
use crate::ingest::damage::is_lost;
use crate::ingest::source::{JournalLedger, SpoolSource};
use crate::ingest::{IngestError, blocking};
use crate::journal::{PreviewRow, PreviewState};
use crate::metrics;
use crate::model::{Event, ItemPreviewed, PreviewMade, PreviewOutcome};
use crate::preview::{Ending, PreviewError, WorkerReport};
use crate::upload::Upload;

impl Previews {
    /// Takes all remaining steps for one preview.
    pub(super) async fn deliver(
        &self,
        row: PreviewRow,
        cancel: watch::Receiver<bool>,
    ) -> Result<(), IngestError> {
        let shared = &*self.shared;
        let (id, part) = (row.item, row.part);
        let key = self.outbound.layout.object(id, part);
        let entry = match row.state {
            PreviewState::Made => {
                let stored = self.store(&row, &key, cancel).await;
                if matches!(&stored, Err(error) if is_lost(error, 1)) {
                    // The recording is still there, so the preview is made again.
                    blocking(|| -> Result<(), IngestError> {
                        durable::remove(&shared.spool.preview(id, part))?;
                        shared.journal.forget_upload(&key)?;
                        shared.journal.try_preview(id, part).map(drop)?;
                        Ok(())
                    })?;
                }
                let entry = stored?;
                blocking(|| shared.journal.preview_entered(id, part, &entry))?;
                entry
            }
            _ => row.entry.unwrap_or_default(),
        };
        if !entry.is_empty() {
            self.outbound.entries.append(&shared.log, &entry).await?;
            reached!("preview: logged");
        }
        blocking(|| -> Result<(), IngestError> {
            shared.journal.preview_done(id, part)?;
            self.outbound.entries.noted(&entry);
            shared.journal.forget_upload(&key)?;
            Ok(durable::remove(&shared.spool.preview(id, part))?)
        })?;
        shared.wake_upload.notify_one();
        Ok(())
    }

    /// Uploads it; returns the `item.previewed` entry.
    async fn store(
        &self,
        row: &PreviewRow,
        key: &str,
        cancel: watch::Receiver<bool>,
    ) -> Result<Vec<u8>, IngestError> {
        let shared = &*self.shared;
        let (id, part) = (row.item, row.part);
        let kept = row.report.as_deref().unwrap_or_default();
        let report: WorkerReport = serde_json::from_str(kept)
            .map_err(|_| PreviewError::Nonsense("the journal does not hold its answer"))?;
        let Ending::Made(made) = report.ending else {
            return Err(PreviewError::Nonsense("the journal holds another answer").into());
        };
        let item = blocking(|| shared.journal.item(id))?
            .ok_or(PreviewError::Nonsense("the journal has no such item"))?;
        let source = blocking(|| {
            let path = shared.spool.preview(id, part);
            SpoolSource::open(shared, &path, &item, part, made.sealed_size)
        })?;
        let lock = blocking(|| self.outbound.lock_of(&item))?;
        let upload = Upload {
            store: &*self.outbound.store,
            key,
            retention: lock,
            pacer: &self.outbound.pacer,
            part_size: self.outbound.part_size,
            parts_at_once: 1,
            memory: &self.outbound.memory,
            progress: &|_| {},
            cancel,
        };
        let stored = upload
            .run(Box::new(source), &mut JournalLedger { shared, key })
            .await?;
        metrics::preview(part.as_str(), "stored");
        tracing::info!(evidence = %id, path = %item.facts.path, %part, bytes = stored.size,
            cpu_ms = report.cost.cpu_ms, peak_rss_bytes = report.cost.peak_rss_bytes, "preview stored");
        let outcome = PreviewOutcome::Made(Box::new(PreviewMade {
            sha256: made.sha256,
            size: made.size,
            sealed_size: made.sealed_size,
            bucket: self.outbound.store.bucket().to_owned(),
            key: stored.key,
            version_id: stored.version_id,
            part_size: stored.part_size,
            checksum: stored.checksum,
            confirmed_by: stored.confirmed_by,
            retention: stored.retention,
            picture: made.picture,
        }));
        let event = Event::ItemPreviewed(ItemPreviewed {
            evidence: id,
            part,
            outcome,
            ffmpeg: Some(report.ffmpeg),
            probe: report.probe.map(Box::new),
        });
        shared.encode(Some(item.session), event)
    }
}
