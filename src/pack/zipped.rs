//! The same pack as a ZIP: files as they are, not compressed, so that footage of any size goes through.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

use super::PackError;
use super::bag::{make_shared, unfinished};
use crate::durable::{self, AppendFile};

/// Packs the finished folder `dir` into `DIR.zip`, with the folder's name before every path; returns where it is.
pub fn write_zip(
    dir: &Path,
    files: &[String],
    made: Timestamp,
    mut progress: impl FnMut(u64),
) -> Result<PathBuf, PackError> {
    let out = zip_of(dir);
    let partial = unfinished(&out);
    let top = dir.file_name().unwrap_or_default().to_string_lossy();
    let file = AppendFile::create(&partial)?;
    let written = (|| {
        let mut zip = ZipWriter::new(file.file());
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Stored)
            .large_file(true)
            .unix_permissions(0o644)
            .last_modified_time(time(made));
        for name in files {
            zip.start_file(format!("{top}/{name}"), options)
                .map_err(|e| PackError::Zip(e.into()))?;
            let path = dir.join(name);
            let from = File::open(&path);
            let from = from.map_err(|source| PackError::ReadBack { path, source })?;
            progress(
                io::copy(&mut io::BufReader::with_capacity(1 << 20, from), &mut zip)
                    .map_err(PackError::Zip)?,
            );
        }
        zip.finish().map_err(|e| PackError::Zip(e.into()))?;
        file.sync()?;
        make_shared(file.file(), &partial, made)?;
        durable::rename_new(&partial, &out)?;
        Ok(out)
    })();
    if written.is_err() {
        let _ = durable::remove(&partial);
    }
    written
}

/// `DIR.zip` beside the folder.
pub(super) fn zip_of(dir: &Path) -> PathBuf {
    let mut name = dir.as_os_str().to_owned();
    name.push(".zip");
    name.into()
}

/// In UTC, as ZIP has no zones; to two seconds.
fn time(at: Timestamp) -> DateTime {
    let at = TimeZone::UTC.to_datetime(at);
    let small = |n: i8| u8::try_from(n).unwrap_or(0);
    let year = u16::try_from(at.year()).unwrap_or(1980);
    DateTime::from_date_and_time(
        year,
        small(at.month()),
        small(at.day()),
        small(at.hour()),
        small(at.minute()),
        small(at.second()),
    )
    .unwrap_or_default()
}
