//! Item keys that a sharer's browser has sealed to the recipient of a share, where no key desk does: the office cannot open them, and
//! puts into the store what says that it is for this share, item and recipient alone.

use jiff::Timestamp;

use super::OfficeError;
use super::acts::{KnownItem, KnownShare};
use super::share_taking::is_in_book;
use super::shares::{SEALED_KEY_MAX, Shares, sees};
use crate::model::Part;
use crate::seal::MessageHeader;
use crate::upload::Body;
use crate::web::SealedForShare;

impl Shares {
    /// Puts an item key into the store that was sealed elsewhere, if it says that it is for the recipient of this share alone.
    pub async fn put_key(&self, sealed: SealedForShare) -> Result<(), OfficeError> {
        let (share, evidence) = (sealed.share, sealed.evidence);
        let known = self.acts.share(share);
        let known = known.filter(|known| sees(&sealed.reach, known));
        let known = known.ok_or(OfficeError::NoShare { share })?;
        let published = self.acts.published_size();
        let mut items = known.items.iter();
        let item = items.find(|item| {
            item.evidence == evidence && item.ended.is_none() && item.shared < published
        });
        let unfit = |what: &str| OfficeError::ShareUnfit { what: what.into() };
        let item = item.ok_or_else(|| {
            unfit("the share has no such recording, or it has ended, or it is not published")
        })?;
        let now = Timestamp::now();
        if now >= known.until || !is_in_book(&self.acts, &known.to, now) {
            return Err(unfit("its time is over, or its recipient's is"));
        }
        tokio::task::block_in_place(|| self.may_be_shared(&item.station, evidence))?;
        if !is_sealed_for(&sealed.message, &known, item) {
            let what = "what was sent is no item key that is sealed to this share's recipient";
            return Err(unfit(what));
        }
        let target = self.config.bucket_layout().shared_key(share, evidence);
        // One that is there already was sealed to the same recipient.
        let put = self
            .store()
            .put_once(&target, Body::new(sealed.message), None);
        put.await?;
        tracing::info!(%share, %evidence, operator = sealed.operator, "an item key was sealed to a share's recipient in a browser");
        Ok(())
    }
}

/// What can be told of a message without the recipient's key.
fn is_sealed_for(mut message: &[u8], known: &KnownShare, item: &KnownItem) -> bool {
    let fits = message.len() as u64 <= SEALED_KEY_MAX;
    let Some((header, ..)) = MessageHeader::read(&mut message).ok().filter(|_| fits) else {
        return false;
    };
    let share = known.share.to_string();
    let wanted = [
        ("camdock:recipient", &*known.to),
        ("camdock:share", &*share),
        ("camdock:station", item.station.as_str()),
    ];
    header.keys.len() == 1
        && header.expect(item.evidence, Part::ItemKey).is_ok()
        && (wanted.iter()).all(|(name, value)| header.context.get(name) == Some(value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Decider, EvidenceId, Sha256Digest, ShareId};
    use crate::seal::{Curve, ItemKey, Recipient, keygen_recipient};

    #[test]
    fn a_key_sealed_elsewhere_is_taken_for_its_own_share_item_and_recipient_alone() {
        let [to, other] = [(); 2].map(|()| {
            let (_, public) = keygen_recipient(Curve::P384).unwrap();
            Recipient::from_pem(&public).unwrap()
        });
        let (id, share) = (EvidenceId::new(), ShareId::from_bytes([1; 16]));
        let item = KnownItem {
            station: "one".parse().unwrap(),
            evidence: id,
            shared: 5,
            ended: None,
        };
        let known = KnownShare {
            share,
            to: to.fingerprint(),
            made_at: Timestamp::UNIX_EPOCH,
            until: Timestamp::MAX,
            manifest: None,
            by: Decider {
                operator: String::new(),
                peer: String::new(),
                reason_sha256: Sha256Digest::of(b""),
            },
            items: vec![item.clone()],
        };
        let key = ItemKey::generate().unwrap();
        let fits = |message: &[u8]| is_sealed_for(message, &known, &item);
        let sealed = |share, to, id, station| key.seal_to_share(share, to, id, station).unwrap();
        let good = sealed(share, &to, id, "one");
        assert!(fits(&good));
        let another = ShareId::from_bytes([2; 16]);
        assert!(!fits(&sealed(another, &to, id, "one")));
        assert!(!fits(&sealed(share, &other, id, "one")));
        assert!(!fits(&sealed(share, &to, EvidenceId::new(), "one")));
        assert!(!fits(&sealed(share, &to, id, "two")));
        let own = key.seal_to(std::slice::from_ref(&to), id, "one", "acme/X1");
        let own = own.unwrap();
        assert!(!fits(&own), "the station's own message");
        let mut long = good.clone();
        long.resize(100_000, 0);
        for wrong in [&good[..100], b"", &[0xff; 300], &long] {
            assert!(!fits(wrong));
        }
    }
}
