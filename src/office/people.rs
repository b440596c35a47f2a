//! Orders about people: who is signed in at the pages, the end of somebody's sessions, and whose key is whose.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::OfficeError;
use super::acts::Acts;
use super::commands::OfficeReply;
use super::outsiders::Outsiders;
use super::person_keys::PersonKeys;
use crate::model::{Event, Explain as _, OperatorAction, check_signature, is_one_line};
use crate::web::{
    Decided, InvitationOrder, KeyOrder, KeyVerdict, OutsiderOrder, OutsiderVerdict, SignIn,
};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PeopleOrder {
    /// Who is signed in.
    SignedIn,
    /// Ends all sessions of a person.
    SignOut { person: String, operator: String },
    /// The address book, and who waits to be in it.
    AddressBook,
    /// Who outside was invited, and who may be shared with.
    Outsiders,
    /// A link for somebody outside.
    Invite {
        name: String,
        hours: u32,
        operator: String,
    },
    /// A decision about a key from outside.
    Outsider {
        verdict: OutsiderVerdict,
        operator: String,
        reason: String,
    },
    /// A decision about a person's key.
    Key {
        person: String,
        verdict: KeyVerdict,
        operator: String,
        reason: String,
    },
}

pub struct People {
    pub acts: Arc<Acts>,
    pub keys: Arc<PersonKeys>,
    pub outsiders: Arc<Outsiders>,
    /// Where nobody signs in by name, there is none.
    pub sign_in: Option<Arc<SignIn>>,
}

impl People {
    pub async fn answer(&self, order: PeopleOrder, peer: String) -> Result<OfficeReply, String> {
        match order {
            PeopleOrder::SignedIn => Ok(OfficeReply::SignedIn(self.sign_in()?.signed_in())),
            PeopleOrder::SignOut { person, operator } => {
                self.sign_out(person, operator, peer).await
            }
            PeopleOrder::AddressBook => Ok(OfficeReply::AddressBook(self.keys.book())),
            PeopleOrder::Outsiders => Ok(OfficeReply::Outsiders(self.outsiders.book())),
            PeopleOrder::Invite {
                name,
                hours,
                operator,
            } => {
                if !is_one_line(&operator) {
                    return Err("the operator is empty, too long or not one line".into());
                }
                let order = InvitationOrder {
                    name,
                    hours,
                    operator: operator.trim().to_owned(),
                };
                let invited = tokio::task::block_in_place(|| self.outsiders.invite(order));
                invited.map(OfficeReply::Invited).map_err(words)
            }
            PeopleOrder::Outsider {
                verdict,
                operator,
                reason,
            } => {
                check_signature(&operator, &reason)?;
                let order = OutsiderOrder {
                    verdict,
                    operator: operator.trim().to_owned(),
                    peer,
                    reason: reason.trim().to_owned(),
                };
                match self.outsiders.decide(order).await.map_err(words)? {
                    None => Ok(OfficeReply::Withdrawn),
                    Some(decided) => Ok(OfficeReply::Entered {
                        index: decided.entry,
                        published: decided.published,
                    }),
                }
            }
            PeopleOrder::Key {
                person,
                verdict,
                operator,
                reason,
            } => {
                check_signature(&operator, &reason)?;
                let order = KeyOrder {
                    person,
                    verdict,
                    operator: operator.trim().to_owned(),
                    peer,
                    reason: reason.trim().to_owned(),
                };
                let decided = self.keys.decide(order).await;
                let Decided {
                    entry, published, ..
                } = decided.map_err(words)?;
                Ok(OfficeReply::Entered {
                    index: entry,
                    published,
                })
            }
        }
    }

    fn sign_in(&self) -> Result<&SignIn, String> {
        let none =
            "nobody signs in by name here: office.toml has no [people], or its pages do not listen";
        self.sign_in.as_deref().ok_or_else(|| none.to_owned())
    }

    async fn sign_out(
        &self,
        person: String,
        operator: String,
        peer: String,
    ) -> Result<OfficeReply, String> {
        for name in [&person, &operator] {
            if !is_one_line(name) {
                return Err("a name is empty, too long or not one line".into());
            }
        }
        // At once, whatever becomes of the entry.
        let sessions = self.sign_in()?.end_all_of(&person);
        let ended = OperatorAction {
            operator,
            action: "person.signed_out".into(),
            evidence: None,
            reason: format!("{sessions} sessions of {person:?} were ended"),
            officer: None,
            gap: None,
            peer: Some(peer),
        };
        let entered = self.acts.enter(Event::OperatorAction(ended)).await;
        let index = entered.map_err(|e| {
            format!("{sessions} sessions were ended, and that could not be entered in the log: {e}")
        })?;
        Ok(OfficeReply::SignedOut { sessions, index })
    }
}

/// For whoever gave the order.
fn words(error: OfficeError) -> String {
    format!("{}: {}", error.described(), error.next_step())
}
