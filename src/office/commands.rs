//! The command socket: what people decide about followed logs. A request is one line of JSON, and so is its reply. A decision is
//! an act with name and reason, and takes effect once it is published.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::net::UnixStream;

use super::OfficeError;
use super::acts::Acts;
use super::decisions::{Decisions, DispatchOrder, ItemsOrder, ItemsReply};
use super::pack_orders::{PackOrder, enter_pack};
use super::people::{People, PeopleOrder};
use super::share_orders::{self, ShareCommand};
use super::shares::Shares;
use super::witness::{Witness, WitnessedLog};
use crate::audit::VerifierKey;
use crate::config::OfficeConfig;
use crate::model::{
    CosignedState, Decider, Event, Explain as _, LogClosed, LogReleased, Sha256Digest, StationName,
    check_signature,
};
use crate::web::{
    AddressBook, GapOrder, Invited, OutsiderBook, ShareMade, ShareRow, SignedIn, Socket,
    answer_line,
};

const WITHIN: Duration = Duration::from_secs(30);
/// A reply waits so long for the store.
pub(super) const PUBLISHED_WITHIN: Duration = Duration::from_secs(15);
/// At a time; further ones are turned away.
const CONNECTIONS: usize = 8;

/// What comes over the socket.
#[derive(Deserialize)]
#[serde(untagged)]
enum OfficeRequest {
    Items(ItemsOrder),
    Dispatch(DispatchOrder),
    Log(OfficeOrder),
    Gap(GapCommand),
    Pack(PackOrder),
    People(PeopleOrder),
    Share(ShareCommand),
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OfficeOrder {
    pub station: StationName,
    pub verdict: OfficeVerdict,
    pub operator: String,
    pub reason: String,
}

/// The explanation of a station's gap.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GapCommand {
    pub station: StationName,
    pub gap: String,
    pub operator: String,
    pub reason: String,
}

/// What is decided about a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OfficeVerdict {
    /// The station or its key is retired: nothing may be added any more.
    Close,
    /// A frozen or closed log is believed again.
    Release { from: Option<WhichCheckpoint> },
}

/// One of the two signed checkpoints that contradict each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WhichCheckpoint {
    /// The one that was cosigned.
    Earlier,
    /// The one by which the log was found to be rewritten.
    Later,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OfficeReply {
    Entered {
        index: u64,
        /// It is in the bucket, and so in effect.
        published: bool,
    },
    /// The acts about a court pack, in the order of its items.
    Packed {
        acts: Vec<u64>,
        published: bool,
    },
    /// What became of each item of an order.
    OfItems(ItemsReply),
    SignedIn(Vec<SignedIn>),
    SignedOut {
        sessions: usize,
        index: u64,
    },
    AddressBook(AddressBook),
    Outsiders(OutsiderBook),
    Invited(Invited),
    /// An invitation, which is nothing for the log.
    Withdrawn,
    Shared(ShareMade),
    Shares(Vec<ShareRow>),
    /// With the reason why not.
    Refused(String),
}

pub fn socket_path(config: &OfficeConfig) -> PathBuf {
    config.state_dir.join("commands")
}

struct Desk {
    config: OfficeConfig,
    witness: Arc<Witness>,
    acts: Arc<Acts>,
    decisions: Arc<Decisions>,
    people: People,
    shares: Arc<Shares>,
}

/// Opens the socket.
pub fn open(
    config: &OfficeConfig,
    witness: &Arc<Witness>,
    acts: &Arc<Acts>,
    decisions: &Arc<Decisions>,
    people: People,
    shares: Arc<Shares>,
) -> std::io::Result<Socket> {
    let desk = Arc::new(Desk {
        config: config.clone(),
        witness: Arc::clone(witness),
        acts: Arc::clone(acts),
        decisions: Arc::clone(decisions),
        people,
        shares,
    });
    Socket::open(socket_path(config), CONNECTIONS, move |stream| {
        let desk = Arc::clone(&desk);
        async move {
            if let Ok(Err(error)) = tokio::time::timeout(WITHIN, serve(stream, &desk)).await {
                tracing::debug!(%error, "a command could not be answered");
            }
        }
    })
}

async fn serve(stream: UnixStream, desk: &Desk) -> std::io::Result<()> {
    answer_line(
        stream,
        async |request: Result<OfficeRequest, _>, peer| match request {
            Ok(OfficeRequest::Items(order)) => match desk.decisions.decide_all(&order, &peer).await
            {
                Ok(reply) => OfficeReply::OfItems(reply),
                Err(why) => OfficeReply::Refused(why),
            },
            Ok(OfficeRequest::Dispatch(order)) => {
                match desk.decisions.tag_dispatched(&order, &peer).await {
                    Ok(reply) => OfficeReply::OfItems(reply),
                    Err(why) => OfficeReply::Refused(why),
                }
            }
            Ok(OfficeRequest::Log(order)) => {
                let decided = desk.decide(&order, peer).await;
                decided.unwrap_or_else(OfficeReply::Refused)
            }
            Ok(OfficeRequest::Gap(command)) => {
                let decided = desk.accept_gap(command, peer).await;
                decided.unwrap_or_else(OfficeReply::Refused)
            }
            Ok(OfficeRequest::Pack(order)) => {
                let entered = match check_signature(&order.operator, &order.reason) {
                    Ok(()) => enter_pack(&desk.config, &desk.acts, &order, peer).await,
                    Err(refused) => Err(refused),
                };
                entered.unwrap_or_else(OfficeReply::Refused)
            }
            Ok(OfficeRequest::People(order)) => {
                let answered = desk.people.answer(order, peer).await;
                answered.unwrap_or_else(OfficeReply::Refused)
            }
            Ok(OfficeRequest::Share(command)) => {
                let answered = share_orders::answer(&desk.shares, command, peer).await;
                answered.unwrap_or_else(OfficeReply::Refused)
            }
            Err(error) => OfficeReply::Refused(format!("this is not a request: {error}")),
        },
    )
    .await
}

impl Desk {
    async fn decide(&self, order: &OfficeOrder, peer: String) -> Result<OfficeReply, String> {
        check_signature(&order.operator, &order.reason)?;
        let station = &order.station;
        let mut followed = self.config.stations.iter();
        let followed = followed
            .find(|followed| followed.name == *station)
            .ok_or_else(|| format!("this office follows no station {station}"))?;
        let key = super::station_key(followed).map_err(|e| e.to_string())?;
        let log = self.witness.log(key.name());
        let log = log.ok_or_else(|| format!("no log of {station} is witnessed here"))?;
        let ruled = self.ruled(order.verdict, log, &key)?;
        let kept = |e: OfficeError| format!("the reason cannot be kept: {e}");
        let by = Decider {
            operator: order.operator.trim().to_owned(),
            peer,
            reason_sha256: self.acts.keep_text(order.reason.trim()).map_err(kept)?,
        };
        let (station, key) = (station.clone(), key.to_string());
        let event = match ruled {
            Ruled::Closed(cosigned) => Event::LogClosed(Box::new(LogClosed {
                log: station,
                key,
                cosigned,
                by,
            })),
            Ruled::Released(from, supersedes) => Event::LogReleased(Box::new(LogReleased {
                log: station,
                key,
                from,
                supersedes: self.acts.reference(supersedes),
                by,
            })),
        };
        let entered = self.acts.enter(event).await;
        let index = entered.map_err(|e| format!("it could not be entered in the log: {e}"))?;
        tracing::info!(operator = order.operator, station = %order.station, index, "a person decided about a log");
        let published = self.acts.is_published(index, PUBLISHED_WITHIN).await;
        Ok(OfficeReply::Entered { index, published })
    }

    async fn accept_gap(&self, command: GapCommand, peer: String) -> Result<OfficeReply, String> {
        check_signature(&command.operator, &command.reason)?;
        let order = GapOrder {
            station: command.station,
            gap: command.gap,
            operator: command.operator.trim().to_owned(),
            peer,
            reason: command.reason.trim().to_owned(),
        };
        let decided = self.decisions.accept_gap(order).await;
        let decided = decided.map_err(|e| format!("{}: {}", e.described(), e.next_step()))?;
        Ok(OfficeReply::Entered {
            index: decided.entry,
            published: decided.published,
        })
    }

    /// What the act says, if it can be said of this log now.
    fn ruled(
        &self,
        verdict: OfficeVerdict,
        log: &WitnessedLog,
        key: &VerifierKey,
    ) -> Result<Ruled, String> {
        let ruling = self.acts.ruling(&key.to_string());
        let latest = log.latest().map(|latest| CosignedState {
            size: latest.checkpoint.size,
            root: latest.checkpoint.root,
        });
        let which = match verdict {
            OfficeVerdict::Close => {
                return match ruling.closed {
                    Some(index) => Err(format!("it is closed already, by the act {index}")),
                    None => Ok(Ruled::Closed(latest)),
                };
            }
            OfficeVerdict::Release { from } => from,
        };
        if let Some((index, _)) = ruling.frozen {
            let both = log.contradiction().map_err(|e| e.to_string())?;
            let both = both.ok_or("the contradicting checkpoints are not kept here")?;
            let note = match which {
                Some(WhichCheckpoint::Earlier) => both.earlier,
                Some(WhichCheckpoint::Later) => both.later,
                None => {
                    return Err(format!(
                        "this log was rewritten; say from which checkpoint it is believed, `--from earlier` or `--from later`:\n\n{}\n{}",
                        both.earlier, both.later
                    ));
                }
            };
            let checkpoint = key.open(&note).map_err(|e| e.to_string())?;
            let from = CosignedState {
                size: checkpoint.size,
                root: checkpoint.root,
            };
            return Ok(Ruled::Released(from, ruling.closed.unwrap_or(index)));
        }
        if log.frozen() {
            return Err("the alarm is not in the office's log yet; give the command again".into());
        }
        let closing = ruling.closed.ok_or("it is neither frozen nor closed")?;
        let nothing = CosignedState {
            size: 0,
            root: Sha256Digest::of(b""),
        };
        Ok(Ruled::Released(latest.unwrap_or(nothing), closing))
    }
}

enum Ruled {
    /// With what was cosigned.
    Closed(Option<CosignedState>),
    /// From there; what it supersedes.
    Released(CosignedState, u64),
}
