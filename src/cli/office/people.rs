//! `camdock office people`: who is signed in at the pages, and whose key is whose.

use anyhow::bail;
use clap::Subcommand;
use jiff::Timestamp;

use super::decide::{NO_OFFICE, OTHER_ANSWER};
use super::outside;
use crate::cli::Outcome;
use crate::cli::orders::{OrderSignature, ask};
use crate::config::OfficeConfig;
use crate::model::{Escaped, StationName, fingerprint_words};
use crate::office::{OfficeReply, PeopleOrder, socket_path};
use crate::web::{AddressBook, KeyVerdict, OutsiderVerdict};

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
    /// Make a link by which somebody outside makes a key of their own; it can be used once
    Invite {
        /// The person it is for
        name: String,
        /// How long it lasts
        #[arg(long, value_name = "HOURS", default_value_t = 72, value_parser = clap::value_parser!(u32).range(1..=336))]
        hours: u32,
        /// Your name: the page behind the link shows it
        #[arg(long, value_name = "NAME")]
        operator: String,
    },
    /// Recipients outside: who was invited, and who may be shared with until when
    Outside {
        /// One JSON object
        #[arg(long)]
        json: bool,
    },
    /// Confirm the key that came by an invitation, by the eight words that its owner read out on the telephone
    Admit {
        /// The invitation's number, as `camdock office people outside` shows it
        invitation: String,
        /// The eight words of the key's fingerprint
        #[arg(long)]
        words: String,
        /// The last day (UTC, inclusive) or the time until which recordings may be shared with them
        #[arg(long, value_name = "DATE", value_parser = super::share::until)]
        until: Timestamp,
        #[command(flatten)]
        signature: OrderSignature,
    },
    /// Withdraw an invitation, with whatever came by it
    Withdraw {
        /// The invitation's number
        invitation: String,
        #[command(flatten)]
        signature: OrderSignature,
    },
    /// Remove the key of somebody outside: nothing is shared with it any more
    Dismiss {
        /// The fingerprint of the key, as `camdock office people outside --json` shows it
        fingerprint: String,
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
        PeopleVerb::Invite {
            name,
            hours,
            operator,
        } => {
            let order = PeopleOrder::Invite {
                name,
                hours,
                operator,
            };
            (order, false)
        }
        PeopleVerb::Outside { json } => (PeopleOrder::Outsiders, json),
        PeopleVerb::Admit {
            invitation,
            words,
            until,
            signature,
        } => {
            let verdict = OutsiderVerdict::Admit {
                number: invitation,
                words,
                until,
            };
            (outsider_order(verdict, signature), false)
        }
        PeopleVerb::Withdraw {
            invitation,
            signature,
        } => {
            let verdict = OutsiderVerdict::Withdraw { number: invitation };
            (outsider_order(verdict, signature), false)
        }
        PeopleVerb::Dismiss {
            fingerprint,
            signature,
        } => {
            let verdict = OutsiderVerdict::Remove { fingerprint };
            (outsider_order(verdict, signature), false)
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
        OfficeReply::Outsiders(book) if json => println!("{}", serde_json::to_string(&book)?),
        OfficeReply::Outsiders(book) => outside::print(&book),
        OfficeReply::Invited(invited) => {
            println!(
                "invitation {}, until {}: send this link to that person alone, below the address of the office's pages:",
                invited.number, invited.ends
            );
            println!("{}", invited.path);
        }
        OfficeReply::Withdrawn => println!("the invitation was withdrawn"),
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

fn outsider_order(verdict: OutsiderVerdict, signature: OrderSignature) -> PeopleOrder {
    PeopleOrder::Outsider {
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
