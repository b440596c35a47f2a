use std::io::Write as _;
use std::path::Path;

use serde::Serialize;

use super::{Outcome, check_setup};
use crate::audit::{DirSource, VerifierKey};
use crate::config::{Config, ConfigError, Loaded, Secrets};
use crate::station::parts;
use crate::sys;
use crate::upload::{BucketAnswer, Store as _};

/// Checks what the station needs, names the fix for each finding, and leads through setting it up step by step.
#[derive(clap::Args)]
#[command(
    after_help = "Exit code 0: the station can run. 3: something below needs a fix. 2: the configuration is wrong."
)]
pub struct Args {
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
pub(super) struct Finding {
    pub what: &'static str,
    pub ok: bool,
    pub detail: String,
    pub fix: Option<String>,
    /// It is simply not there yet.
    #[serde(skip)]
    pub missing: bool,
}

pub fn run(config: &Path, args: Args) -> anyhow::Result<Outcome> {
    let mut out = std::io::stdout().lock();
    let loaded = Config::load(config).inspect_err(|error| {
        let path = std::path::absolute(config).unwrap_or_else(|_| config.to_owned());
        // Who does not listen any more has the error all the same.
        let _ = check_setup::tell_unready(&mut out, &path, error, args.json);
    });
    let Loaded {
        config,
        roster,
        profiles,
        warnings,
    } = loaded?;
    let mut findings = vec![fine("configuration", config.path.display().to_string())];
    findings.extend(
        warnings
            .into_iter()
            .map(|w| bad("configuration", w, "Edit the configuration file.")),
    );
    findings.push(fine("roster", format!("{} cameras", roster.len())));
    let own = keys(&config, &mut findings);
    folders(&config, &mut findings);
    let numbers = std::fs::read(config.files.bay_numbers()).ok();
    findings.extend(super::check_usb::findings(
        Path::new("/"),
        &config,
        &profiles,
        numbers.as_deref(),
    ));
    findings.extend(super::check_wipe::findings(
        &config,
        &profiles,
        own.as_ref(),
    ));
    clock(&mut findings);
    store(&config, &mut findings);
    let all_ok = findings.iter().all(|f| f.ok);
    for finding in &findings {
        if args.json {
            writeln!(out, "{}", serde_json::to_string(finding)?)?;
        } else {
            writeln!(
                out,
                "{} {:<14} {}",
                if finding.ok { "ok " } else { "!! " },
                finding.what,
                finding.detail
            )?;
            if let Some(fix) = &finding.fix {
                writeln!(out, "                   fix: {fix}")?;
            }
        }
    }
    check_setup::tell(&mut out, &config, roster.len(), &findings, args.json)?;
    Ok(if all_ok {
        Outcome::Fine
    } else {
        Outcome::NeedsAttention
    })
}

pub(super) fn fine(what: &'static str, detail: String) -> Finding {
    Finding {
        what,
        ok: true,
        detail,
        fix: None,
        missing: false,
    }
}

pub(super) fn bad(what: &'static str, detail: String, fix: &str) -> Finding {
    Finding {
        what,
        ok: false,
        detail,
        fix: Some(fix.to_owned()),
        missing: false,
    }
}

fn failed(what: &'static str, error: &anyhow::Error) -> Finding {
    let fix = super::next_step(error).unwrap_or_else(|| "See the message.".into());
    let mut causes = error.chain();
    Finding {
        missing: causes.any(|e| {
            let of_config = e.downcast_ref::<ConfigError>();
            matches!(of_config, Some(ConfigError::SecretMissing { .. }))
        }),
        ..bad(what, format!("{error:#}"), &fix)
    }
}

/// The log's public key, if the private one is there.
fn keys(config: &Config, findings: &mut Vec<Finding>) -> Option<VerifierKey> {
    let secrets = Secrets::from_environment();
    let own =
        parts::log_key(config, &secrets).and_then(|k| Ok(k.verifier(&config.station.log_origin)?));
    findings.push(match &own {
        Ok(key) => fine("log key", key.to_string()),
        Err(error) => failed("log key", error),
    });
    findings.push(match secrets.wrap_key(config) {
        Ok(_) => fine("wrap key", "readable by this user only".into()),
        Err(error) => failed("wrap key", &error.into()),
    });
    findings.push(match parts::recipients(config) {
        Ok(list) => fine(
            "recipients",
            list.iter()
                .map(crate::seal::Recipient::fingerprint)
                .collect::<Vec<_>>()
                .join(", "),
        ),
        Err(error) => failed("recipients", &error),
    });
    let log = DirSource::new(config.files.log_dir());
    if log.path().join("checkpoint").exists() {
        findings.push(fine("custody log", log.path().display().to_string()));
    }
    own.ok()
}

fn folders(config: &Config, findings: &mut Vec<Finding>) {
    for folder in &config.dock.folders {
        let path = folder.path.display();
        findings.push(if folder.path.is_dir() {
            fine("docked folder", path.to_string())
        } else {
            bad(
                "docked folder",
                format!("{path} is missing"),
                "Make it, or correct [dock] folders in camdock.toml.",
            )
        });
    }
    let spool = &config.spool.dir;
    let place = spool.ancestors().find(|dir| dir.is_dir()).unwrap_or(spool);
    findings.push(match rustix::fs::statvfs(place) {
        Ok(stat) => {
            let free = stat.f_bavail.saturating_mul(stat.f_frsize);
            let detail = format!(
                "{} free, {} kept in reserve",
                gigabytes(free),
                gigabytes(config.spool.reserve_bytes)
            );
            if free > config.spool.reserve_bytes {
                fine("spool", detail)
            } else {
                bad(
                    "spool",
                    detail,
                    "Free space on the spool's disk, or lower [spool] reserve_bytes.",
                )
            }
        }
        Err(error) => bad(
            "spool",
            format!("{}: {error}", place.display()),
            "Check the path and its rights.",
        ),
    });
}

/// As disks are sold.
fn gigabytes(bytes: u64) -> String {
    format!("{}.{} GB", bytes / 1_000_000_000, bytes / 100_000_000 % 10)
}

fn clock(findings: &mut Vec<Finding>) {
    let state = sys::clock_state();
    findings.push(if state.synchronised {
        fine("clock", "synchronised".into())
    } else {
        bad(
            "clock",
            "not synchronised; the log says so with each docking".into(),
            "Set up time synchronisation, for example systemd-timesyncd.",
        )
    });
}

fn store(config: &Config, findings: &mut Vec<Finding>) {
    let asked = (|| -> anyhow::Result<_> {
        let store = parts::store(config, &Secrets::from_environment())?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        Ok(runtime.block_on(store.check_bucket())?)
    })();
    let facts = match asked {
        Ok(facts) => facts,
        Err(error) => return findings.push(failed("store", &error)),
    };
    findings.push(fine(
        "store",
        format!("bucket {} answers", config.store.bucket),
    ));
    findings.push(match facts.object_lock {
        BucketAnswer::Yes => fine("object lock", "on".into()),
        BucketAnswer::NotAllowedToAsk => fine(
            "object lock",
            "the credentials may not ask; the first upload will tell".into(),
        ),
        BucketAnswer::No => bad(
            "object lock",
            "off: stored footage could be deleted".into(),
            "Make a new bucket with Object Lock; it cannot be switched on everywhere later.",
        ),
    });
    if let Some(ahead) = facts.clock_ahead.filter(|ahead| ahead.abs() > 60) {
        findings.push(bad(
            "store clock",
            format!("differs from ours by {ahead} s"),
            "Synchronise both clocks; the store refuses requests from about 15 minutes on.",
        ));
    }
}
