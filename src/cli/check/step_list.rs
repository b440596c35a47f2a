//! Steps of setting something up: which are done, which one comes next, and the exact command for it.

use std::io::Write;
use std::path::Path;

use serde::Serialize;

use super::diagnosis::Diagnosis;

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
pub struct StepFacts {
    what: &'static str,
    done: bool,
    optional: bool,
    detail: String,
    next: Vec<String>,
}

impl StepFacts {
    pub fn new(
        what: &'static str,
        done: bool,
        detail: impl Into<String>,
        next: Vec<String>,
    ) -> Self {
        Self {
            what,
            done,
            optional: false,
            detail: detail.into(),
            next,
        }
    }

    pub fn optional(self) -> Self {
        Self {
            optional: true,
            ..self
        }
    }

    pub fn later(what: &'static str) -> Self {
        Self::new(what, false, "", Vec::new())
    }
}

/// The commands in `instead` replace the diagnoses' own fixes.
pub fn from_diagnoses(
    what: &'static str,
    diagnoses: &[&Diagnosis],
    instead: &[String],
) -> StepFacts {
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

/// Prints the steps in their order, of which at most one is next; `set_up` is said when none is.
pub fn print_steps(
    out: &mut impl Write,
    known: Vec<StepFacts>,
    set_up: &str,
    json: bool,
) -> anyhow::Result<()> {
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
        writeln!(out, "{set_up}")?;
    }
    Ok(())
}

/// The command line of the program here: as the service's user, with this configuration.
pub struct CommandLine {
    before: String,
    after: String,
    /// The configuration lies where the units look for it.
    pub usual: bool,
}

/// Where a service's unit looks for the configuration, and the user that it runs as.
pub struct CommandPlace {
    pub usual: &'static str,
    pub user: &'static str,
}

impl CommandLine {
    pub fn new(config: &Path, place: &CommandPlace) -> Self {
        let usual = config == Path::new(place.usual);
        let accounts = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
        let user = accounts
            .lines()
            .any(|line| line.split(':').next() == Some(place.user));
        let root = rustix::process::geteuid().is_root();
        Self {
            before: if usual && user && root {
                format!("runuser -u {} -- ", place.user)
            } else {
                String::new()
            },
            after: if usual {
                String::new()
            } else {
                format!(" --config {}", config.display())
            },
            usual,
        }
    }

    pub fn typed(&self, verb: &str) -> String {
        format!("{}camdock {verb}{}", self.before, self.after)
    }
}
