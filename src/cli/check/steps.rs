//! The steps of setting up a station: which are done, which one comes next, and the exact command for it.

use std::io::Write;
use std::os::unix::net::UnixStream;
use std::path::Path;

use serde::Serialize;

use super::diagnosis::Diagnosis;
use crate::config::{Config, ConfigError, DEFAULT_PATH};
use crate::model::Explain as _;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum StepState {
    Done,
    /// The step to do now.
    Next,
    /// May be done at any time, or left out.
    Optional,
    Later,
}

#[derive(Serialize)]
struct SetupStep {
    #[serde(rename = "step")]
    number: usize,
    what: &'static str,
    state: StepState,
    detail: String,
    /// Commands or tasks, in this order.
    next: Vec<String>,
}

/// A step, before it is decided which one is next.
struct StepFacts {
    what: &'static str,
    done: bool,
    optional: bool,
    detail: String,
    next: Vec<String>,
}

impl StepFacts {
    fn new(what: &'static str, done: bool, detail: impl Into<String>, next: Vec<String>) -> Self {
        Self {
            what,
            done,
            optional: false,
            detail: detail.into(),
            next,
        }
    }

    fn optional(self) -> Self {
        Self {
            optional: true,
            ..self
        }
    }

    fn later(what: &'static str) -> Self {
        Self::new(what, false, "", Vec::new())
    }
}

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
    let camdock = CommandLine::new(path);
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
    write(out, steps, json)
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
    let camdock = CommandLine::new(&config.path);
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
    write(out, steps, json)
}

/// The commands in `instead` replace the diagnoses' own fixes.
fn from_diagnoses(what: &'static str, diagnoses: &[&Diagnosis], instead: &[String]) -> StepFacts {
    let wrong: Vec<&&Diagnosis> = diagnoses.iter().filter(|f| !f.ok).collect();
    let details = if wrong.is_empty() {
        diagnoses
            .iter()
            .map(|f| f.detail.clone())
            .collect::<Vec<_>>()
    } else {
        wrong.iter().map(|f| f.detail.clone()).collect()
    };
    let next = if wrong.is_empty() {
        Vec::new()
    } else if instead.is_empty() || wrong.iter().any(|f| !f.missing) {
        let mut fixes: Vec<_> = wrong.iter().filter_map(|f| f.fix.clone()).collect();
        fixes.dedup();
        fixes
    } else {
        instead.to_vec()
    };
    StepFacts::new(what, wrong.is_empty(), details.join("; "), next)
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

fn write(out: &mut impl Write, known: Vec<StepFacts>, json: bool) -> anyhow::Result<()> {
    let mut waiting = false;
    let mut steps = Vec::new();
    for (number, known) in (1..).zip(known) {
        let state = match &known {
            known if known.done => StepState::Done,
            known if known.optional && !known.next.is_empty() => StepState::Optional,
            _ if waiting => StepState::Later,
            _ => StepState::Next,
        };
        waiting |= state == StepState::Next;
        steps.push(SetupStep {
            number,
            what: known.what,
            state,
            detail: known.detail,
            next: if state == StepState::Done {
                Vec::new()
            } else {
                known.next
            },
        });
    }
    if json {
        for step in &steps {
            writeln!(out, "{}", serde_json::to_string(step)?)?;
        }
        return Ok(());
    }
    writeln!(out, "\nSetting up, step by step:")?;
    for SetupStep {
        number,
        what,
        state,
        detail,
        next,
    } in &steps
    {
        let word = match state {
            StepState::Done => "done",
            StepState::Next => "NEXT",
            StepState::Optional => "open",
            StepState::Later => "later",
        };
        let line = format!(
            "{number:>2}. {word:<5} {what:<14} {}",
            detail.replace('\n', "\n                          ")
        );
        writeln!(out, "{}", line.trim_end())?;
        if matches!(state, StepState::Next | StepState::Optional) {
            for line in next {
                writeln!(out, "          > {line}")?;
            }
        }
    }
    if waiting {
        writeln!(out, "Do the step marked NEXT, then run this check again.")?;
    } else {
        writeln!(out, "The station is set up.")?;
    }
    Ok(())
}

/// The command line of the program here: as the service's user, with this configuration.
struct CommandLine {
    before: &'static str,
    after: String,
    /// The configuration lies where the units look for it.
    usual: bool,
}

impl CommandLine {
    fn new(config: &Path) -> Self {
        let usual = config == Path::new(DEFAULT_PATH);
        let accounts = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
        let user = accounts.lines().any(|line| line.starts_with("camdock:"));
        let root = rustix::process::geteuid().is_root();
        Self {
            before: if usual && user && root {
                "runuser -u camdock -- "
            } else {
                ""
            },
            after: if usual {
                String::new()
            } else {
                format!(" --config {}", config.display())
            },
            usual,
        }
    }

    fn typed(&self, verb: &str) -> String {
        format!("{}camdock {verb}{}", self.before, self.after)
    }
}
