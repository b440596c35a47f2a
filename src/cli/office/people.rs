//! `camdock office people`: who is signed in at the pages, and the end of somebody's sessions.

use anyhow::bail;
use clap::Subcommand;

use super::decide::{NO_OFFICE, OTHER_ANSWER};
use crate::cli::Outcome;
use crate::cli::orders::ask;
use crate::config::OfficeConfig;
use crate::model::Escaped;
use crate::office::{OfficeReply, PeopleOrder, socket_path};

#[derive(Subcommand)]
pub enum PeopleVerb {
    /// Who is signed in by name, since when, from where, and with which roles and stations
    Sessions {
        /// One JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// End all sessions of a person at once; close their account at the provider first, or they sign in again
    SignOut {
        /// As `camdock office people sessions` shows it
        person: String,
        /// Your name, for the office's log
        #[arg(long, value_name = "NAME")]
        operator: String,
    },
}

pub fn run(config: &OfficeConfig, verb: PeopleVerb) -> anyhow::Result<Outcome> {
    let (order, json) = match verb {
        PeopleVerb::Sessions { json } => (PeopleOrder::SignedIn, json),
        PeopleVerb::SignOut { person, operator } => {
            (PeopleOrder::SignOut { person, operator }, false)
        }
    };
    match ask(&socket_path(config), &order, NO_OFFICE)? {
        OfficeReply::SignedIn(all) if json => {
            for session in all {
                println!("{}", serde_json::to_string(&session)?);
            }
        }
        OfficeReply::SignedIn(all) => {
            for session in all {
                let stations = match &session.stations {
                    None => "all stations".to_owned(),
                    Some(names) => names
                        .iter()
                        .map(|it| it.as_str())
                        .collect::<Vec<_>>()
                        .join(", "),
                };
                println!(
                    "{:<24} {}  {}  {}  {stations}",
                    Escaped(session.person.as_bytes()).to_string(),
                    session.since,
                    session.peer,
                    session.roles.join(", "),
                );
            }
        }
        OfficeReply::SignedOut { sessions, index } => {
            println!("{sessions} sessions were ended: entry {index} of the office's log");
        }
        OfficeReply::Refused(reason) => bail!("refused: {reason}"),
        _ => bail!(OTHER_ANSWER),
    }
    Ok(Outcome::Fine)
}
