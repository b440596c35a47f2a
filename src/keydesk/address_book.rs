//! Who may have what sealed to them, by the office's published log.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::grants::{Asked, AskingAct, Grant};
use crate::model::{Entry, Event, EvidenceId, Outside, PersonAdded, ShareId, StationName};
use crate::seal::Recipient;
use crate::web::Duty;

/// Nobody waits longer for a key. Clocks may differ by as much.
const ACT_LASTS: SignedDuration = SignedDuration::from_mins(15);

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddressBook {
    people: BTreeMap<String, Holder>,
    /// Items that are restricted: station and id.
    #[serde(default)]
    restricted: BTreeSet<(String, EvidenceId)>,
    /// People outside, by the fingerprints of their keys.
    #[serde(default)]
    outsiders: BTreeMap<String, Outsider>,
    /// Items of shares that have ended.
    #[serde(default)]
    ended: BTreeSet<(ShareId, EvidenceId)>,
}

/// What the act says that put a person into the book.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Holder {
    key: String,
    fingerprint: String,
    roles: Vec<String>,
    stations: Option<Vec<StationName>>,
}

impl Holder {
    fn may(&self, duty: Duty) -> bool {
        let brings = |role: &String| duty.roles().iter().any(|known| known.as_str() == role);
        self.roles.iter().any(brings)
    }
}

/// Somebody who only receives, and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Outsider {
    name: String,
    key: String,
    from: Timestamp,
    until: Timestamp,
}

/// Why an act grants nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotGranted {
    NotInBook,
    OtherKey,
    KeyUnfit,
    Role,
    Restricted,
    Unit,
    Time,
    Ended,
}

impl fmt::Display for NotGranted {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str(match self {
            Self::NotInBook => "the person is not in the address book, or not any more",
            Self::OtherKey => "the person's key is another one",
            Self::KeyUnfit => "the person's key in the log cannot be used",
            Self::Role => "no role of the person may see footage",
            Self::Restricted => "the item is restricted, and no role of the person may see that",
            Self::Unit => "the person's unit does not see this station",
            Self::Time => "the act is too old, or its time has not come",
            Self::Ended => "the share has ended",
        })
    }
}

impl AddressBook {
    /// Takes the next entry in.
    pub fn see(&mut self, entry: &Entry) {
        match &entry.event {
            Event::PersonAdded(added) => self.add((**added).clone()),
            Event::PersonRemoved(removed) if removed.outside => {
                self.outsiders.remove(&removed.fingerprint);
            }
            Event::ItemTagged(tagged) => {
                let item = (tagged.log.as_str().to_owned(), tagged.evidence);
                match tagged.restricts() {
                    Some(true) => self.restricted.insert(item),
                    Some(false) => self.restricted.remove(&item),
                    None => false,
                };
            }
            Event::PersonRemoved(removed) => {
                self.people.remove(&removed.person);
            }
            Event::ShareEnded(ended) => {
                self.ended.insert((ended.share, ended.evidence));
            }
            _ => {}
        }
    }

    fn add(&mut self, added: PersonAdded) {
        let PersonAdded {
            person,
            key,
            fingerprint,
            roles,
            stations,
            outside,
            ..
        } = added;
        if let Some(Outside { from, until, .. }) = outside {
            let outsider = Outsider {
                name: person,
                key,
                from,
                until,
            };
            self.outsiders.insert(fingerprint, outsider);
            return;
        }
        let holder = Holder {
            key,
            fingerprint,
            roles,
            stations,
        };
        self.people.insert(person, holder);
    }

    /// What the act grants now.
    pub fn grant(&self, act: &AskingAct, now: Timestamp) -> Result<Grant, NotGranted> {
        let (to, key, share) = match &act.asked {
            Asked::View(person) => (person, self.viewer(act, person, now)?, None),
            Asked::Share(share, until) => {
                let outsider = self.recipient(act, *share, *until, now)?;
                (&outsider.name, outsider.key.as_str(), Some(*share))
            }
        };
        let key = Recipient::from_pem(key).ok();
        let key = key.filter(|key| key.fingerprint() == act.fingerprint);
        Ok(Grant {
            index: act.index,
            station: act.station.clone(),
            evidence: act.evidence,
            to: to.clone(),
            key: key.ok_or(NotGranted::KeyUnfit)?,
            share,
        })
    }

    /// The key of a person who may look.
    fn viewer(&self, act: &AskingAct, person: &str, now: Timestamp) -> Result<&str, NotGranted> {
        let holder = self.people.get(person).ok_or(NotGranted::NotInBook)?;
        if holder.fingerprint != act.fingerprint {
            return Err(NotGranted::OtherKey);
        }
        if !holder.may(Duty::Watch) {
            return Err(NotGranted::Role);
        }
        let item = (act.station.as_str().to_owned(), act.evidence);
        if self.restricted.contains(&item) && !holder.may(Duty::SeeRestricted) {
            return Err(NotGranted::Restricted);
        }
        let unit = holder.stations.as_ref();
        if unit.is_some_and(|stations| !stations.contains(&act.station)) {
            return Err(NotGranted::Unit);
        }
        if now.duration_since(act.time).abs() > ACT_LASTS {
            return Err(NotGranted::Time);
        }
        Ok(&holder.key)
    }

    /// Somebody outside whom this share is for, as long as it lasts and they are in the book.
    fn recipient(
        &self,
        act: &AskingAct,
        share: ShareId,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<&Outsider, NotGranted> {
        let outsider = self.outsiders.get(&act.fingerprint);
        let outsider = outsider.ok_or(NotGranted::NotInBook)?;
        if self.ended.contains(&(share, act.evidence)) || now >= until {
            return Err(NotGranted::Ended);
        }
        let item = (act.station.as_str().to_owned(), act.evidence);
        if self.restricted.contains(&item) {
            return Err(NotGranted::Restricted);
        }
        let began = act.time <= now.saturating_add(ACT_LASTS).unwrap_or(now);
        if !began || act.time < outsider.from || now >= outsider.until {
            return Err(NotGranted::Time);
        }
        Ok(outsider)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{
        ActReference, Decider, ItemTagged, ItemViewed, PersonRemoved, Sha256Digest, TagSource, Tags,
    };
    use crate::seal::{Curve, keygen_recipient};

    const NOW: &str = "2026-01-02T03:04:05Z";

    fn entry(time: &str, event: Event) -> Entry {
        Entry {
            v: 1,
            time: time.parse().unwrap(),
            station: "office-1".parse().unwrap(),
            session: None,
            event,
        }
    }

    fn by(operator: &str) -> Decider {
        Decider {
            operator: operator.into(),
            peer: "web 127.0.0.1".into(),
            reason_sha256: Sha256Digest::of(b""),
        }
    }

    fn added(person: &str, key: &str, role: &str, stations: Option<&str>) -> Entry {
        let added = PersonAdded {
            person: person.into(),
            key: key.into(),
            fingerprint: Recipient::from_pem(key).unwrap().fingerprint(),
            roles: vec![role.into()],
            stations: stations.map(|name| vec![name.parse().unwrap()]),
            outside: None,
            supersedes: None,
            by: by("M. Shah"),
        };
        entry(NOW, Event::PersonAdded(Box::new(added)))
    }

    fn viewed(person: &str, key: Option<&str>, time: &str) -> Option<AskingAct> {
        let viewed = ItemViewed {
            log: "one".parse().unwrap(),
            evidence: EvidenceId::new(),
            part: None,
            key: key.map(|key| Recipient::from_pem(key).unwrap().fingerprint()),
            by: by(person),
        };
        let entry = entry(time, Event::ItemViewed(Box::new(viewed)));
        super::super::grants::asked(7, entry)
    }

    #[test]
    fn an_act_grants_a_key_to_whom_role_unit_time_and_book_allow_it_and_to_nobody_else() {
        let now = NOW.parse().unwrap();
        let [hers, other] = [(); 2].map(|()| keygen_recipient(Curve::P384).unwrap().1);
        let mut book = AddressBook::default();
        let asks = |book: &AddressBook, time: &str| {
            book.grant(&viewed("vera", Some(&hers), time).unwrap(), now)
                .map(|grant| grant.key)
        };
        assert_eq!(asks(&book, NOW), Err(NotGranted::NotInBook));
        for (role, unit, expected) in [
            ("viewer", None, None),
            ("viewer", Some("one"), None),
            ("manager", Some("one"), None),
            ("evidence", None, None),
            ("viewer", Some("two"), Some(NotGranted::Unit)),
            ("auditor", None, Some(NotGranted::Role)),
            ("disposer", Some("one"), Some(NotGranted::Role)),
            ("operations", None, Some(NotGranted::Role)),
            ("Viewer", None, Some(NotGranted::Role)),
            ("", None, Some(NotGranted::Role)),
        ] {
            book.see(&added("vera", &hers, role, unit));
            let found = asks(&book, NOW);
            assert_eq!(found.as_ref().err().copied(), expected, "{role} {unit:?}");
            if let Ok(key) = found {
                assert_eq!(key, Recipient::from_pem(&hers).unwrap());
            }
        }
        book.see(&added("vera", &hers, "viewer", None));
        assert_eq!(asks(&book, "2026-01-02T02:48:05Z"), Err(NotGranted::Time));
        assert_eq!(asks(&book, "2026-01-02T03:20:05Z"), Err(NotGranted::Time));
        assert!(asks(&book, "2026-01-02T02:51:05Z").is_ok());
        // A view that names no key asks for none; one that names another's, or an earlier one, gets none.
        assert!(viewed("vera", None, NOW).is_none());
        let of_other = viewed("vera", Some(&other), NOW).unwrap();
        assert_eq!(book.grant(&of_other, now).err(), Some(NotGranted::OtherKey));
        let by_paul = viewed("paul", Some(&hers), NOW).unwrap();
        assert_eq!(book.grant(&by_paul, now).err(), Some(NotGranted::NotInBook));
        book.see(&added("vera", &other, "viewer", None));
        assert_eq!(asks(&book, NOW), Err(NotGranted::OtherKey));
        assert!(book.grant(&of_other, now).is_ok());
        // What is restricted goes to those alone who may see it, however it was restricted, until a person lifts it.
        let asked = viewed("vera", Some(&other), NOW).unwrap();
        let tagged = |source, restricted| {
            let tagged = ItemTagged {
                log: asked.station.clone(),
                evidence: asked.evidence,
                tags: Tags {
                    restricted,
                    ..Tags::default()
                },
                source,
                dispatch: None,
                supersedes: None,
                by: by("M. Shah"),
            };
            entry(NOW, Event::ItemTagged(Box::new(tagged)))
        };
        for (source, restricted, expected) in [
            (TagSource::File, true, None),
            (TagSource::Person, true, Some(NotGranted::Restricted)),
            (TagSource::File, false, Some(NotGranted::Restricted)),
            (TagSource::Person, false, None),
            (TagSource::Person, true, Some(NotGranted::Restricted)),
        ] {
            book.see(&tagged(source, restricted));
            assert_eq!(book.grant(&asked, now).err(), expected, "{source:?}");
        }
        assert!(book.grant(&of_other, now).is_ok(), "another item");
        book.see(&added("vera", &other, "manager", None));
        assert!(book.grant(&asked, now).is_ok());
        let removed = PersonRemoved {
            person: "vera".into(),
            fingerprint: String::new(),
            outside: false,
            supersedes: ActReference {
                log: "office-1".parse().unwrap(),
                index: 3,
            },
            by: by("M. Shah"),
        };
        book.see(&entry(NOW, Event::PersonRemoved(Box::new(removed))));
        assert_eq!(
            book.grant(&of_other, now).err(),
            Some(NotGranted::NotInBook)
        );
    }
}
