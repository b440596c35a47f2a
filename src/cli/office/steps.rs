//! The steps of setting up an office: which are done, which one comes next, and the exact command for it.

use std::io::Write;
use std::path::Path;

use crate::cli::check::diagnosis::Diagnosis;
use crate::cli::check::step_list::{
    CommandLine, CommandPlace, StepFacts, from_diagnoses, print_steps,
};
use crate::config::{ConfigError, OFFICE_PATH, OfficeConfig};
use crate::model::Explain as _;
use crate::office;

const CONFIGURATION: &str = "configuration";
const AFTER_IT: [&str; 10] = [
    "own keys",
    "store",
    "stations",
    "own log",
    "recipients",
    "witness",
    "pages",
    "key desk",
    "clock",
    "service",
];
const HERE: CommandPlace = CommandPlace {
    usual: OFFICE_PATH,
    user: "camdock-office",
};
const SET_UP: &str = "The office is set up.";

/// The steps of an office whose configuration does not load.
pub fn print_unready(
    out: &mut impl Write,
    path: &Path,
    error: &ConfigError,
    json: bool,
) -> anyhow::Result<()> {
    let next = if path.exists() {
        error.next_step()
    } else {
        format!(
            "write {}: config/office.toml is an example that explains each key",
            path.display()
        )
    };
    let check = CommandLine::new(path, &HERE).typed("office check");
    let first = StepFacts::new(CONFIGURATION, false, error.to_string(), vec![next, check]);
    let mut steps = vec![first];
    steps.extend(AFTER_IT.map(StepFacts::later));
    print_steps(out, steps, SET_UP, json)
}

/// The steps of an office whose configuration loads, judged by the diagnoses.
pub fn print(
    out: &mut impl Write,
    path: &Path,
    config: &OfficeConfig,
    diagnoses: &[Diagnosis],
    json: bool,
) -> anyhow::Result<()> {
    let camdock = CommandLine::new(path, &HERE);
    let found = |what: &[&str]| -> Vec<&Diagnosis> {
        let wanted = diagnoses.iter().filter(|f| what.contains(&f.what));
        wanted.collect()
    };
    let keygen = camdock.typed("office keygen");
    let steps = vec![
        StepFacts::new(
            CONFIGURATION,
            true,
            format!(
                "{}: office {}, bucket {}, {} stations",
                path.display(),
                config.name,
                config.store.bucket,
                config.stations.len()
            ),
            Vec::new(),
        ),
        from_diagnoses("own keys", &found(&["witness key", "log key"]), &[keygen]),
        from_diagnoses(
            "store",
            &found(&["store", "object lock", "store clock"]),
            &[],
        ),
        from_diagnoses("stations", &found(&["station", "objects"]), &[]),
        from_diagnoses("own log", &found(&["own log"]), &[]),
        from_diagnoses("recipients", &found(&["recipients"]), &[]).optional(),
        witness(config, &found(&["witness"])),
        pages(config, &found(&["pages"])),
        key_desk(&found(&["key desk"])),
        advised("clock", &found(&["clock"])),
        service(&camdock, &found(&["service"])),
    ];
    print_steps(out, steps, SET_UP, json)
}

/// Stations ask a witness directly, so they need its address and its key.
fn witness(config: &OfficeConfig, found: &[&Diagnosis]) -> StepFacts {
    const WHAT: &str = "witness";
    if !found.is_empty() {
        return from_diagnoses(WHAT, found, &[]);
    }
    let key = office::witness_public(config).map_or_else(|_| "KEY".to_owned(), |k| k.to_string());
    StepFacts::new(
        WHAT,
        false,
        "stations cannot ask for cosignatures: `listen` in [witness] is empty; their logs are cosigned in the bucket alone",
        vec![
            "write into [witness]: listen = \"127.0.0.1:8485\", and put a proxy with a certificate before it".into(),
            format!("write into the policy file of [witness] in each station's camdock.toml: witness office {key} https://HOST"),
        ],
    )
    .optional()
}

/// Only what was asked of a key desk shows whether it answers.
fn key_desk(found: &[&Diagnosis]) -> StepFacts {
    const WHAT: &str = "key desk";
    match found {
        [] => StepFacts::new(WHAT, true, "of no use without pages", Vec::new()).optional(),
        [one] if one.ok => advised(WHAT, found),
        _ => from_diagnoses(WHAT, found, &[]).optional(),
    }
}

fn pages(config: &OfficeConfig, found: &[&Diagnosis]) -> StepFacts {
    const WHAT: &str = "pages";
    let Some(listen) = config.pages.listen else {
        return StepFacts::new(
            WHAT,
            false,
            "none: `listen` in [pages] is empty",
            vec![
                "write into [pages]: listen = \"127.0.0.1:8486\"; with tls_certificate and tls_key for other machines".into(),
                "camdock token 'M. Shah' --role manager     (write the line that it prints into [pages] tokens)".into(),
            ],
        )
        .optional();
    };
    if found.iter().any(|diagnosis| !diagnosis.ok) {
        return from_diagnoses(WHAT, found, &[]);
    }
    let scheme = if config.pages.tls.is_some() {
        "https"
    } else {
        "http"
    };
    let tokens = config.pages.tokens.len();
    StepFacts::new(
        WHAT,
        true,
        format!("{scheme}://{listen}/ with {tokens} tokens"),
        Vec::new(),
    )
}

/// A step that is done unless a diagnosis has advice.
fn advised(what: &'static str, found: &[&Diagnosis]) -> StepFacts {
    let fixes: Vec<_> = found.iter().filter_map(|f| f.fix.clone()).collect();
    let details: Vec<_> = found.iter().map(|f| f.detail.clone()).collect();
    StepFacts::new(what, fixes.is_empty(), details.join("; "), fixes).optional()
}

fn service(camdock: &CommandLine, found: &[&Diagnosis]) -> StepFacts {
    let running = found.iter().all(|diagnosis| diagnosis.fix.is_none());
    let start = if Path::new("/run/systemd/system").exists() && camdock.usual {
        "systemctl enable --now camdock-office.service".to_owned()
    } else {
        camdock.typed("office run")
    };
    let detail = if running { "runs" } else { "does not run" };
    StepFacts::new(
        "service",
        running,
        detail,
        vec![start, camdock.typed("office status")],
    )
}
