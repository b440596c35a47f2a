use rusqlite::OptionalExtension as _;

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
        let connection = self.lock();
        let head: Option<(String, i64, Option<String>)> = connection
            .query_row(
                "SELECT upload_id, part_size, retention FROM uploads WHERE key = ?1",
                [key],
                |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?)),
            )
            .optional()?;
        let Some((upload_id, part_size, retention)) = head else {
            return Ok(None);
        };
        let retention = retention
            .map(|json| {
                serde_json::from_str(&json).map_err(|_| JournalError::Corrupt {
                    what: "a retention",
                    value: json.clone(),
                })
            })
            .transpose()?;
        let mut statement = connection.prepare_cached(
            "SELECT number, digest, etag FROM parts WHERE key = ?1 ORDER BY number",
        )?;
        let parts = statement
            .query_map([key], |row| {
                Ok(PartRow {
                    number: row.get(0)?,
                    digest: Sha256Digest(row.get(1)?),
                    etag: row.get(2)?,
                })
            })?
            .collect::<Result<_, _>>()?;
        Ok(Some(UploadRow {
            upload_id,
            part_size: part_size.cast_unsigned(),
            retention,
            parts,
        }))
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
            (
                key,
                upload_id,
                part_size.cast_signed(),
                retention.and_then(|r| serde_json::to_string(r).ok()),
            ),
        )?;
        tx.commit()?;
        Ok(())
    }

    pub fn part_done(&self, key: &str, part: &PartRow) -> Result<(), JournalError> {
        step!("journal part_done");
        // Lost: the store lists the part, and it is sent again only if it differs.
        self.unsynced(|connection| {
            connection.execute(
                "INSERT INTO parts (key, number, digest, etag) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT (key, number) DO UPDATE SET digest = ?3, etag = ?4",
                (key, part.number, part.digest.0, &part.etag),
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
