//! `camdock office people`: who is signed in at the pages, and whose key is whose.

use anyhow::bail;
use clap::Subcommand;

use super::decide::{NO_OFFICE, OTHER_ANSWER};
use crate::cli::Outcome;
use crate::cli::orders::{OrderSignature, ask};
use crate::config::OfficeConfig;
use crate::model::{Escaped, StationName, fingerprint_words};
use crate::office::{OfficeReply, PeopleOrder, socket_path};
use crate::web::{AddressBook, KeyVerdict};

#[derive(Subcommand)]
pub enum PeopleVerb {
    /// Who is signed in by name, since when, from where, and with which roles and stations
    Sessions {
        /// One JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// The address book: who has a confirmed key of their own, and who waits for that
    List {
        /// One JSON object
        #[arg(long)]
        json: bool,
    },
    /// Confirm that the key that waits is this person's, by the eight words that they said in person or by telephone
    Confirm {
        person: String,
        /// The eight words of the key's fingerprint
        #[arg(long)]
        words: String,
        #[command(flatten)]
        signature: OrderSignature,
    },
    /// Remove a person's key from the address book: nothing is sealed to it any more
    Remove {
        person: String,
        #[command(flatten)]
        signature: OrderSignature,
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
        PeopleVerb::List { json } => (PeopleOrder::AddressBook, json),
        PeopleVerb::Confirm {
            person,
            words,
            signature,
        } => {
            let verdict = KeyVerdict::Confirm { words };
            (key_order(person, verdict, signature), false)
        }
        PeopleVerb::Remove { person, signature } => {
            (key_order(person, KeyVerdict::Remove, signature), false)
        }
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
        OfficeReply::SignedIn(all) if all.is_empty() => println!("nobody is signed in"),
        OfficeReply::SignedIn(all) => {
            for session in all {
                let stations = named(session.stations.as_deref());
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
        OfficeReply::AddressBook(book) if json => println!("{}", serde_json::to_string(&book)?),
        OfficeReply::AddressBook(book) => print(&book),
        OfficeReply::Entered { index, published } => {
            let until = if published {
                ""
            } else {
                "; it takes effect once the store has it"
            };
            println!("entry {index} of the office's log{until}");
            if !published {
                return Ok(Outcome::NeedsAttention);
            }
        }
        OfficeReply::Refused(reason) => bail!("refused: {reason}"),
        _ => bail!(OTHER_ANSWER),
    }
    Ok(Outcome::Fine)
}

fn key_order(person: String, verdict: KeyVerdict, signature: OrderSignature) -> PeopleOrder {
    PeopleOrder::Key {
        person,
        verdict,
        operator: signature.operator,
        reason: signature.reason,
    }
}

fn named(stations: Option<&[StationName]>) -> String {
    match stations {
        None => "all stations".to_owned(),
        Some(names) => {
            let names: Vec<_> = names.iter().map(StationName::as_str).collect();
            names.join(", ")
        }
    }
}

fn print(book: &AddressBook) {
    let name = |person: &str| Escaped(person.as_bytes()).to_string();
    if book.holders.is_empty() && book.waiting.is_empty() {
        println!("nobody has a key of their own; people make theirs on the page /keys");
    }
    for holder in &book.holders {
        let until = if holder.published {
            ""
        } else {
            ", not published yet"
        };
        println!(
            "{:<24} {}  {}  {}  (entry {}{until})",
            name(&holder.person),
            fingerprint_words(&holder.fingerprint).unwrap_or_default(),
            holder.roles.join(", "),
            named(holder.stations.as_deref()),
            holder.entry
        );
    }
    for waiting in &book.waiting {
        println!(
            "{:<24} waits to be confirmed since {}, sent from {}; {}  {}",
            name(&waiting.person),
            waiting.at,
            waiting.peer,
            waiting.roles.join(", "),
            named(waiting.stations.as_deref())
        );
    }
}
