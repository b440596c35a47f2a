//! `disposer.toml`: merged values become the checked [`DisposerConfig`].

use std::path::Path;
use std::str::FromStr as _;
use std::time::Duration;

use super::{Check, store};
use crate::config::disposer::DisposerWitness;
use crate::config::raw::DisposerMerged;
use crate::config::{ConfigError, DisposerConfig};
use crate::model::StationName;

const NAME: &str = "Use 1 to 63 of a-z, 0-9 and '-', beginning with a letter or digit.";

pub fn disposer(
    path: &Path,
    text: &str,
    merged: &DisposerMerged,
    warnings: &mut Vec<String>,
) -> Result<DisposerConfig, ConfigError> {
    let mut check = Check {
        path,
        text,
        reading: false,
        problems: Vec::new(),
    };
    let raw = &merged.disposer;
    let office = StationName::from_str(&raw.office.value).ok();
    if raw.office.value.is_empty() {
        check.missing(
            "office",
            "Name the office in [disposer] as its office.toml does, for example `office = \"leeds-office\"`.",
        );
    } else {
        let at = raw.office.at.as_ref();
        check.ensure(office.is_some(), at, "office", "is not a name", NAME);
    }
    if raw.office_log_key.value.is_empty() {
        check.missing(
            "office_log_key",
            "Give the key of the office's log: `camdock office check` shows it there, and it is in the office's state folder, keys/log.pub. Bring it here by a way that you trust.",
        );
    }
    check.number(
        &raw.every_seconds,
        1..=3600,
        "every_seconds",
        "Use 1 to 3600; 60 suits most.",
    );
    check.number(
        &raw.wait_hours,
        24..=8760,
        "wait_hours",
        "Use 24 to 8760: nothing is deleted sooner than a day after it was approved, so that somebody can still hold it.",
    );
    let (name, key) = (&raw.witness_office, &raw.witness_key);
    let witness = StationName::from_str(&name.value).ok();
    check.ensure(
        name.value.is_empty() || witness.is_some(),
        name.at.as_ref(),
        "witness_office",
        "is not a name",
        NAME,
    );
    check.ensure(
        name.value.is_empty() == key.value.is_empty(),
        key.at.as_ref(),
        "witness_key",
        "stands alone",
        "Give both `witness_office` and `witness_key`, or neither.",
    );
    if name.value.is_empty() {
        warnings.push("no other office witnesses the log that the disposer acts by: whoever has the office's machine decides alone; set `witness_office` and `witness_key`".into());
    }
    let store = store::section(&mut check, &merged.store, warnings);
    let log = super::log(&mut check, &merged.log);
    let (Some(office), true) = (office, check.problems.is_empty()) else {
        return Err(super::all_of(path, check.problems));
    };
    Ok(DisposerConfig {
        office,
        office_log_key: raw.office_log_key.value.clone(),
        witness: witness.map(|office| DisposerWitness {
            office,
            key: key.value.clone(),
        }),
        state_dir: check.path(&raw.state_dir.value),
        interval: Duration::from_secs(raw.every_seconds.value.into()),
        wait: Duration::from_hours(raw.wait_hours.value.into()),
        store,
        log,
    })
}
