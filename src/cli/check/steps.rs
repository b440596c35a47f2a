//! The steps of setting up a station: which are done, which one comes next, and the exact command for it.

use std::io::Write;
use std::os::unix::net::UnixStream;
use std::path::Path;

use super::diagnosis::Diagnosis;
use super::step_list::{CommandLine, CommandPlace, StepFacts, from_diagnoses, print_steps};
use crate::config::{Config, ConfigError, DEFAULT_PATH};
use crate::model::Explain as _;

const CONFIGURATION: &str = "configuration";
const RECIPIENTS: &str = "recipients";
const AFTER_THOSE: [&str; 6] = [
    "station keys",
    "store",
    "roster",
    "bays",
    "pages",
    "service",
];

const HERE: CommandPlace = CommandPlace {
    usual: DEFAULT_PATH,
    user: "camdock",
};
const SET_UP: &str = "The station is set up.";

/// The steps of a station whose configuration does not load.
pub fn print_unready(
    out: &mut impl Write,
    path: &Path,
    error: &ConfigError,
    json: bool,
) -> anyhow::Result<()> {
    let recipients = match error {
        ConfigError::Several { problems, .. } => problems.iter().all(|e| of_recipients(e, path)),
        one => of_recipients(one, path),
    };
    let camdock = CommandLine::new(path, &HERE);
    let check = camdock.typed("check");
    let mut steps = Vec::new();
    if recipients {
        steps.push(StepFacts::new(
            CONFIGURATION,
            true,
            path.display().to_string(),
            Vec::new(),
        ));
        steps.push(StepFacts::new(
            RECIPIENTS,
            false,
            error.to_string(),
            vec![
                "camdock keygen recipient --out evidence     (on a machine that is not a station, twice: footage needs a second key)".into(),
                format!("copy each .pub.pem beside {} and name it as `recipients` in [seal]", path.display()),
                check,
            ],
        ));
    } else {
        let next = if path.exists() {
            error.next_step()
        } else {
            format!(
                "write {}: config/camdock.toml is an example that explains each key",
                path.display()
            )
        };
        steps.push(StepFacts::new(
            CONFIGURATION,
            false,
            error.to_string(),
            vec![next, check],
        ));
        steps.push(StepFacts::later(RECIPIENTS));
    }
    steps.extend(AFTER_THOSE.map(StepFacts::later));
    print_steps(out, steps, SET_UP, json)
}

/// Whether the error is only about a recipient's key, not about the file that names it.
fn of_recipients(error: &ConfigError, path: &Path) -> bool {
    match error {
        ConfigError::Missing { key, .. } => *key == RECIPIENTS,
        ConfigError::Invalid { key, .. } => key == RECIPIENTS,
        ConfigError::PrivateKey { .. } => true,
        ConfigError::Read { file, .. } => file != path,
        _ => false,
    }
}

/// The steps of a station whose configuration loads, judged by the diagnoses.
pub fn print(
    out: &mut impl Write,
    config: &Config,
    cameras: usize,
    diagnoses: &[Diagnosis],
    json: bool,
) -> anyhow::Result<()> {
    let camdock = CommandLine::new(&config.path, &HERE);
    let found = |what: &[&str]| -> Vec<&Diagnosis> {
        let wanted = diagnoses.iter().filter(|f| what.contains(&f.what));
        wanted.collect()
    };
    let steps = vec![
        StepFacts::new(
            CONFIGURATION,
            true,
            format!(
                "{}: station {}, bucket {}",
                config.path.display(),
                config.station.name,
                config.store.bucket
            ),
            Vec::new(),
        ),
        from_diagnoses(RECIPIENTS, &found(&[RECIPIENTS]), &[]),
        from_diagnoses(
            "station keys",
            &found(&["log key", "wrap key"]),
            &[camdock.typed("keygen station")],
        ),
        from_diagnoses(
            "store",
            &found(&["store", "object lock", "store clock"]),
            &[],
        ),
        roster(config, cameras),
        from_diagnoses(
            "bays",
            &found(&[
                "docked folder",
                "usb",
                "usb nodes",
                "udev rule",
                "mount helper",
                "usb disks",
            ]),
            &[],
        ),
        pages(config),
        service(config, &camdock),
    ];
    print_steps(out, steps, SET_UP, json)
}

fn roster(config: &Config, cameras: usize) -> StepFacts {
    let file = config.roster_file.display();
    StepFacts::new(
        "roster",
        cameras > 0,
        format!("{cameras} cameras in {file}"),
        vec![
            "dock a camera: `camdock status` shows its make and serial".into(),
            format!(
                "write into {file}, below [cameras]: \"MAKE/SERIAL\" = {{ officer = \"BADGE\" }}"
            ),
            "until then everything is taken in quarantine".into(),
        ],
    )
    .optional()
}

fn pages(config: &Config) -> StepFacts {
    let Some(listen) = config.web.listen else {
        return StepFacts::new(
            "pages",
            false,
            "none: `listen` in [web] is empty",
            vec!["write into [web]: listen = \"127.0.0.1:8480\"".into()],
        )
        .optional();
    };
    let scheme = if config.web.tls.is_some() {
        "https"
    } else {
        "http"
    };
    let tokens = config.web.tokens.len();
    StepFacts::new(
        "pages",
        tokens > 0,
        format!("{scheme}://{listen}/ with {tokens} tokens"),
        vec![
            "camdock token 'Desk' --role kiosk     (opens the officers' page from other machines; write the line that it prints into [web] tokens)".into(),
        ],
    )
    .optional()
}

fn service(config: &Config, camdock: &CommandLine) -> StepFacts {
    let running = UnixStream::connect(config.files.status_socket()).is_ok();
    let start = if Path::new("/run/systemd/system").exists() && camdock.usual {
        "systemctl enable --now camdock.service camdock-verify.timer camdock-gaps.timer".to_owned()
    } else {
        camdock.typed("run")
    };
    let detail = if running { "runs" } else { "does not run" };
    StepFacts::new(
        "service",
        running,
        detail,
        vec![start, "camdock status --watch".into()],
    )
}
