//! `keydesk.toml`: merged values become the checked [`KeyDeskConfig`].

use std::path::Path;
use std::str::FromStr as _;
use std::time::Duration;

use super::{Check, store};
use crate::config::raw::KeyDeskMerged;
use crate::config::{ConfigError, KeyDeskConfig};
use crate::model::StationName;

pub fn key_desk(
    path: &Path,
    text: &str,
    merged: &KeyDeskMerged,
    warnings: &mut Vec<String>,
) -> Result<KeyDeskConfig, ConfigError> {
    let mut check = Check {
        path,
        text,
        reading: false,
        problems: Vec::new(),
    };
    let raw = &merged.keydesk;
    let office = StationName::from_str(&raw.office.value).ok();
    if raw.office.value.is_empty() {
        check.missing(
            "office",
            "Name the office in [keydesk] as its office.toml does, for example `office = \"leeds-office\"`.",
        );
    } else {
        check.ensure(
            office.is_some(),
            raw.office.at.as_ref(),
            "office",
            "is not a name",
            "Use 1 to 63 of a-z, 0-9 and '-', beginning with a letter or digit.",
        );
    }
    if raw.office_log_key.value.is_empty() {
        check.missing(
            "office_log_key",
            "Give the key of the office's log: `camdock office check` shows it there, and it is in the office's state folder, keys/log.pub. Bring it here by a way that you trust.",
        );
    }
    check.number(
        &raw.every_milliseconds,
        100..=60_000,
        "every_milliseconds",
        "Use 100 to 60000; with 500, a key is there within two seconds.",
    );
    let store = store::section(&mut check, &merged.store, warnings);
    let log = super::log(&mut check, &merged.log);
    let (Some(office), true) = (office, check.problems.is_empty()) else {
        return Err(super::all_of(path, check.problems));
    };
    Ok(KeyDeskConfig {
        office,
        office_log_key: raw.office_log_key.value.clone(),
        recipient_key_file: check.path(&raw.recipient_key_file.value),
        state_dir: check.path(&raw.state_dir.value),
        interval: Duration::from_millis(raw.every_milliseconds.value.into()),
        store,
        log,
    })
}
