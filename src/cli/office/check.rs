//! `camdock office check`: what the office needs, one check after the other, each finding with its fix.

use crate::audit::VerifierKey;
use crate::cli::Outcome;
use crate::cli::check::diagnosis::{Diagnosis, advice, bad, failed, fine};
use crate::config::{FollowedStation, OfficeConfig};
use crate::office::{self, socket_path};
use crate::sys;
use crate::upload::Store;

const NOTE_MAX: u64 = 64 << 10;

pub fn run(config: &OfficeConfig, warnings: Vec<String>, json: bool) -> anyhow::Result<Outcome> {
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
    found.push(clock());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    match office::open_store(config) {
        Ok(store) => {
            if let Ok(key) = &log_key {
                found.push(runtime.block_on(own_log(&store, config, key)));
            }
            for station in &config.stations {
                found.push(runtime.block_on(log_of(&store, config, station)));
                found.push(runtime.block_on(objects_of(&store, config, station)));
            }
        }
        Err(error) => found.push(failed("store", &error)),
    }
    found.extend(watching(config));
    found.push(service(config));
    let mut out = std::io::stdout().lock();
    for diagnosis in &found {
        diagnosis.print(&mut out, json)?;
    }
    Ok(if found.iter().all(|diagnosis| diagnosis.ok) {
        Outcome::Fine
    } else {
        Outcome::NeedsAttention
    })
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
            "If the station has new keys, see docs/operations.md. Else its key in office.toml is another station's, or somebody else wrote the log: on the station, run `cat /var/lib/camdock/keys/log.pub` and compare.",
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

/// What it means that recordings are opened in browsers.
fn watching(config: &OfficeConfig) -> Option<Diagnosis> {
    config.pages.listen.map(|_| {
        advice(
            "watching",
            "the pages open recordings in the browser with a recipient's private key, which opens everything that was sealed to it"
                .into(),
            "Give such keys to few people, and each key file a password: see \"Watching a recording\" in docs/operations.md.",
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
