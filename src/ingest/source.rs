//! The spool and the journal as the upload room sees them: a source of verified parts and a ledger of what was uploaded.

use std::fs::File;
use std::io::BufReader;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use bytes::Bytes;

use crate::durable;
use crate::failpoint::disk;
use crate::journal::{ItemRow, PartRow};
use crate::model::{Entry, Event, Part, Sha256Digest};
use crate::seal::{MessageHeader, SealError, VerifiedReader};
use crate::upload::{
    BoxError, DonePart, Lease, Ledger, Multipart, PartSource, Resume, UploadError,
};

use super::{IngestError, Shared};

/// A spool file whose frames are verified while they are read, or, where the item's key was lost, only read.
pub struct SpoolSource {
    reader: SpoolReader,
    path: PathBuf,
}

enum SpoolReader {
    Verified(Box<VerifiedReader>),
    Plain(File, u64),
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
        let key = match row.wrapped_key {
            Some(_) => Some(shared.item_key(row)?),
            None => None,
        };
        let opened = File::open(path)
            .map_err(SealError::Read)
            .and_then(|file| match &key {
                Some(key) => {
                    let reader = VerifiedReader::open(file, key, row.id, part, size)?;
                    let reader = reader.past_page_cache(durable::open_direct(path));
                    Ok(SpoolReader::Verified(Box::new(reader)))
                }
                None => plain(file, row, size),
            });
        let reader = opened.map_err(|source| UploadError::SpoolDamaged {
            key: format!("{}/{part}", row.id),
            offset: 0,
            source: source.into(),
        })?;
        Ok(Self {
            reader,
            path: path.to_owned(),
        })
    }
}

/// Without the key only the message id and the length can be checked against the log.
fn plain(file: File, row: &ItemRow, size: u64) -> Result<SpoolReader, SealError> {
    let there = file.metadata().map_err(SealError::Read)?.len();
    if there < size {
        return Err(SealError::Truncated("its frames"));
    }
    if there > size {
        return Err(SealError::Trailing);
    }
    let (header, ..) = MessageHeader::read(&mut BufReader::new(&file))?;
    let manifest = row.sealed.as_ref().map(|sealed| &sealed.manifest[..]);
    let entry = serde_json::from_slice::<Entry>(manifest.unwrap_or_default());
    match entry.map(|entry| entry.event) {
        Ok(Event::ItemSealed(sealed))
            if sealed.message_id == Sha256Digest(header.message_id).to_string() =>
        {
            Ok(SpoolReader::Plain(file, size))
        }
        _ => Err(SealError::Header),
    }
}

impl PartSource for SpoolSource {
    fn len(&self) -> u64 {
        match &self.reader {
            SpoolReader::Verified(reader) => reader.len(),
            SpoolReader::Plain(_, size) => *size,
        }
    }

    fn read_range(&mut self, offset: u64, len: u64, mut memory: Lease) -> Result<Bytes, BoxError> {
        disk!("read sealed", &self.path, SealError::Read);
        let length = usize::try_from(len)?;
        let skip = match &mut self.reader {
            SpoolReader::Verified(reader) => reader.read_range(offset, length, memory.buffer())?,
            SpoolReader::Plain(file, _) => {
                memory.buffer().resize(length, 0);
                file.read_exact_at(memory.buffer(), offset)
                    .map_err(SealError::Read)?;
                0
            }
        };
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
