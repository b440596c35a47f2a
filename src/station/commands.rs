//! The command socket: operators' decisions, each entered in the custody log with name, reason and the account that the
//! kernel names. A request is one line of JSON, and so is its reply.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::net::UnixStream;

use crate::audit::GapKind;
use crate::ingest::Shared;
use crate::model::{Event, EvidenceId, Officer, OperatorAction, check_signature};
use crate::web::{Socket, answer_line};

const ACCEPTED: &str = "accepted";
const REJECTED: &str = "rejected";
const WITHIN: Duration = Duration::from_secs(30);
/// At a time; further ones are turned away.
const CONNECTIONS: usize = 8;
const ITEMS_MAX: usize = 10_000;
/// Bytes of a gap's name.
const GAP_MAX: usize = 8192;

/// The decision about each of the items.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "order", rename_all = "snake_case")]
pub enum Order {
    /// It is evidence like any other.
    Accept,
    /// It is not evidence of this force; it stays stored and locked as long as its retention says.
    Reject,
    /// It belongs to another officer than the roster said.
    Reassign { officer: Officer },
    /// The reason explains these gaps of `camdock audit gaps`. No items are named.
    AcceptGaps { gaps: Vec<String> },
}

impl Order {
    const fn action(&self) -> &'static str {
        match self {
            Self::Accept => "quarantine.accept",
            Self::Reject => "quarantine.reject",
            Self::Reassign { .. } => "officer.reassign",
            Self::AcceptGaps { .. } => "gap.accept",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperatorCommand {
    #[serde(flatten)]
    pub order: Order,
    pub evidence: Vec<EvidenceId>,
    pub operator: String,
    pub reason: String,
}

impl OperatorCommand {
    /// The log entry, without the item or the gap that it is about.
    fn action(&self, peer: &str) -> OperatorAction {
        OperatorAction {
            operator: self.operator.trim().to_owned(),
            action: self.order.action().to_owned(),
            evidence: None,
            reason: self.reason.trim().to_owned(),
            officer: None,
            gap: None,
            peer: Some(peer.to_owned()),
        }
    }
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandReply {
    pub done: Vec<EvidenceId>,
    /// Names of gaps.
    #[serde(default)]
    pub accepted: Vec<String>,
    /// The refused ones, each with the reason.
    pub refused: Vec<(Option<EvidenceId>, String)>,
}

impl CommandReply {
    fn refusal(reason: impl Into<String>) -> Self {
        Self {
            refused: vec![(None, reason.into())],
            ..Self::default()
        }
    }
}

/// Opens the socket.
pub fn open(path: PathBuf, shared: Arc<Shared>) -> std::io::Result<Socket> {
    Socket::open(path, CONNECTIONS, move |stream| {
        let shared = Arc::clone(&shared);
        async move {
            let served = tokio::time::timeout(WITHIN, serve(stream, &shared)).await;
            if let Ok(Err(error)) = served {
                tracing::debug!(%error, "a command could not be answered");
            }
        }
    })
}

async fn serve(stream: UnixStream, shared: &Shared) -> std::io::Result<()> {
    answer_line(stream, async |request, peer| match request {
        Ok(command) => tokio::task::block_in_place(|| carry_out(shared, &command, &peer)),
        Err(error) => CommandReply::refusal(format!("this is not a request: {error}")),
    })
    .await
}

/// Enters each decision in the log before the journal: nothing takes effect that the log does not have.
fn carry_out(shared: &Shared, command: &OperatorCommand, peer: &str) -> CommandReply {
    if let Err(refused) = check_signature(&command.operator, &command.reason) {
        return CommandReply::refusal(refused);
    }
    let officer = match &command.order {
        Order::Reassign { officer } => {
            if !officer.is_badge() {
                return CommandReply::refusal("the officer is not a badge id");
            }
            Some(officer)
        }
        Order::AcceptGaps { gaps } => return accept_gaps(shared, command, gaps, peer),
        Order::Accept | Order::Reject => None,
    };
    if command.evidence.is_empty() || command.evidence.len() > ITEMS_MAX {
        return CommandReply::refusal(format!("name 1 to {ITEMS_MAX} items"));
    }
    let mut reply = CommandReply::default();
    for id in &command.evidence {
        match carry_out_one(shared, command, *id, officer, peer) {
            Ok(()) => reply.done.push(*id),
            Err(reason) => reply.refused.push((Some(*id), reason)),
        }
    }
    tracing::info!(
        operator = command.operator,
        peer,
        action = command.order.action(),
        done = reply.done.len(),
        refused = reply.refused.len(),
        "an operator decided"
    );
    reply
}

/// Only the log keeps these; `camdock audit gaps` reads them there.
fn accept_gaps(
    shared: &Shared,
    command: &OperatorCommand,
    gaps: &[String],
    peer: &str,
) -> CommandReply {
    if gaps.is_empty() || gaps.len() > ITEMS_MAX || !command.evidence.is_empty() {
        return CommandReply::refusal(format!("name 1 to {ITEMS_MAX} gaps"));
    }
    let mut reply = CommandReply::default();
    for gap in gaps {
        // A name has a kind and something after it: a pattern that covers a whole kind would explain gaps nobody looked at.
        let kind = gap
            .split_once(':')
            .map(|(kind, rest)| (kind, !matches!(rest, "" | "*")));
        let fine = gap.len() <= GAP_MAX && !gap.chars().any(char::is_control);
        if !fine || !kind.is_some_and(|(kind, more)| more && GapKind::EXPLAINED.contains(&kind)) {
            let kinds = GapKind::EXPLAINED.join(":…, ");
            let reason = format!(
                "{gap:?} is not the name of a gap that can be explained ({kinds}:…); copy it from `camdock audit gaps`"
            );
            reply.refused.push((None, reason));
            continue;
        }
        let action = OperatorAction {
            gap: Some(gap.clone()),
            ..command.action(peer)
        };
        match shared.log_event(None, Event::OperatorAction(action)) {
            Ok(_) => reply.accepted.push(gap.clone()),
            Err(e) => {
                let reason = format!("{gap} could not be entered in the custody log: {e}");
                reply.refused.push((None, reason));
            }
        }
    }
    reply
}

fn carry_out_one(
    shared: &Shared,
    command: &OperatorCommand,
    id: EvidenceId,
    officer: Option<&Officer>,
    peer: &str,
) -> Result<(), String> {
    let journal = &shared.journal;
    let item = journal.found(id).map_err(|e| e.to_string())?;
    let item = item.ok_or("there is no such item")?;
    match &command.order {
        Order::Accept | Order::Reject if item.quarantine.is_none() => {
            return Err("it is not in quarantine".into());
        }
        Order::Accept if item.decision.as_deref() == Some(ACCEPTED) => {
            return Err("it is decided already: accepted".into());
        }
        Order::Reject if item.decision.as_deref() == Some(REJECTED) => {
            return Err("it is decided already: rejected".into());
        }
        Order::Reassign { officer } if item.officer.as_ref() == Some(officer) => {
            return Err(format!("it belongs to {officer} already"));
        }
        _ => {}
    }
    let action = OperatorAction {
        evidence: Some(id),
        officer: officer.cloned(),
        ..command.action(peer)
    };
    let logged = shared.log_event(Some(item.session), Event::OperatorAction(action));
    logged.map_err(|e| format!("it could not be entered in the custody log: {e}"))?;
    let done = match &command.order {
        Order::Accept => journal.decide(id, ACCEPTED),
        Order::Reject => journal.decide(id, REJECTED),
        Order::Reassign { officer } => journal.reassign(id, officer),
        Order::AcceptGaps { .. } => return Err("it is not about items".into()),
    };
    match done {
        Ok(true) => Ok(()),
        Ok(false) => Err("it vanished meanwhile".into()),
        Err(error) => Err(format!(
            "it is in the log, but the journal does not take it: {error}; give the command again"
        )),
    }
}
