//! Multipart uploads in progress, so that they continue after any interruption.

use super::sql::Unsigned;
use super::{Journal, JournalError};
use crate::failpoint::step;
use crate::model::{Retention, Sha256Digest};

/// A multipart upload in progress, by object key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UploadRow {
    pub upload_id: String,
    pub part_size: u64,
    /// As set when it was created.
    pub retention: Option<Retention>,
    pub parts: Vec<PartRow>,
}

/// One part that the store has acknowledged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartRow {
    /// From 1.
    pub number: u32,
    pub digest: Sha256Digest,
    pub etag: String,
}

impl Journal {
    pub fn upload(&self, key: &str) -> Result<Option<UploadRow>, JournalError> {
        let found = self.row(
            "SELECT upload_id, part_size, retention FROM uploads WHERE key = ?1",
            [key],
            |row| {
                Ok(UploadRow {
                    upload_id: row.get("upload_id")?,
                    part_size: row.get::<_, Unsigned>("part_size")?.0,
                    retention: row.get("retention")?,
                    parts: Vec::new(),
                })
            },
        )?;
        let Some(mut upload) = found else {
            return Ok(None);
        };
        upload.parts = self.rows(
            "SELECT number, digest, etag FROM parts WHERE key = ?1 ORDER BY number",
            [key],
            |row| {
                Ok(PartRow {
                    number: row.get("number")?,
                    digest: row.get("digest")?,
                    etag: row.get("etag")?,
                })
            },
        )?;
        Ok(Some(upload))
    }

    pub fn begin_upload(
        &self,
        key: &str,
        upload_id: &str,
        part_size: u64,
        retention: Option<&Retention>,
    ) -> Result<(), JournalError> {
        step!("journal begin_upload");
        let mut connection = self.lock();
        let tx = connection.transaction()?;
        tx.execute("DELETE FROM parts WHERE key = ?1", [key])?;
        tx.execute(
            "INSERT INTO uploads (key, upload_id, part_size, retention) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (key) DO UPDATE SET upload_id = ?2, part_size = ?3, retention = ?4",
            (key, upload_id, Unsigned(part_size), retention),
        )?;
        tx.commit()?;
        Ok(())
    }

    pub fn part_done(&self, key: &str, part: &PartRow) -> Result<(), JournalError> {
        step!("journal part_done");
        // If this is lost, the store lists the part, and it is sent again only if it differs.
        self.unsynced(|connection| {
            connection.execute(
                "INSERT INTO parts (key, number, digest, etag) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT (key, number) DO UPDATE SET digest = ?3, etag = ?4",
                (key, part.number, part.digest, &part.etag),
            )?;
            Ok(())
        })
    }

    pub fn forget_upload(&self, key: &str) -> Result<(), JournalError> {
        step!("journal forget_upload");
        let mut connection = self.lock();
        let tx = connection.transaction()?;
        tx.execute("DELETE FROM parts WHERE key = ?1", [key])?;
        tx.execute("DELETE FROM uploads WHERE key = ?1", [key])?;
        tx.commit()?;
        Ok(())
    }
}
