//! The command line: one file a verb. Errors become plain text only here and in `station`.
//!
//! Exit codes: 0 fine, 1 verification failed, 2 wrong usage or configuration, 3 needs attention, 4 could not run.

mod audit;
mod bucket;
mod camera;
mod check;
mod confirm;
mod demo;
mod disposals;
mod explain;
mod generate;
mod import;
mod items;
mod keygen;
mod logs;
mod office;
mod open;
mod orders;
mod quarantine;
mod reassign;
mod run;
mod show;
mod status;
mod token;
mod verify;
mod views;

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::config::{Config, DEFAULT_PATH, Loaded};
use crate::model::Explain;

/// Takes the footage of docked body-worn cameras, seals it, stores it and can prove it.
#[derive(Parser)]
#[command(
    name = "camdock",
    version,
    max_term_width = 100,
    after_help = "\
Start here: `camdock demo` runs a whole station on this machine; `camdock check` says what a real one still needs.
Exit codes: 0 fine · 1 verification failed · 2 wrong usage or configuration · 3 needs attention · 4 could not run"
)]
pub struct Cli {
    /// The configuration; roster.toml and profiles/ lie beside it [default: /etc/camdock/camdock.toml; of `camdock office`
    /// /etc/camdock-office/office.toml]
    #[arg(
        long,
        short,
        global = true,
        value_name = "FILE",
        env = "CAMDOCK_CONFIG"
    )]
    config: Option<PathBuf>,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Run the station service
    Run(run::Args),
    /// Check configuration, keys, store, clock and disk, each finding with its fix; leads through the set-up step by step
    Check(check::Args),
    /// Show bays, queues and problems of the running station
    Status(status::Args),
    /// Make key pairs: for recipients of footage, or for a station
    Keygen(keygen::Args),
    /// List evidence, with filters
    Items(items::Args),
    /// Show one item's whole custody, from the camera to the store
    Show(show::Args),
    /// Verify the custody log, its signatures, and every stored item against the store
    Verify(verify::Args),
    /// Find what is missing between cameras, custody log and store, and explain gaps
    Audit(audit::Args),
    /// Read stored footage back on another machine and sign that it is intact: for wiping cameras
    Confirm(confirm::Args),
    /// List the items in quarantine, and decide on them
    Quarantine(quarantine::Args),
    /// Assign items to another officer
    Reassign(reassign::Args),
    /// Take evidence from a disc, a stick or another program's folder into the same custody
    Import(import::Args),
    /// Run the evidence office: follow the stations' logs in the bucket and witness them
    Office(office::Args),
    /// Make a token for the pages
    Token(token::Args),
    /// Open sealed footage with a recipient's private key
    Open(open::Args),
    /// Explain a problem code: what it means and what to do
    Explain(explain::Args),
    /// Run a station and its office on this machine: real S3 server, folder cameras with footage
    Demo(demo::Args),
    /// Write man pages, shell completions and the list of problem codes
    #[command(hide = true)]
    Generate(generate::Args),
    /// Look at docked USB cameras without the service
    #[command(hide = true)]
    Camera(camera::Args),
}

/// The result of a verb, short of an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Fine,
    VerificationFailed,
    NeedsAttention,
}

/// Wrong usage or configuration: exit code 2 instead of 4.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub(crate) struct Usage {
    message: String,
}

pub(crate) fn usage(message: impl Into<String>) -> anyhow::Error {
    Usage {
        message: message.into(),
    }
    .into()
}

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            return ExitCode::from(u8::from(error.use_stderr()) * 2);
        }
    };
    let usual = match &cli.verb {
        Verb::Office(args) => args.usual_config(),
        _ => DEFAULT_PATH,
    };
    let config = cli.config.unwrap_or_else(|| usual.into());
    let done = match cli.verb {
        Verb::Run(args) => run::run(&config, args),
        Verb::Check(args) => check::run(&config, args),
        Verb::Status(args) => status::run(&config, args),
        Verb::Keygen(args) => keygen::run(&config, args),
        Verb::Items(args) => items::run(&config, args),
        Verb::Show(args) => show::run(&config, args),
        Verb::Verify(args) => verify::run(&config, args),
        Verb::Audit(args) => audit::run(&config, args),
        Verb::Confirm(args) => confirm::run(&config, args),
        Verb::Quarantine(args) => quarantine::run(&config, args),
        Verb::Reassign(args) => reassign::run(&config, args),
        Verb::Import(args) => import::run(&config, args),
        Verb::Office(args) => office::run(&config, args),
        Verb::Token(args) => token::run(args),
        Verb::Open(args) => open::run(&config, args),
        Verb::Explain(args) => explain::run(&args),
        Verb::Demo(args) => demo::run(args),
        Verb::Generate(args) => generate::run(args),
        Verb::Camera(args) => camera::run(&config, args),
    };
    match done {
        Ok(Outcome::Fine) => ExitCode::SUCCESS,
        Ok(Outcome::VerificationFailed) => ExitCode::from(1),
        Ok(Outcome::NeedsAttention) => ExitCode::from(3),
        // As a shell reports a program that SIGPIPE ended: quiet, and never the code of a check that passed.
        Err(error) if output_closed(&error) => ExitCode::from(141),
        Err(error) => {
            eprintln!("error: {error:#}");
            if let Some(explained) = explained(&error) {
                eprintln!("next:  {}", explained.next_step());
                eprintln!("more:  camdock explain {}", explained.label());
            }
            ExitCode::from(if is_usage(&error) { 2 } else { 4 })
        }
    }
}

/// Whether the reader of our output has gone, as in `camdock items | head`. Errors of other pipes have a context.
fn output_closed(error: &anyhow::Error) -> bool {
    let mut causes = error.chain();
    let of_output = causes
        .next()
        .is_some_and(|first| first.is::<io::Error>() || first.is::<serde_json::Error>());
    let kind = |cause: &(dyn std::error::Error + 'static)| {
        let io = cause.downcast_ref::<io::Error>().map(io::Error::kind);
        io.or_else(|| cause.downcast_ref::<serde_json::Error>()?.io_error_kind())
    };
    of_output
        && error
            .chain()
            .any(|cause| kind(cause) == Some(io::ErrorKind::BrokenPipe))
}

pub(crate) fn load(path: &Path) -> anyhow::Result<Loaded> {
    Ok(Config::load(path)?)
}

/// For verbs that only read: they work even if the roster or a profile has a mistake.
pub(crate) fn load_config(path: &Path) -> anyhow::Result<Config> {
    Ok(Config::load_alone(path)?)
}

fn is_usage(error: &anyhow::Error) -> bool {
    error
        .chain()
        .any(|e| e.is::<Usage>() || e.is::<crate::config::ConfigError>())
}

/// The first of our own errors in the chain, which knows most about the failed step.
fn explained(error: &anyhow::Error) -> Option<&dyn Explain> {
    fn known<'a, E: Explain + 'static>(
        error: &'a (dyn std::error::Error + 'static),
    ) -> Option<&'a dyn Explain> {
        error.downcast_ref::<E>().map(|error| error as &dyn Explain)
    }
    error.chain().find_map(|error| {
        known::<crate::ingest::IngestError>(error)
            .or_else(|| known::<crate::publish::PublishError>(error))
            .or_else(|| known::<crate::config::ConfigError>(error))
            .or_else(|| known::<crate::upload::UploadError>(error))
            .or_else(|| known::<crate::witnessing::WitnessError>(error))
            .or_else(|| known::<crate::audit::AuditError>(error))
            .or_else(|| known::<crate::seal::SealError>(error))
            .or_else(|| known::<crate::journal::JournalError>(error))
            .or_else(|| known::<crate::durable::DurableError>(error))
            .or_else(|| known::<crate::camera::CameraError>(error))
            .or_else(|| known::<crate::dock::DockError>(error))
            .or_else(|| known::<crate::web::WebError>(error))
            .or_else(|| known::<crate::web::SignInError>(error))
            .or_else(|| known::<crate::office::OfficeError>(error))
            .or_else(|| known::<crate::keydesk::KeyDeskError>(error))
            .or_else(|| known::<crate::disposer::DisposerError>(error))
            .or_else(|| known::<crate::sharereader::ShareReaderError>(error))
            .or_else(|| known::<crate::pack::PackError>(error))
    })
}

pub(crate) fn next_step(error: &anyhow::Error) -> Option<String> {
    explained(error).map(Explain::next_step)
}
