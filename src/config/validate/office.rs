//! `office.toml`: merged values become the checked [`OfficeConfig`].

use std::collections::HashSet;
use std::path::Path;
use std::str::FromStr as _;
use std::time::Duration;

use super::{Check, classes, people, store, tags, trusted, web};
use crate::config::office::{FollowedStation, OfficeConfig, Reconciling, ReportSettings};
use crate::config::raw::OfficeMerged;
use crate::config::{ConfigError, file};
use crate::model::StationName;

const STATIONS_MAX: usize = 1000;
const NAME: &str = "Use 1 to 63 of a-z, 0-9 and '-', beginning with a letter or digit.";

pub fn office(
    path: &Path,
    text: &str,
    merged: OfficeMerged,
    warnings: &mut Vec<String>,
) -> Result<OfficeConfig, ConfigError> {
    let mut check = Check {
        path,
        text,
        reading: false,
        problems: Vec::new(),
    };
    let raw = &merged.office;
    let name = StationName::from_str(&raw.name.value).ok();
    if raw.name.value.is_empty() {
        check.missing(
            "name",
            "Give the office a name in [office], for example `name = \"leeds-office\"`.",
        );
    } else {
        check.ensure(
            name.is_some(),
            raw.name.at.as_ref(),
            "name",
            "is not a name",
            NAME,
        );
    }
    check.number(
        &raw.follow_seconds,
        1..=3600,
        "follow_seconds",
        "Use 1 to 3600 seconds; 30 suits most.",
    );
    let witness = &merged.witness;
    check.ensure(
        witness.name.value.len() <= 200
            && (witness.name.value.bytes()).all(|b| b.is_ascii_graphic() && b != b'+'),
        witness.name.at.as_ref(),
        "name",
        "cannot stand in a cosignature",
        "Use at most 200 printable ASCII characters without spaces or `+`, for example `evidence.police.example/witness`.",
    );
    let witness_listen = web::address(&mut check, &witness.listen, "127.0.0.1:8485");
    let metrics_listen = web::address(&mut check, &merged.metrics.listen, "127.0.0.1:9485");
    check.ensure(
        metrics_listen.is_none_or(|address| address.ip().is_loopback()),
        merged.metrics.listen.at.as_ref(),
        "listen",
        "of [metrics] is reachable from other machines",
        "Listen on a loopback address such as 127.0.0.1:9485, or \"\" for none.",
    );
    let raw_pages = &merged.pages;
    let followed = merged.stations.iter();
    let followed: Vec<_> = followed.map(|entry| &entry.get_ref().name).collect();
    let pages = web::pages(
        &mut check,
        &web::PageKeys {
            section: "pages",
            whose: web::Whose::Office,
            stations: &followed,
            example: "127.0.0.1:8486",
            listen: &raw_pages.listen,
            tls_certificate: &raw_pages.tls_certificate,
            tls_key: &raw_pages.tls_key,
            language: &raw_pages.language,
            tokens: &raw_pages.tokens.value,
        },
    );
    let people = people::section(&mut check, &merged.people, &followed);
    let share = &merged.share.address;
    check.ensure(
        share.value.is_empty() || people::keeps_secrets(&share.value),
        share.at.as_ref(),
        "address",
        "is not an https address",
        "Give the share reader's address without a query, for example `https://shares.police.example`; plain http is for loopback alone.",
    );
    let share_address = Some(share.value.trim_end_matches('/').to_owned());
    let reconcile = &merged.reconcile;
    check.number(
        &reconcile.list_seconds,
        1..=3600,
        "list_seconds",
        "Use 1 to 3600 seconds, so that a loss is seen within the hour; 1800 suits most.",
    );
    check.number(
        &reconcile.sweep_days,
        1..=365,
        "sweep_days",
        "Use 1 to 365 days; 30 suits most.",
    );
    let reconciling = Reconciling {
        list_interval: Duration::from_secs(reconcile.list_seconds.value.into()),
        sweep_period: Duration::from_secs(u64::from(reconcile.sweep_days.value) * 24 * 3600),
    };
    let keeping = classes::section(&mut check, &merged);
    let tags = tags::section(&mut check, &merged.tags);
    let report = report(&mut check, &merged);
    let stations = stations(&mut check, &merged);
    let store = store::section(&mut check, &merged.store, warnings);
    let earlier = trusted::earlier(&mut check, &merged.office.earlier.value);
    check.ensure(
        earlier.iter().all(|it| it.name.as_str() != raw.name.value),
        raw.name.at.as_ref(),
        "name",
        "is that of an earlier office, too",
        "Give the office a new name when it gets new keys: a key is never replaced under the same name.",
    );
    let log = super::log(&mut check, &merged.log);
    let state_dir = check.path(&raw.state_dir.value);
    let (Some(name), true) = (name, check.problems.is_empty()) else {
        return Err(super::all_of(path, check.problems));
    };
    let witness_name = match witness.name.value.as_str() {
        "" => format!("camdock-office/{name}"),
        given => given.to_owned(),
    };
    Ok(OfficeConfig {
        earlier,
        witness_name,
        name,
        state_dir,
        follow_interval: Duration::from_secs(raw.follow_seconds.value.into()),
        witness_listen,
        metrics_listen,
        reconciling,
        keeping,
        tags,
        pages,
        people,
        share_address: share_address.filter(|address| !address.is_empty()),
        store,
        report,
        log,
        stations,
    })
}

fn report(check: &mut Check<'_>, merged: &OfficeMerged) -> ReportSettings {
    let raw = &merged.report;
    for (setting, key) in [
        (&raw.minutes_per_recording, "minutes_per_recording"),
        (&raw.hour_price, "hour_price"),
        (&raw.disc_price, "disc_price"),
        (&raw.store_terabytes, "store_terabytes"),
    ] {
        check.ensure(
            (0.0..=1e6).contains(&setting.value),
            setting.at.as_ref(),
            key,
            "is out of range",
            "Use a number from 0 to 1000000; 0 says that nobody knows.",
        );
    }
    let currency = &raw.currency;
    check.ensure(
        (1..=8).contains(&currency.value.len())
            && currency.value.bytes().all(|b| b.is_ascii_alphabetic()),
        currency.at.as_ref(),
        "currency",
        "is not the code of a currency",
        "Use a code such as GBP, EUR or USD.",
    );
    ReportSettings {
        minutes_per_recording: raw.minutes_per_recording.value,
        hour_price: raw.hour_price.value,
        recordings_per_disc: raw.recordings_per_disc.value,
        disc_price: raw.disc_price.value,
        currency: currency.value.clone(),
        store_terabytes: raw.store_terabytes.value,
    }
}

fn stations(check: &mut Check<'_>, merged: &OfficeMerged) -> Vec<FollowedStation> {
    if merged.stations.is_empty() {
        check.missing(
            "stations",
            "Name each station with its log's public key: [[stations]], `name = \"leeds-north-1\"`, `log_key = \"…\"`. The key is in the station's state folder, keys/log.pub; bring it here by a way that you trust.",
        );
    }
    let first = merged.stations.first().map(toml::Spanned::span);
    check.ensure(
        merged.stations.len() <= STATIONS_MAX,
        first.as_ref(),
        "stations",
        "has too many entries",
        "Follow at most 1000 stations.",
    );
    let (mut names, mut keys) = (HashSet::new(), HashSet::new());
    let mut stations = Vec::new();
    for entry in merged.stations.iter().take(STATIONS_MAX) {
        let span = entry.span();
        let raw = entry.get_ref();
        let line = file::position(check.text, span.start).0;
        let name = StationName::from_str(&raw.name);
        check.ensure(
            name.is_ok(),
            Some(&span),
            "stations",
            "has a name that is not a station's",
            NAME,
        );
        check.ensure(
            raw.name != merged.office.name.value,
            Some(&span),
            "stations",
            "has the office's own name",
            "An office and a station write logs of their own names below `log/` in the bucket: give the office another name.",
        );
        check.ensure(
            names.insert(raw.name.clone()) && keys.insert(raw.log_key.clone()),
            Some(&span),
            "stations",
            "has a name or a key twice",
            "Each station has one entry and a key of its own.",
        );
        check.ensure(
            (1..=8760).contains(&raw.silent_hours),
            Some(&span),
            "silent_hours",
            "is out of range",
            "Use 1 to 8760 hours.",
        );
        if raw.log_key.is_empty() {
            check.wrong(
                Some(&span),
                "log_key",
                "is empty",
                format!("Give the key of the station in line {line}: it is in the station's state folder, keys/log.pub."),
            );
        }
        if let Ok(name) = name {
            stations.push(FollowedStation {
                name,
                log_key: raw.log_key.clone(),
                silence: Duration::from_secs(u64::from(raw.silent_hours) * 3600),
            });
        }
    }
    stations
}
