use crate::model::{Retention, Sha256Digest};

use super::BoxError;

/// A multipart upload that the store knows.
#[derive(Debug, Clone, PartialEq)]
pub struct Multipart {
    pub upload_id: String,
    pub part_size: u64,
    /// Set when it was created; what the finished object will have.
    pub retention: Option<Retention>,
}

/// A part that the store has taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DonePart {
    pub number: u32,
    pub etag: String,
    pub sha256: Sha256Digest,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Resume {
    pub multipart: Multipart,
    pub parts: Vec<DonePart>,
}

/// Where an upload's progress outlives this process: the journal's side of it, for one object. Called on the async
/// task: each call must be short.
///
/// After success it is left as it is; the caller forgets it in the same transaction that says stored. So a kill in
/// between finds the upload again, learns that it is finished, and sends nothing twice.
pub trait Ledger: Send {
    fn resume(&mut self) -> Result<Option<Resume>, BoxError>;
    /// Must be durable when it returns: parts are sent only then.
    fn begin(&mut self, multipart: &Multipart) -> Result<(), BoxError>;
    /// Need not be durable at once: a lost note costs sending one part again.
    fn part_done(&mut self, part: &DonePart) -> Result<(), BoxError>;
    /// The upload is given up: forget it and its parts.
    fn clear(&mut self) -> Result<(), BoxError>;
}

/// A ledger that lives and dies with the process: for uploads that need no resume, and for tests.
#[derive(Debug, Default, Clone)]
pub struct MemoryLedger {
    pub resume: Option<Resume>,
}

impl Ledger for MemoryLedger {
    fn resume(&mut self) -> Result<Option<Resume>, BoxError> {
        Ok(self.resume.clone())
    }

    fn begin(&mut self, multipart: &Multipart) -> Result<(), BoxError> {
        self.resume = Some(Resume {
            multipart: multipart.clone(),
            parts: Vec::new(),
        });
        Ok(())
    }

    fn part_done(&mut self, part: &DonePart) -> Result<(), BoxError> {
        let resume = self.resume.as_mut().ok_or("no upload has begun")?;
        resume.parts.retain(|done| done.number != part.number);
        resume.parts.push(part.clone());
        Ok(())
    }

    fn clear(&mut self) -> Result<(), BoxError> {
        self.resume = None;
        Ok(())
    }
}
