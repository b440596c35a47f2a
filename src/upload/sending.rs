//! Sends the missing parts of an upload: reading, hashing and sending run side by side.

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::sync::watch;
use tokio::task::{JoinError, JoinHandle};

use crate::model::Sha256Digest;

use super::ledger::Ledger;
use super::multipart::PartsInHand;
use super::part_source::{PartSource, ReadPart, SourceInUse, finished, next_read, read_part};
use super::store::DonePart;
use super::{Upload, UploadError};

/// The result of sending.
pub(super) enum Sent {
    All,
    UploadGone,
}

impl Upload<'_> {
    /// Reads, hashes and sends what is missing, side by side. After a failure the parts under way are still awaited,
    /// so that each attempt gets further.
    pub(super) async fn send(
        &self,
        parts: &mut PartsInHand,
        ledger: &mut dyn Ledger,
    ) -> Result<Sent, UploadError> {
        let plan = parts.plan;
        let mut bytes_done = parts.bytes_done();
        (self.progress)(bytes_done);

        let width = self.parts_at_once.max(1);
        let mut missing = parts.missing().into_iter();
        let mut source = Some(std::mem::replace(&mut parts.source, Box::new(SourceInUse)));
        let mut reading: Option<JoinHandle<ReadPart>> = None;
        let mut sending = FuturesUnordered::new();
        let mut cancel = self.cancel.clone();
        let mut gone = false;
        let mut failed: Option<UploadError> = None;
        loop {
            let room = sending.len() < width && failed.is_none() && !gone;
            if room && let Some(idle) = source.take() {
                // The source is here, so nothing is being read.
                match missing.next().and_then(|n| Some((n, plan.range(n)?))) {
                    Some((number, range)) => {
                        reading = Some(self.read(idle, number, range));
                    }
                    None => source = Some(idle),
                }
            }
            if reading.is_none() && sending.is_empty() {
                break;
            }
            tokio::select! {
                biased;
                () = stop(&mut cancel) => return Err(self.cancelled()),
                Some(sent) = sending.next() => {
                    let (number, sha256, sent): (u32, Sha256Digest, Result<Option<String>, UploadError>) = sent;
                    match sent {
                        Ok(Some(etag)) => {
                            let part = DonePart { number, etag, sha256 };
                            ledger.part_done(&part).map_err(UploadError::Ledger)?;
                            bytes_done += plan.length(number);
                            parts.done.insert(number, part);
                            (self.progress)(bytes_done);
                        }
                        Ok(None) => gone = true,
                        Err(error) => { failed.get_or_insert(error); }
                    }
                }
                Some(read) = next_read(&mut reading) => {
                    reading = None;
                    let ReadPart { source: idle, number, body } = self.finished(read)?;
                    source = Some(idle);
                    let body = body?;
                    if let Some(md5) = body.md5 {
                        parts.md5s.insert(number, md5);
                    }
                    let held = parts.listed_etag(number, body.sha256);
                    let upload_id = parts.multipart.upload_id.clone();
                    sending.push(async move {
                        let sha256 = body.sha256;
                        let sent = if let Some(etag) = held { Ok(Some(etag)) } else {
                            self.pacer.take(body.bytes.len() as u64).await;
                            self.store.upload_part(self.key, &upload_id, number, body).await
                        };
                        (number, sha256, sent)
                    });
                }
            }
        }
        if let Some(source) = source {
            parts.source = source;
        }
        match failed {
            _ if gone => Ok(Sent::UploadGone),
            Some(error) => Err(error),
            None => Ok(Sent::All),
        }
    }

    /// Notes the digests of the parts that are not noted as sent.
    pub(super) async fn hash_the_rest(&self, parts: &mut PartsInHand) -> Result<(), UploadError> {
        for number in parts.missing() {
            if *self.cancel.borrow() {
                return Err(self.cancelled());
            }
            let range = parts.plan.range(number).unwrap_or((0, 0));
            let source = std::mem::replace(&mut parts.source, Box::new(SourceInUse));
            let read = self.finished(self.read(source, number, range).await)?;
            parts.source = read.source;
            let body = read.body?;
            if let Some(md5) = body.md5 {
                parts.md5s.insert(number, md5);
            }
            let part = DonePart {
                number,
                etag: String::new(),
                sha256: body.sha256,
            };
            parts.done.insert(number, part);
        }
        Ok(())
    }

    /// Reads once more what an earlier attempt has sent, where the ETag is all that can confirm it.
    pub(super) async fn md5_the_rest(&self, parts: &mut PartsInHand) -> Result<(), UploadError> {
        for number in 1..=parts.plan.count {
            if parts.md5s.contains_key(&number) || !self.store.conduct().wants_md5() {
                continue;
            }
            if *self.cancel.borrow() {
                return Err(self.cancelled());
            }
            let range = parts.plan.range(number).unwrap_or((0, 0));
            let source = std::mem::replace(&mut parts.source, Box::new(SourceInUse));
            let read = self.finished(self.read(source, number, range).await)?;
            parts.source = read.source;
            if let Some(md5) = read.body?.md5 {
                parts.md5s.insert(number, md5);
            }
        }
        Ok(())
    }

    pub(super) fn read(
        &self,
        source: Box<dyn PartSource>,
        number: u32,
        range: (u64, u64),
    ) -> JoinHandle<ReadPart> {
        let md5 = self.store.conduct().wants_md5();
        read_part(self.memory, self.key, source, number, range, md5)
    }

    pub(super) fn finished(
        &self,
        read: Result<ReadPart, JoinError>,
    ) -> Result<ReadPart, UploadError> {
        finished(read).ok_or_else(|| self.cancelled())
    }
}

/// Returns when a stop is requested; never returns when its sender is gone.
pub(super) async fn stop(cancel: &mut watch::Receiver<bool>) {
    if cancel.wait_for(|&stop| stop).await.is_err() {
        std::future::pending::<()>().await;
    }
}
