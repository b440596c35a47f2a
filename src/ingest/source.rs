//! What the upload room asks for, answered from the spool and the journal.

use std::fs::File;
use std::path::{Path, PathBuf};

use bytes::Bytes;

use crate::durable;
use crate::failpoint::disk;
use crate::journal::{ItemRow, PartRow};
use crate::model::Part;
use crate::seal::{SealError, VerifiedReader};
use crate::upload::{
    BoxError, DonePart, Lease, Ledger, Multipart, PartSource, Resume, UploadError,
};

use super::{IngestError, Shared};

/// A spool file whose frames are verified while they are read.
pub struct SpoolSource {
    reader: VerifiedReader,
    path: PathBuf,
}

impl SpoolSource {
    /// One sealed file of an item in flight. Blocks.
    pub fn open(
        shared: &Shared,
        path: &Path,
        row: &ItemRow,
        part: Part,
        size: u64,
    ) -> Result<Self, IngestError> {
        let key = shared.item_key(row)?;
        let opened = File::open(path)
            .map_err(SealError::Read)
            .and_then(|file| VerifiedReader::open(file, &key, row.id, part, size));
        let reader = opened.map_err(|source| UploadError::SpoolDamaged {
            key: format!("{}/{part}", row.id),
            offset: 0,
            source: source.into(),
        })?;
        Ok(Self {
            reader: reader.past_page_cache(durable::open_direct(path)),
            path: path.to_owned(),
        })
    }
}

impl PartSource for SpoolSource {
    fn len(&self) -> u64 {
        self.reader.len()
    }

    fn read_range(&mut self, offset: u64, len: u64, mut memory: Lease) -> Result<Bytes, BoxError> {
        disk!("read sealed", &self.path, SealError::Read);
        let length = usize::try_from(len)?;
        let skip = self.reader.read_range(offset, length, memory.buffer())?;
        Ok(memory.into_bytes(skip..skip + length))
    }
}

/// An upload's progress in the journal.
pub struct JournalLedger<'a> {
    pub shared: &'a Shared,
    pub key: &'a str,
}

impl Ledger for JournalLedger<'_> {
    fn resume(&mut self) -> Result<Option<Resume>, BoxError> {
        let row = self.shared.journal.upload(self.key)?;
        Ok(row.map(|row| Resume {
            multipart: Multipart {
                upload_id: row.upload_id,
                part_size: row.part_size,
                retention: row.retention,
            },
            parts: row
                .parts
                .into_iter()
                .map(|p| DonePart {
                    number: p.number,
                    etag: p.etag,
                    sha256: p.digest,
                })
                .collect(),
        }))
    }

    fn begin(&mut self, multipart: &Multipart) -> Result<(), BoxError> {
        let Multipart {
            upload_id,
            part_size,
            retention,
        } = multipart;
        Ok(self
            .shared
            .journal
            .begin_upload(self.key, upload_id, *part_size, retention.as_ref())?)
    }

    fn part_done(&mut self, part: &DonePart) -> Result<(), BoxError> {
        let row = PartRow {
            number: part.number,
            digest: part.sha256,
            etag: part.etag.clone(),
        };
        Ok(self.shared.journal.part_done(self.key, &row)?)
    }

    fn clear(&mut self) -> Result<(), BoxError> {
        Ok(self.shared.journal.forget_upload(self.key)?)
    }
}
