//! Says whether a share is open for whoever proved that they hold its key, and enters what they take.
//!
//! Keeps promise 15. It knows shares from the office's own published acts alone: what lies below `shares/` in the bucket opens nothing
//! unless it is the manifest that they name.

use jiff::Timestamp;

use super::OfficeError;
use super::acts::{Acts, KnownItem, KnownShare};
use super::watching::PUBLISHED_WITHIN;
use crate::model::{Event, ShareId, ShareTaken};
use crate::web::{ShareTaking, TakenId};

/// The published act about what is taken; `None` where a share is only opened.
pub async fn take(
    acts: &Acts,
    share: ShareId,
    taking: ShareTaking,
    reader: String,
) -> Result<Option<u64>, OfficeError> {
    let known = acts
        .share(share)
        .ok_or(OfficeError::ShareClosed { share })?;
    let now = Timestamp::now();
    let shared = check(&known, acts.published_size(), &taking, now)
        .filter(|_| is_in_book(acts, &known.to, now));
    let shared = shared.ok_or(OfficeError::ShareClosed { share })?;
    let Some(TakenId { station, evidence }) = taking.item else {
        return Ok(None);
    };
    let taken = ShareTaken {
        share,
        log: station,
        evidence,
        to: taking.recipient,
        shared,
        reader,
        peer: taking.peer,
    };
    let index = acts.enter(Event::ShareTaken(Box::new(taken))).await?;
    if acts.is_published(index, PUBLISHED_WITHIN).await {
        Ok(Some(index))
    } else {
        Err(OfficeError::Unpublished {
            limit: PUBLISHED_WITHIN,
        })
    }
}

/// Whoever was dismissed, or whose time is over, takes nothing more of any share.
pub fn is_in_book(acts: &Acts, recipient: &str, now: Timestamp) -> bool {
    let mut book = acts.outsiders().into_iter();
    book.any(|(_, act, _)| {
        act.fingerprint == recipient && act.outside.is_some_and(|outside| now < outside.until)
    })
}

/// The published act that shared what is asked for, if that is in effect and for this recipient.
fn check(known: &KnownShare, published: u64, taking: &ShareTaking, now: Timestamp) -> Option<u64> {
    let told = known.manifest == Some(taking.manifest);
    if !told || known.to != taking.recipient || now >= known.until {
        return None;
    }
    let wanted = |item: &&KnownItem| {
        let asked = taking.item.as_ref();
        asked.is_none_or(|asked| (&asked.station, asked.evidence) == (&item.station, item.evidence))
    };
    // An end counts from when it is entered, a share from when it is published.
    let in_effect = |item: &&KnownItem| item.ended.is_none() && item.shared < published;
    let mut items = known.items.iter().filter(wanted);
    items.find(in_effect).map(|item| item.shared)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Decider, EvidenceId, Sha256Digest};

    #[test]
    fn only_what_a_published_act_shares_with_this_key_and_none_has_ended_is_taken() {
        let now: Timestamp = "2026-01-02T00:00:00Z".parse().unwrap();
        let [first, second, third, other] = [(); 4].map(|()| EvidenceId::new());
        let item = |evidence, shared, ended: Option<u64>| KnownItem {
            station: "one".parse().unwrap(),
            evidence,
            shared,
            ended: ended.map(|index| (index, now)),
        };
        let known = KnownShare {
            share: ShareId::from_bytes([1; 16]),
            to: "p384:mine".into(),
            made_at: now,
            until: "2026-01-03T00:00:00Z".parse().unwrap(),
            manifest: Some(Sha256Digest::of(b"manifest")),
            by: Decider {
                operator: String::new(),
                peer: String::new(),
                reason_sha256: Sha256Digest::of(b""),
            },
            items: vec![
                item(first, 5, None),
                item(second, 6, Some(9)),
                item(third, 10, None),
            ],
        };
        let taking = |recipient: &str, item: Option<(&str, EvidenceId)>| ShareTaking {
            recipient: recipient.into(),
            manifest: Sha256Digest::of(b"manifest"),
            peer: String::new(),
            item: item.map(|(station, evidence)| TakenId {
                station: station.parse().unwrap(),
                evidence,
            }),
        };
        let asks = |item| check(&known, 10, &taking("p384:mine", item), now);
        assert_eq!(asks(None), Some(5));
        assert_eq!(asks(Some(("one", first))), Some(5));
        assert_eq!(asks(Some(("two", first))), None, "another station's");
        assert_eq!(asks(Some(("one", second))), None, "it has ended");
        assert_eq!(asks(Some(("one", third))), None, "it is not published");
        assert_eq!(asks(Some(("one", other))), None);
        let theirs = taking("p384:theirs", Some(("one", first)));
        assert_eq!(check(&known, 10, &theirs, now), None);
        let mine = taking("p384:mine", Some(("one", first)));
        assert_eq!(check(&known, 10, &mine, known.until), None, "too late");
        assert_eq!(check(&known, 0, &mine, now), None);
        let swapped = ShareTaking {
            manifest: Sha256Digest::of(b"another"),
            ..mine.clone()
        };
        assert_eq!(check(&known, 10, &swapped, now), None);
        let unnamed = KnownShare {
            manifest: None,
            ..known
        };
        assert_eq!(check(&unnamed, 10, &mine, now), None);
    }
}
