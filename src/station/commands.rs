//! The command socket: what an operator decides, entered in the custody log with name, reason and the kernel's word on who
//! asked. Each line is a request in JSON, each answer a line.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};

use super::status;
use crate::audit::GapKind;
use crate::ingest::Shared;
use crate::model::{Event, EvidenceId, Officer, OperatorAction};

const LINE_MAX: u64 = 1 << 20;
const WITHIN: Duration = Duration::from_secs(30);
const AT_ONCE: usize = 8;
const WORDS_MAX: usize = 500;
const ITEMS_MAX: usize = 10_000;
/// Bytes of a gap's name.
const GAP_MAX: usize = 8192;

/// What is to be done with each of the items.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "order", rename_all = "snake_case")]
pub enum Order {
    /// It is evidence like any other.
    Accept,
    /// It is not evidence of this force; it stays stored and locked as long as its retention says.
    Reject,
    /// It belongs to another officer than the roster said.
    Reassign { officer: Officer },
    /// These gaps of `camdock audit gaps` are explained by the reason; not about items.
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
pub struct Request {
    #[serde(flatten)]
    pub order: Order,
    pub evidence: Vec<EvidenceId>,
    pub operator: String,
    pub reason: String,
}

impl Request {
    /// What the log says of it, but for what it is about.
    fn by(&self, peer: &str) -> OperatorAction {
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
pub struct Answer {
    pub done: Vec<EvidenceId>,
    /// Names of gaps.
    #[serde(default)]
    pub accepted: Vec<String>,
    /// With the reason why not.
    pub refused: Vec<(Option<EvidenceId>, String)>,
}

impl Answer {
    fn refusal(reason: impl Into<String>) -> Self {
        Self {
            refused: vec![(None, reason.into())],
            ..Self::default()
        }
    }
}

/// Listens; open to the service's user and group only.
pub fn listen(path: &Path) -> anyhow::Result<UnixListener> {
    status::listen(path)
}

/// Serves until the task is dropped.
pub async fn serve(listener: UnixListener, shared: Arc<Shared>) {
    let places = Arc::new(tokio::sync::Semaphore::new(AT_ONCE));
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_millis(200)).await;
            continue;
        };
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
            continue;
        };
        let shared = Arc::clone(&shared);
        tokio::spawn(async move {
            let _place = place;
            let served = tokio::time::timeout(WITHIN, one(stream, &shared)).await;
            if let Ok(Err(error)) = served {
                tracing::debug!(%error, "a command could not be answered");
            }
        });
    }
}

async fn one(mut stream: UnixStream, shared: &Shared) -> anyhow::Result<()> {
    let credentials = stream.peer_cred()?;
    let peer = peer(credentials.uid());
    let mut line = String::new();
    let (from, mut to) = stream.split();
    BufReader::new(from.take(LINE_MAX))
        .read_line(&mut line)
        .await?;
    let answer = match serde_json::from_str::<Request>(&line) {
        Ok(request) => tokio::task::block_in_place(|| carry_out(shared, &request, &peer)),
        Err(error) => Answer::refusal(format!("this is not a request: {error}")),
    };
    let mut line = serde_json::to_vec(&answer)?;
    line.push(b'\n');
    to.write_all(&line).await?;
    Ok(())
}

/// What the kernel says of the asking process: not what it says of itself.
fn peer(uid: u32) -> String {
    let accounts = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let name = accounts.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(uid)).then_some(name)
    });
    name.map_or_else(
        || format!("uid {uid}"),
        |name| format!("uid {uid} ({name})"),
    )
}

/// First the log, then the journal: nothing takes effect that is not entered.
fn carry_out(shared: &Shared, request: &Request, peer: &str) -> Answer {
    for (what, words) in [("operator", &request.operator), ("reason", &request.reason)] {
        let count = words.trim().chars().count();
        if count == 0 || count > WORDS_MAX || words.chars().any(char::is_control) {
            return Answer::refusal(format!("the {what} is empty, too long or not one line"));
        }
    }
    let officer = match &request.order {
        Order::Reassign { officer } => {
            let fine = (1..=64).contains(&officer.0.chars().count())
                && !officer
                    .0
                    .chars()
                    .any(|c| c.is_control() || c.is_whitespace());
            if !fine {
                return Answer::refusal("the officer is not a badge id");
            }
            Some(officer)
        }
        Order::AcceptGaps { gaps } => return accept_gaps(shared, request, gaps, peer),
        Order::Accept | Order::Reject => None,
    };
    if request.evidence.is_empty() || request.evidence.len() > ITEMS_MAX {
        return Answer::refusal(format!("name 1 to {ITEMS_MAX} items"));
    }
    let mut answer = Answer::default();
    for id in &request.evidence {
        match carry_out_one(shared, request, *id, officer, peer) {
            Ok(()) => answer.done.push(*id),
            Err(reason) => answer.refused.push((Some(*id), reason)),
        }
    }
    tracing::info!(
        operator = request.operator,
        peer,
        action = request.order.action(),
        done = answer.done.len(),
        refused = answer.refused.len(),
        "an operator decided"
    );
    answer
}

/// Only the log remembers these: `camdock audit gaps` reads them there.
fn accept_gaps(shared: &Shared, request: &Request, gaps: &[String], peer: &str) -> Answer {
    if gaps.is_empty() || gaps.len() > ITEMS_MAX || !request.evidence.is_empty() {
        return Answer::refusal(format!("name 1 to {ITEMS_MAX} gaps"));
    }
    let mut answer = Answer::default();
    for gap in gaps {
        // As a gap is named; a beginning that explains everything explains nothing.
        let kind = gap
            .split_once(':')
            .map(|(kind, rest)| (kind, !matches!(rest, "" | "*")));
        let fine = gap.len() <= GAP_MAX && !gap.chars().any(char::is_control);
        if !fine || !kind.is_some_and(|(kind, more)| more && GapKind::EXPLAINED.contains(&kind)) {
            let kinds = GapKind::EXPLAINED.join(":…, ");
            let reason = format!(
                "{gap:?} is not the name of a gap that can be explained ({kinds}:…); copy it from `camdock audit gaps`"
            );
            answer.refused.push((None, reason));
            continue;
        }
        let action = OperatorAction {
            gap: Some(gap.clone()),
            ..request.by(peer)
        };
        match shared.log_event(None, Event::OperatorAction(action)) {
            Ok(_) => answer.accepted.push(gap.clone()),
            Err(e) => {
                let reason = format!("{gap} could not be entered in the custody log: {e}");
                answer.refused.push((None, reason));
            }
        }
    }
    answer
}

fn carry_out_one(
    shared: &Shared,
    request: &Request,
    id: EvidenceId,
    officer: Option<&Officer>,
    peer: &str,
) -> Result<(), String> {
    let journal = &shared.journal;
    let item = journal.found(id).map_err(|e| e.to_string())?;
    let item = item.ok_or("there is no such item")?;
    match &request.order {
        Order::Accept | Order::Reject if item.quarantine.is_none() => {
            return Err("it is not in quarantine".into());
        }
        Order::Reassign { officer } if item.officer.as_ref() == Some(officer) => {
            return Err(format!("it belongs to {officer} already"));
        }
        _ => {}
    }
    let action = OperatorAction {
        evidence: Some(id),
        officer: officer.cloned(),
        ..request.by(peer)
    };
    let logged = shared.log_event(Some(item.session), Event::OperatorAction(action));
    logged.map_err(|e| format!("it could not be entered in the custody log: {e}"))?;
    let done = match &request.order {
        Order::Accept => journal.decide(id, "accepted"),
        Order::Reject => journal.decide(id, "rejected"),
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
