//! `camdock office check`: what the office needs, one check after the other, each finding with its fix, then the steps of setting
//! it up.

use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::Duration;

use jiff::SignedDuration;

use super::{class_check, steps};
use crate::audit::VerifierKey;
use crate::cli::Outcome;
use crate::cli::check::diagnosis::{Diagnosis, advice, bad, failed, fine};
use crate::cli::check::store::bucket;
use crate::config::{ConfigError, FollowedStation, OfficeConfig, PeopleSettings, Secrets};
use crate::office::{self, AskedKey, socket_path};
use crate::sys;
use crate::upload::{Store, UploadError};
use crate::web;

const NOTE_MAX: u64 = 64 << 10;
const KEY_DESK: &str = "key desk";
/// A day, after which the store may remove what a key desk sealed, less an hour.
const SHARES_LAST: SignedDuration = SignedDuration::from_hours(23);
const ANSWERS_WITHIN: Duration = Duration::from_secs(2);

/// What is to be done where the configuration does not load; the error itself is reported besides.
pub fn unready(path: &Path, error: &ConfigError, json: bool) -> anyhow::Result<()> {
    steps::print_unready(&mut std::io::stdout().lock(), path, error, json)
}

pub fn run(
    path: &Path,
    config: &OfficeConfig,
    warnings: Vec<String>,
    json: bool,
) -> anyhow::Result<Outcome> {
    let mut out = std::io::stdout().lock();
    let found = diagnoses(config, warnings)?;
    for diagnosis in &found {
        diagnosis.print(&mut out, json)?;
    }
    steps::print(&mut out, path, config, &found, json)?;
    Ok(if found.iter().all(|diagnosis| diagnosis.ok) {
        Outcome::Fine
    } else {
        Outcome::NeedsAttention
    })
}

fn diagnoses(config: &OfficeConfig, warnings: Vec<String>) -> anyhow::Result<Vec<Diagnosis>> {
    let mut found = vec![fine("configuration", format!("the office {}", config.name))];
    let unwise = |w| bad("configuration", w, "Edit office.toml.");
    found.extend(warnings.into_iter().map(unwise));
    found.push(match office::witness_public(config) {
        Ok(key) => fine("witness key", key.to_string()),
        Err(error) => failed("witness key", &error),
    });
    let log_key = office::log_verifier(config);
    found.push(match &log_key {
        Ok(key) => fine("log key", key.to_string()),
        Err(error) => failed("log key", error),
    });
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    match office::open_store(config) {
        Ok(store) => {
            match runtime.block_on(store.check_bucket()) {
                Ok(facts) => bucket(&config.store.bucket, &facts, &mut found),
                Err(error) => found.push(failed("store", &error.into())),
            }
            if let Ok(key) = &log_key {
                found.push(runtime.block_on(own_log(&store, config, key)));
            }
            if config.pages.listen.is_some() {
                found.push(runtime.block_on(key_desk(&store, config)));
            }
            for station in &config.stations {
                found.push(runtime.block_on(log_of(&store, config, station)));
                found.push(runtime.block_on(objects_of(&store, config, station)));
            }
        }
        Err(error) => found.push(failed("store", &error)),
    }
    found.extend(recipients(config));
    found.extend(class_check::diagnoses(config));
    let service = service(config);
    let runs = service.fix.is_none();
    found.extend(witness(config, runs));
    found.extend(pages(config, runs));
    if let Some(people) = &config.people {
        found.push(runtime.block_on(signing_in(people)));
    }
    if !found
        .iter()
        .any(|it| it.what == KEY_DESK && it.ok && it.fix.is_none())
    {
        found.extend(watching(config));
    }
    found.push(clock());
    found.push(service);
    Ok(found)
}

fn clock() -> Diagnosis {
    if sys::clock_state().synchronised {
        return fine("clock", "the kernel says that it is synchronised".into());
    }
    advice(
        "clock",
        "the kernel does not say that it is synchronised; cosignatures and acts carry its time"
            .into(),
        "Run a time service such as systemd-timesyncd or chrony.",
    )
}

/// Whether the office may go on with the log that the bucket has under its name.
async fn own_log(store: &dyn Store, config: &OfficeConfig, key: &VerifierKey) -> Diagnosis {
    const WHAT: &str = "own log";
    let checkpoint = config.bucket_layout().log("checkpoint");
    let note = match store.get(&checkpoint, NOTE_MAX).await {
        Ok(Some(bytes)) => String::from_utf8_lossy(&bytes).into_owned(),
        Ok(None) => {
            return fine(
                WHAT,
                "none in the bucket yet; the first start begins it".into(),
            );
        }
        Err(error) => return failed(WHAT, &error.into()),
    };
    match key.open(&note) {
        Ok(checkpoint) => fine(WHAT, format!("{} entries in the bucket", checkpoint.size)),
        Err(error) => bad(
            WHAT,
            format!(
                "the bucket has a log of the name {}, and the key here did not sign it: {error}",
                config.name
            ),
            "Put office-log.key back from its copy. If there is none, give the office a new `name` in office.toml and run `camdock office keygen`; other offices close the old log with `camdock office close`. See docs/operations.md.",
        ),
    }
}

/// Whether the bucket has the station's log, signed by the key that office.toml names.
async fn log_of(store: &dyn Store, config: &OfficeConfig, station: &FollowedStation) -> Diagnosis {
    const WHAT: &str = "station";
    let name = &station.name;
    let key = match office::station_key(station) {
        Ok(key) => key,
        Err(error) => return failed(WHAT, &error.into()),
    };
    let path = config.layout_of(name).log("checkpoint");
    let note = match store.get(&path, NOTE_MAX).await {
        Ok(Some(bytes)) => String::from_utf8_lossy(&bytes).into_owned(),
        Ok(None) => {
            let station = name.clone();
            return failed(WHAT, &office::OfficeError::NoLog { station }.into());
        }
        Err(error) => return failed(WHAT, &error.into()),
    };
    match key.open(&note) {
        Ok(checkpoint) => fine(WHAT, format!("{name}: {} entries", checkpoint.size)),
        Err(error) => bad(
            WHAT,
            format!("{name}: {error}"),
            &format!(
                "On the station {name}, run `cat /var/lib/camdock/keys/log.pub` and compare it with `log_key` in office.toml. If it is the same, somebody else wrote the log in the bucket; if the station has new keys, see docs/operations.md."
            ),
        ),
    }
}

/// Whether the office may list the station's objects.
async fn objects_of(
    store: &dyn Store,
    config: &OfficeConfig,
    station: &FollowedStation,
) -> Diagnosis {
    const WHAT: &str = "objects";
    let layout = config.layout_of(&station.name);
    match store.list(&layout.evidence_folder(), None).await {
        Ok(page) if page.objects.is_empty() => fine(WHAT, format!("{}: none", station.name)),
        Ok(_) => fine(WHAT, format!("{}: they can be listed", station.name)),
        Err(error) => failed(WHAT, &error.into()),
    }
}

/// Who can open what the stations sealed, as far as their logs say and the office has read them.
fn recipients(config: &OfficeConfig) -> Vec<Diagnosis> {
    const WHAT: &str = "recipients";
    let rows = match office::station_rows(config, 0) {
        Ok(rows) => rows,
        Err(error) => return vec![failed(WHAT, &error.into())],
    };
    let known = rows.into_iter().zip(&config.stations);
    let known = known.filter_map(|(row, station)| Some((&station.name, row?.0.recipients?)));
    let (one, more): (Vec<_>, Vec<_>) = known.partition(|(_, recipients)| *recipients == 1);
    let mut found: Vec<_> = one
        .iter()
        .map(|(station, _)| {
            bad(
                WHAT,
                format!(
                    "{station} seals to one recipient alone: if that key is lost, nobody can open its footage"
                ),
                &format!(
                    "Make a second pair (`camdock keygen recipient`), keep it in another place, and add its public key to `recipients` in [seal] of {station}."
                ),
            )
        })
        .collect();
    if found.is_empty() {
        found.push(fine(
            WHAT,
            match more.len() {
                0 => "no station's log has been read so far, so nobody knows".to_owned(),
                stations => format!(
                    "the logs of {stations} of {} stations name two or more",
                    config.stations.len()
                ),
            },
        ));
    }
    found
}

/// Whether stations can have their logs cosigned here, directly.
fn witness(config: &OfficeConfig, runs: bool) -> Option<Diagnosis> {
    config
        .witness_listen
        .map(|listen| answers("witness", listen, "[witness]", runs))
}

/// Whether the pages can be opened, and by whom.
fn pages(config: &OfficeConfig, runs: bool) -> Vec<Diagnosis> {
    const WHAT: &str = "pages";
    let Some(listen) = config.pages.listen else {
        return Vec::new();
    };
    let mut found = Vec::new();
    if let Some(error) = web::tls_problem(&config.pages, &Secrets::from_environment()) {
        found.push(failed(WHAT, &error.into()));
    }
    if config.pages.tokens.is_empty() && config.people.is_none() {
        found.push(bad(
            WHAT,
            "nobody has a token, so nobody can sign in".into(),
            "Make one with `camdock token NAME --role manager`, and enter the line that it prints in [pages] tokens.",
        ));
    }
    if found.is_empty() {
        found.push(answers(WHAT, listen, "[pages]", runs));
    }
    found
}

/// Whether something answers at an address of the running office.
fn answers(what: &'static str, listen: SocketAddr, section: &str, runs: bool) -> Diagnosis {
    if !runs {
        return fine(
            what,
            format!("{listen}; whether it answers is seen once the office runs"),
        );
    }
    let mut asked = listen;
    if asked.ip().is_unspecified() {
        asked.set_ip(match listen {
            SocketAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
            SocketAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
        });
    }
    match TcpStream::connect_timeout(&asked, ANSWERS_WITHIN) {
        Ok(_) => fine(what, format!("{listen} answers")),
        Err(error) => bad(
            what,
            format!("the office runs, and nothing answers at {listen}: {error}"),
            &format!(
                "Restart the office if `listen` in {section} is new; else `journalctl -u camdock-office` says why."
            ),
        ),
    }
}

/// Whether the provider of `[people]` answers and knows this office.
async fn signing_in(people: &PeopleSettings) -> Diagnosis {
    const WHAT: &str = "people";
    match web::check_provider(people, &Secrets::from_environment()).await {
        Ok(keys) => fine(
            WHAT,
            format!(
                "{} knows this office, and signs with {keys} keys",
                people.issuer
            ),
        ),
        Err(error) => failed(WHAT, &error.into()),
    }
}

/// Whether a key desk answers, as far as the office's log and the bucket show: it listens nowhere, so that nobody can ask it.
async fn key_desk(store: &dyn Store, config: &OfficeConfig) -> Diagnosis {
    let index = office::Index::open_read_only(&config.index());
    let asked = index.and_then(|index| index.map_or(Ok(None), |index| index.asked_key()));
    let asked = match asked {
        Ok(Some(asked)) => asked,
        Ok(None) => {
            return advice(
                KEY_DESK,
                "nobody has opened a recording with a key of their own of late, so it is not known whether one answers".into(),
                "Set one up (`camdock office keydesk --help`), confirm somebody's key (`camdock office people confirm`), and have them open a recording.",
            );
        }
        Err(error) => return failed(KEY_DESK, &error.into()),
    };
    let AskedKey {
        entry,
        at,
        person,
        item,
    } = asked;
    let view = format!(
        "{person:?} asked for a recording's key at {at} (entry {entry} of the office's log)"
    );
    let share = config.bucket_layout().share(entry, item);
    let found = match store.head(&share, None).await {
        // AWS forbids what is not there to whoever may not list it.
        Err(UploadError::Refused { status: 403, .. }) => None,
        Err(error) => return failed(KEY_DESK, &error.into()),
        Ok(found) => found,
    };
    let age = jiff::Timestamp::now().duration_since(at);
    if found.is_some() {
        fine(KEY_DESK, format!("{view}, and it was sealed to them"))
    } else if age.unsigned_abs() < office::ANSWERED_WITHIN {
        fine(KEY_DESK, format!("{view}; it is not sealed yet"))
    } else if age > SHARES_LAST {
        advice(
            KEY_DESK,
            format!("{view}; what was sealed then may have been removed since"),
            "Have somebody with a key of their own open a recording, then check again.",
        )
    } else {
        bad(
            KEY_DESK,
            format!("{view}, and nothing was sealed to them"),
            "On the key desk's machine, run `systemctl status camdock-keydesk` and `camdock office keydesk check`; its journal names what it refused, and why.",
        )
    }
}

/// What it means that recordings are opened in browsers.
fn watching(config: &OfficeConfig) -> Option<Diagnosis> {
    config.pages.listen.map(|_| {
        advice(
            "watching",
            "recordings open in the browser with people's own keys where a key desk runs, else with a recipient's private key: whoever holds that can open everything that was sealed to it, of every station and unit, also after leaving"
                .into(),
            "Set up a key desk (`camdock office keydesk --help`). Without one, give such keys to few people, and each key file a password. See \"Watching a recording\" in docs/operations.md.",
        )
    })
}

/// Whether the office runs and takes commands.
fn service(config: &OfficeConfig) -> Diagnosis {
    match std::os::unix::net::UnixStream::connect(socket_path(config)) {
        Ok(_) => fine("service", "the office is running".into()),
        Err(_) => advice(
            "service",
            "no office takes commands here".into(),
            "Run `systemctl enable --now camdock-office.service`, or `camdock office run`; if it runs, ask as root or as camdock-office.",
        ),
    }
}
