use anyhow::Context as _;
use clap::ValueEnum;

use super::{Outcome, usage};
use crate::web::{hash_of, new_token};

/// Makes a token for the pages. Only its hash goes into the configuration.
#[derive(clap::Args)]
#[command(after_help = "\
  camdock token 'M. Shah' --role evidence
The token is shown once and kept nowhere: hand it to its owner in a way that you trust. To revoke it, remove its line and
reload the station (`systemctl reload camdock`), or restart the office (`systemctl restart camdock-office`).")]
pub struct Args {
    /// The owner's name, which the custody log records with each access
    name: String,
    /// What the token gives access to
    #[arg(long, value_enum)]
    role: RoleName,
}

#[derive(Clone, Copy, ValueEnum)]
enum RoleName {
    /// The officers' page
    Kiosk,
    /// The officers' page, the status and the metrics; at an office, how the stations stand
    Operations,
    /// At an office: everything, for a small force
    Evidence,
    /// At an office: find and watch
    Viewer,
    /// At an office: find, watch and decide
    Manager,
    /// At an office: find, and decide about deletion
    Disposer,
    /// At an office: find, and read what was done
    Auditor,
    /// At an office: the share reader's own
    ShareReader,
}

pub fn run(args: Args) -> anyhow::Result<Outcome> {
    if args.name.trim().is_empty()
        || args.name.len() > 64
        || args.name.chars().any(char::is_control)
    {
        return Err(usage("give a name of at most 64 characters"));
    }
    let role = match args.role {
        RoleName::Kiosk => "kiosk",
        RoleName::Operations => "operations",
        RoleName::Evidence => "evidence",
        RoleName::Viewer => "viewer",
        RoleName::Manager => "manager",
        RoleName::Disposer => "disposer",
        RoleName::Auditor => "auditor",
        RoleName::ShareReader => "share_reader",
    };
    let token = new_token().context("the system gives no randomness")?;
    let name = toml::Value::String(args.name);
    println!("token:  {token}");
    let (file, then) = match args.role {
        RoleName::Kiosk | RoleName::Operations => {
            ("[web] tokens of camdock.toml", "systemctl reload camdock")
        }
        _ => (
            "[pages] tokens of office.toml",
            "systemctl restart camdock-office",
        ),
    };
    println!("Enter in {file}, then `{then}`:");
    println!(
        "    {{ name = {name}, role = \"{role}\", sha256 = \"{}\" }},",
        hash_of(&token)
    );
    Ok(Outcome::Fine)
}
