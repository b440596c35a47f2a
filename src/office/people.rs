//! Orders about people: who is signed in at the pages, and the end of somebody's sessions.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::acts::Acts;
use super::commands::OfficeReply;
use crate::model::{Event, OperatorAction, is_one_line};
use crate::web::SignIn;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PeopleOrder {
    /// Who is signed in.
    SignedIn,
    /// Ends all sessions of a person.
    SignOut { person: String, operator: String },
}

pub struct People {
    pub acts: Arc<Acts>,
    /// Where nobody signs in by name, there is none.
    pub sign_in: Option<Arc<SignIn>>,
}

impl People {
    pub async fn answer(&self, order: PeopleOrder, peer: String) -> Result<OfficeReply, String> {
        let sign_in = self.sign_in.as_ref();
        let sign_in = sign_in
            .ok_or("nobody signs in by name here: office.toml has no [people] or no pages")?;
        let (person, operator) = match order {
            PeopleOrder::SignedIn => return Ok(OfficeReply::SignedIn(sign_in.signed_in())),
            PeopleOrder::SignOut { person, operator } => (person, operator),
        };
        for name in [&person, &operator] {
            if !is_one_line(name) {
                return Err("a name is empty, too long or not one line".into());
            }
        }
        // At once, whatever becomes of the entry.
        let sessions = sign_in.end_all_of(&person);
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
