//! Recipients outside: invitations and what came by them wait here; who was confirmed is in the office's log. A key comes in by an
//! invitation alone, and counts once somebody has compared its words on the telephone.

use std::path::PathBuf;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex as SyncMutex;
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;

use super::OfficeError;
use super::acts::Acts;
use super::commands::PUBLISHED_WITHIN;
use super::person_keys::read_key;
use crate::config::OfficeConfig;
use crate::durable;
use crate::model::{
    Decider, Event, Outside, PersonAdded, PersonRemoved, Sha256Digest, are_words_of, is_one_line,
};
use crate::web::{
    Decided, Invitation, InvitationFacts, InvitationOrder, Invited, OutsideRecipient, OutsiderBook,
    OutsiderKey, OutsiderOrder, OutsiderVerdict, SentKey, hash_of, random_secret,
};

const HOURS_MAX: u32 = 14 * 24;
/// What came by a link waits so long to be confirmed.
const SENT_LASTS: SignedDuration = SignedDuration::from_hours(30 * 24);
/// Beyond these, no further one is made.
const INVITATIONS_MAX: usize = 500;

pub struct Outsiders {
    office: String,
    file: PathBuf,
    acts: Arc<Acts>,
    invitations: SyncMutex<Vec<Kept>>,
    /// One decision at a time, so that two that are equal are one act.
    turn: Mutex<()>,
}

/// An invitation as it is kept: of its secret there is the digest alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Kept {
    secret_sha256: Sha256Digest,
    #[serde(flatten)]
    invitation: Invitation,
    /// PEM.
    key: Option<String>,
}

impl Kept {
    fn is_over(&self, now: Timestamp) -> bool {
        match &self.invitation.sent {
            None => now >= self.invitation.ends,
            Some(sent) => now.duration_since(sent.at) >= SENT_LASTS,
        }
    }
}

impl Outsiders {
    /// A file that is missing or unreadable means that people are invited again.
    pub fn open(config: &OfficeConfig, acts: &Arc<Acts>) -> Self {
        let file = config.state_dir.join("invitations.json");
        let saved = std::fs::read(&file).ok();
        let kept = saved.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        Self {
            office: config.name.to_string(),
            file,
            acts: Arc::clone(acts),
            invitations: SyncMutex::new(kept.unwrap_or_default()),
            turn: Mutex::new(()),
        }
    }

    pub fn book(&self) -> OutsiderBook {
        let now = Timestamp::now();
        let invitations = self.invitations.lock();
        let open = invitations.iter().filter(|kept| !kept.is_over(now));
        let recipients = self.acts.outsiders().into_iter();
        OutsiderBook {
            invitations: open.map(|kept| kept.invitation.clone()).collect(),
            recipients: recipients
                .filter_map(|(entry, act, published)| {
                    let outside = act.outside?;
                    Some(OutsideRecipient {
                        name: act.person,
                        organisation: outside.organisation,
                        fingerprint: act.fingerprint,
                        from: outside.from,
                        until: outside.until,
                        by: act.by.operator,
                        entry,
                        published,
                    })
                })
                .collect(),
        }
    }

    /// Makes a link for one key. Blocks.
    pub fn invite(&self, order: InvitationOrder) -> Result<Invited, OfficeError> {
        let name = order.name.trim();
        if !is_one_line(name) || order.hours == 0 || order.hours > HOURS_MAX {
            let what = "an invitation names somebody in one line, and lasts 1 to 336 hours";
            return Err(OfficeError::OutsiderUnfit { what });
        }
        let secret = random_secret().ok_or(OfficeError::NoRandomness)?;
        let secret_sha256 = hash_of(&secret);
        let now = Timestamp::now();
        let lasts = SignedDuration::from_hours(i64::from(order.hours));
        let invitation = Invitation {
            number: secret_sha256.to_string()[..12].to_owned(),
            name: name.to_owned(),
            by: order.operator,
            at: now,
            ends: now.saturating_add(lasts).unwrap_or(now),
            sent: None,
        };
        let invited = Invited {
            number: invitation.number.clone(),
            path: format!("/enrol#{secret}"),
            ends: invitation.ends,
        };
        let mut invitations = self.invitations.lock();
        let mut new = invitations.clone();
        new.retain(|kept| !kept.is_over(now));
        if new.len() >= INVITATIONS_MAX {
            let what = "500 invitations are open; withdraw some";
            return Err(OfficeError::OutsiderUnfit { what });
        }
        new.push(Kept {
            secret_sha256,
            invitation,
            key: None,
        });
        self.save(&mut invitations, new)?;
        Ok(invited)
    }

    /// What an unused link is for.
    pub fn invitation(&self, secret: &str) -> Result<InvitationFacts, OfficeError> {
        let invitations = self.invitations.lock();
        let kept = unused(&invitations, secret).ok_or(OfficeError::NoInvitation)?;
        let Invitation { name, by, ends, .. } = invitations[kept].invitation.clone();
        Ok(InvitationFacts {
            office: self.office.clone(),
            name,
            by,
            ends,
        })
    }

    /// Keeps a key until it is confirmed; its link is used up. Blocks.
    pub fn enrol(&self, sent: OutsiderKey) -> Result<(), OfficeError> {
        let mut invitations = self.invitations.lock();
        let place = unused(&invitations, &sent.secret).ok_or(OfficeError::NoInvitation)?;
        let [name, organisation] = [sent.name.trim(), sent.organisation.trim()];
        if !is_one_line(name) || !is_one_line(organisation) {
            let what = "the name or the organisation is empty, too long or not one line";
            return Err(OfficeError::OutsiderUnfit { what });
        }
        // As we write it: nothing that stood around it is kept.
        let (key, _) = read_key(&sent.key)?;
        let mut new = invitations.clone();
        new[place].key = Some(key);
        new[place].invitation.sent = Some(SentKey {
            name: name.to_owned(),
            organisation: organisation.to_owned(),
            peer: sent.peer,
            at: Timestamp::now(),
        });
        self.save(&mut invitations, new)
    }

    fn save(&self, kept: &mut Vec<Kept>, new: Vec<Kept>) -> Result<(), OfficeError> {
        let bytes = serde_json::to_vec(&new).unwrap_or_default();
        durable::write_atomic(&self.file, &bytes)?;
        *kept = new;
        Ok(())
    }

    fn drop_invitation(&self, number: &str) -> Result<(), OfficeError> {
        tokio::task::block_in_place(|| {
            let mut invitations = self.invitations.lock();
            let mut new = invitations.clone();
            new.retain(|kept| kept.invitation.number != number);
            if new.len() == invitations.len() {
                return Err(OfficeError::NoInvitation);
            }
            self.save(&mut invitations, new)
        })
    }

    /// `None`: it is nothing for the log.
    pub async fn decide(&self, order: OutsiderOrder) -> Result<Option<Decided>, OfficeError> {
        let entry = {
            let _turn = self.turn.lock().await;
            match &order.verdict {
                OutsiderVerdict::Withdraw { number } => {
                    self.drop_invitation(number)?;
                    return Ok(None);
                }
                OutsiderVerdict::Admit {
                    number,
                    words,
                    until,
                } => self.admit(&order, number, words, *until).await?,
                OutsiderVerdict::Remove { fingerprint } => self.remove(&order, fingerprint).await?,
            }
        };
        let published = self.acts.is_published(entry, PUBLISHED_WITHIN).await;
        Ok(Some(Decided {
            entry,
            published,
            repeated: false,
        }))
    }

    async fn admit(
        &self,
        order: &OutsiderOrder,
        number: &str,
        words: &str,
        until: Timestamp,
    ) -> Result<u64, OfficeError> {
        let now = Timestamp::now();
        let kept = {
            let invitations = self.invitations.lock();
            let mut found = invitations.iter().filter(|kept| !kept.is_over(now));
            found.find(|kept| kept.invitation.number == number).cloned()
        };
        let kept = kept.ok_or(OfficeError::NoInvitation)?;
        let (Some(sent), Some(key)) = (kept.invitation.sent, kept.key) else {
            let person = kept.invitation.name;
            return Err(OfficeError::NoEnrolment { person });
        };
        let (key, fingerprint) = read_key(&key)?;
        if !are_words_of(words, &fingerprint) {
            return Err(OfficeError::WordsDiffer { person: sent.name });
        }
        if until <= now {
            let what = "the date until which they may be shared with is over";
            return Err(OfficeError::OutsiderUnfit { what });
        }
        let earlier = self.find(&fingerprint);
        let added = PersonAdded {
            person: sent.name,
            key,
            fingerprint,
            roles: Vec::new(),
            stations: None,
            outside: Some(Outside {
                organisation: sent.organisation,
                from: now,
                until,
            }),
            supersedes: earlier.map(|(entry, _)| self.acts.reference(entry)),
            by: self.decider(order)?,
        };
        let entry = self.acts.enter(Event::PersonAdded(Box::new(added))).await?;
        self.drop_invitation(number)?;
        Ok(entry)
    }

    async fn remove(&self, order: &OutsiderOrder, fingerprint: &str) -> Result<u64, OfficeError> {
        let Some((entry, added)) = self.find(fingerprint) else {
            let person = fingerprint.chars().take(64).collect();
            return Err(OfficeError::NotInBook { person });
        };
        let removed = PersonRemoved {
            person: added.person,
            fingerprint: added.fingerprint,
            outside: true,
            supersedes: self.acts.reference(entry),
            by: self.decider(order)?,
        };
        let removed = Event::PersonRemoved(Box::new(removed));
        self.acts.enter(removed).await
    }

    fn find(&self, fingerprint: &str) -> Option<(u64, PersonAdded)> {
        let mut all = self.acts.outsiders().into_iter();
        let found = all.find(|(_, act, _)| act.fingerprint == fingerprint)?;
        Some((found.0, found.1))
    }

    fn decider(&self, order: &OutsiderOrder) -> Result<Decider, OfficeError> {
        let reason = tokio::task::block_in_place(|| self.acts.keep_text(&order.reason))?;
        Ok(Decider {
            operator: order.operator.clone(),
            peer: order.peer.clone(),
            reason_sha256: reason,
        })
    }
}

/// The place of the invitation that this link still opens.
fn unused(invitations: &[Kept], secret: &str) -> Option<usize> {
    let (digest, now) = (hash_of(secret), Timestamp::now());
    invitations.iter().position(|kept| {
        kept.secret_sha256 == digest && kept.invitation.sent.is_none() && !kept.is_over(now)
    })
}
