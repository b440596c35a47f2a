//! Notes about an upload in progress, from which the next attempt resumes it.

use crate::model::Retention;

use super::BoxError;
use super::store::DonePart;

/// A multipart upload that the store knows.
#[derive(Debug, Clone, PartialEq)]
pub struct Multipart {
    pub upload_id: String,
    pub part_size: u64,
    /// Set when it was created; what the finished object will have.
    pub retention: Option<Retention>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Resume {
    pub multipart: Multipart,
    pub parts: Vec<DonePart>,
}

/// Where the progress of one object's upload outlives this process. Called on the async task: each call must be short.
///
/// Nothing is cleared after success; the caller forgets the upload later. After a kill in between, the next attempt finds
/// the upload again, learns that it is finished, and sends nothing twice.
pub trait Ledger: Send {
    fn resume(&mut self) -> Result<Option<Resume>, BoxError>;
    /// Must be durable when it returns: parts are sent only then.
    fn begin(&mut self, multipart: &Multipart) -> Result<(), BoxError>;
    /// Need not be durable at once: a lost note costs sending one part again.
    fn part_done(&mut self, part: &DonePart) -> Result<(), BoxError>;
    /// The upload is given up: forget it and its parts.
    fn clear(&mut self) -> Result<(), BoxError>;
}
