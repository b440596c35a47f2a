//! Stage three: merged values become the checked, typed [`Config`]. All errors are reported at once.

pub use people::keeps_secrets;

use std::ops::{Range, RangeInclusive};
use std::path::{Path, PathBuf};
use std::str::FromStr as _;
use std::time::Duration;

use jiff::tz::TimeZone;
use toml::Spanned;
use tracing_subscriber::EnvFilter;
use zeroize::Zeroize as _;

mod classes;
mod disposer;
mod dock;
mod first_lock;
mod import;
mod keydesk;
mod office;
mod people;
mod preview;
mod sharereader;
mod store;
mod tagging;
mod tags;
mod trusted;
mod upload;
mod web;
mod witness;

use super::raw::{LogSection, Merged, Setting};
use super::settings::{
    Config, IngestSettings, LogSettings, RecipientFile, SealSettings, SpoolSettings,
    StationSettings,
};
use super::station_files::StationFiles;
use super::{ConfigError, file, sibling};
use crate::model::{Sha256Digest, StationName};

const PEM_BYTES_MAX: u64 = 64 << 10;
const RECIPIENTS_MAX: usize = 32;
/// Without these, nothing in the store can be found.
const NEEDED_TO_READ: [&str; 2] = ["name", "bucket"];
const YEAR_SECONDS: f64 = 365.0 * 86_400.0;

/// Collects errors with their lines.
struct Check<'a> {
    path: &'a Path,
    text: &'a str,
    problems: Vec<ConfigError>,
    /// Nothing is to be taken, only the store read.
    reading: bool,
}

impl Check<'_> {
    fn wrong(
        &mut self,
        at: Option<&Range<usize>>,
        key: &str,
        message: &str,
        fix: impl Into<String>,
    ) {
        self.problems.push(ConfigError::Invalid {
            file: self.path.to_owned(),
            line: at.map(|span| file::position(self.text, span.start).0),
            key: key.to_owned(),
            message: message.to_owned(),
            fix: fix.into(),
        });
    }

    fn missing(&mut self, key: &'static str, fix: &'static str) {
        if self.reading && !NEEDED_TO_READ.contains(&key) {
            return;
        }
        self.problems.push(ConfigError::Missing {
            file: self.path.to_owned(),
            key,
            fix,
        });
    }

    fn ensure(
        &mut self,
        fine: bool,
        at: Option<&Range<usize>>,
        key: &str,
        message: &str,
        fix: &str,
    ) {
        if !fine {
            self.wrong(at, key, message, fix);
        }
    }

    /// Reports a number that is out of range.
    fn number<T: PartialOrd>(
        &mut self,
        setting: &Setting<T>,
        range: RangeInclusive<T>,
        key: &str,
        fix: &str,
    ) {
        let fine = range.contains(&setting.value);
        self.ensure(fine, setting.at.as_ref(), key, "is out of range", fix);
    }

    /// Relative paths start at the configuration file's folder.
    fn path(&self, text: &str) -> PathBuf {
        self.path.parent().unwrap_or(Path::new("/")).join(text)
    }

    fn optional_path(&self, setting: &Setting<String>) -> Option<PathBuf> {
        (!setting.value.is_empty()).then(|| self.path(&setting.value))
    }

    fn seconds(&mut self, setting: &Setting<f64>, key: &str, least: f64) -> Duration {
        let value = setting.value;
        if (least..=YEAR_SECONDS).contains(&value) {
            return Duration::from_secs_f64(value);
        }
        self.wrong(
            setting.at.as_ref(),
            key,
            "is out of range",
            format!("Give `{key}` as seconds, at least {least}."),
        );
        Duration::ZERO
    }
}

pub(super) use disposer::disposer;
pub(super) use keydesk::key_desk;
pub(super) use office::office;
pub(super) use sharereader::share_reader;

/// Without free room the log cannot say that anything was stored, and nothing would ever make room again.
const RESERVE_LEAST: u64 = 16 << 20;

pub(super) fn config(
    path: &Path,
    text: &str,
    merged: Merged,
    warnings: &mut Vec<String>,
    reading: bool,
) -> Result<Config, ConfigError> {
    let mut check = Check {
        path,
        text,
        reading,
        problems: Vec::new(),
    };
    let files = StationFiles::new(
        check.path(&merged.station.state_dir.value),
        check.path(&merged.station.runtime_dir.value),
    );
    let station = station(&mut check, &merged);
    let dock = dock::section(&mut check, &merged);
    let import = import::section(&mut check, &merged);
    let seal = seal(&mut check, &merged, warnings);
    let store = store::section(&mut check, &merged.store, warnings);
    let first_lock = first_lock::section(&mut check, &merged.retention, &store);
    let upload = upload::section(&mut check, &merged);
    let ingest = ingest(&mut check, &merged);
    check.number(
        &merged.spool.reserve_bytes,
        RESERVE_LEAST..=u64::MAX,
        "reserve_bytes",
        "Use 16777216 (16 MiB) or more: custody log and journal need room when the spool is full.",
    );
    let preview = preview::section(&mut check, &merged);
    let (web, metrics) = web::sections(&mut check, &merged);
    let tagging = tagging::section(&mut check, &merged.web);
    let witness = witness::section(&mut check, &merged.witness);
    let offices = trusted::section(&mut check, &merged.office);
    let log = log(&mut check, &merged.log);
    let (Some(station), true) = (station, check.problems.is_empty()) else {
        return Err(all_of(path, check.problems));
    };
    let spool = SpoolSettings {
        dir: if merged.spool.dir.value.is_empty() {
            files.default_spool_dir()
        } else {
            path.parent()
                .unwrap_or(Path::new("/"))
                .join(&merged.spool.dir.value)
        },
        reserve_bytes: merged.spool.reserve_bytes.value,
        keep: Duration::from_secs(u64::from(merged.spool.keep_hours.value) * 3600),
    };
    Ok(Config {
        path: path.to_owned(),
        sha256: Sha256Digest::of(text.as_bytes()),
        roster_file: sibling(path, "roster.toml"),
        profiles_dir: sibling(path, "profiles"),
        files,
        station,
        dock,
        import,
        seal,
        spool,
        store,
        first_lock,
        upload,
        ingest,
        preview,
        web,
        tagging,
        witness,
        offices,
        view_keys: (merged.views.keys.value.iter())
            .map(|key| key.get_ref().clone())
            .collect(),
        metrics,
        log,
    })
}

/// One problem as it is, several as a list.
fn all_of(path: &Path, mut problems: Vec<ConfigError>) -> ConfigError {
    if problems.len() == 1 {
        return problems.remove(0);
    }
    ConfigError::Several {
        file: path.to_owned(),
        problems,
    }
}

fn station(check: &mut Check<'_>, merged: &Merged) -> Option<StationSettings> {
    let raw = &merged.station;
    let name = if raw.name.value.is_empty() {
        check.missing(
            "name",
            "Give the station a name in [station], for example `name = \"leeds-north-1\"`.",
        );
        None
    } else {
        let parsed = StationName::from_str(&raw.name.value);
        if parsed.is_err() {
            check.wrong(
                raw.name.at.as_ref(),
                "name",
                "is not a station name",
                "Use 1 to 63 of a-z, 0-9 and '-', beginning with a letter or digit.",
            );
        }
        parsed.ok()
    };
    let time_zone = if raw.time_zone.value.is_empty() {
        TimeZone::system()
    } else {
        TimeZone::get(&raw.time_zone.value).unwrap_or_else(|_| {
            check.wrong(
                raw.time_zone.at.as_ref(),
                "time_zone",
                "is not a known time zone",
                "Give an IANA name such as `Europe/London`, or leave it out for the system's; the package `tzdata` must be installed.",
            );
            TimeZone::UTC
        })
    };
    let origin = &raw.log_origin.value;
    check.ensure(
        origin.len() <= 200 && origin.bytes().all(|b| b.is_ascii_graphic() && b != b'+'),
        raw.log_origin.at.as_ref(),
        "log_origin",
        "cannot stand in a checkpoint",
        "Use at most 200 printable ASCII characters without spaces or `+`, for example `evidence.police.example/leeds-1`.",
    );
    let name = name?;
    Some(StationSettings {
        log_origin: if origin.is_empty() {
            format!("camdock/{name}")
        } else {
            origin.clone()
        },
        name,
        time_zone,
    })
}

fn seal(check: &mut Check<'_>, merged: &Merged, warnings: &mut Vec<String>) -> SealSettings {
    let raw = &merged.seal;
    let length = raw.frame_length.value;
    check.ensure(
        (65_536..=1_048_576).contains(&length) && length.is_multiple_of(4096),
        raw.frame_length.at.as_ref(),
        "frame_length",
        "is not usable",
        "Use 65536 to 1048576 bytes, a multiple of 4096; 524288 suits nearly everyone.",
    );
    let given = &raw.recipients.value;
    if given.is_empty() {
        check.missing(
            "recipients",
            "Name at least one public key file in [seal]: `recipients = [\"recipients/evidence.pem\"]`; `camdock keygen recipient` makes a pair.",
        );
    }
    check.ensure(
        given.len() <= RECIPIENTS_MAX,
        raw.recipients.at.as_ref(),
        "recipients",
        "has too many entries",
        "Name at most 32 recipients.",
    );
    let mut recipients: Vec<RecipientFile> = Vec::new();
    for entry in given.iter().take(RECIPIENTS_MAX) {
        if let Some(recipient) = recipient(check, entry) {
            check.ensure(
                recipients.iter().all(|other| other.pem != recipient.pem),
                Some(&entry.span()),
                "recipients",
                "names the same key twice",
                "Name each recipient once.",
            );
            recipients.push(recipient);
        }
    }
    if recipients.len() == 1 {
        warnings.push("Footage is sealed to one recipient only: if that key is lost, nobody can open it. Add a second public key that is kept elsewhere.".into());
    }
    SealSettings {
        recipients,
        frame_length: length,
    }
}

fn recipient(check: &mut Check<'_>, entry: &Spanned<String>) -> Option<RecipientFile> {
    let path = check.path(entry.get_ref());
    let mut pem = match file::read_text(&path, PEM_BYTES_MAX) {
        Ok(pem) => pem,
        Err(error) => {
            check.problems.push(match error {
                // DER or another binary form.
                ConfigError::Syntax { .. } => not_a_public_key(check, entry, &path),
                other => other,
            });
            return None;
        }
    };
    if pem.contains("PRIVATE KEY") {
        pem.zeroize();
        check.problems.push(ConfigError::PrivateKey { file: path });
        return None;
    }
    if pem.contains("-----BEGIN PUBLIC KEY-----") {
        Some(RecipientFile { path, pem })
    } else {
        pem.zeroize();
        let error = not_a_public_key(check, entry, &path);
        check.problems.push(error);
        None
    }
}

fn not_a_public_key(check: &Check<'_>, entry: &Spanned<String>, path: &Path) -> ConfigError {
    ConfigError::Invalid {
        file: check.path.to_owned(),
        line: Some(file::position(check.text, entry.span().start).0),
        key: "recipients".into(),
        message: format!("names {}, which holds no PEM public key", path.display()),
        fix: "Name a file that begins `-----BEGIN PUBLIC KEY-----`, as `camdock keygen recipient` or `openssl pkey -pubout` write it.".into(),
    }
}

fn ingest(check: &mut Check<'_>, merged: &Merged) -> IngestSettings {
    let raw = &merged.ingest;
    let cameras = raw.parallel_cameras.value;
    check.ensure(
        cameras <= 256,
        raw.parallel_cameras.at.as_ref(),
        "parallel_cameras",
        "is out of range",
        "Use 1 to 256, or 0 for all that are docked.",
    );
    let max_files = raw.max_files.value;
    check.number(
        &raw.max_files,
        1..=100_000_000,
        "max_files",
        "Use 1 to 100000000; 1000000 suits every camera.",
    );
    check.number(
        &raw.earliest_year,
        1981..=2100,
        "earliest_year",
        "Use 1981 to 2100: the year before which none of your cameras was made.",
    );
    IngestSettings {
        parallel_cameras: (cameras > 0).then_some(cameras as usize),
        accept_unknown: raw.accept_unknown.value,
        max_files,
        earliest_year: raw.earliest_year.value,
    }
}

fn log(check: &mut Check<'_>, raw: &LogSection) -> LogSettings {
    check.ensure(
        EnvFilter::builder().parse(&raw.level.value).is_ok() && !raw.level.value.is_empty(),
        raw.level.at.as_ref(),
        "level",
        "is not a log filter",
        "Use error, warn, info, debug or trace, or a filter such as `info,camdock::upload=debug`.",
    );
    LogSettings {
        format: raw.format.value,
        level: raw.level.value.clone(),
    }
}
