//! A share's manifest as the bucket has it: hostile, because whoever writes to the bucket can write one. The office says whether it is
//! the one that its log names; before that, it has to make sense in itself.

use crate::model::{
    BucketLayout, Part, Sha256Digest, ShareId, ShareManifest, SharedItem, SharedObject,
};
use crate::seal::Recipient;
use crate::web::FoundShare;

/// Bytes of a manifest.
pub const MANIFEST_MAX: u64 = 2 << 20;
const ITEMS_MAX: usize = 1_000;
/// Bytes of a name or a reason.
const TEXT_MAX: usize = 4 << 10;

/// The manifest, if it makes sense in itself: it is this share's, its key is the one that it names, and its objects are those of
/// its items.
pub fn read(bytes: &[u8], share: ShareId, prefix: &str) -> Result<FoundShare, &'static str> {
    let manifest: ShareManifest =
        serde_json::from_slice(bytes).map_err(|_| "it has another form")?;
    if manifest.share != share {
        return Err("it is of another share");
    }
    let (to, items) = (&manifest.to, &manifest.items);
    if items.is_empty() || items.len() > ITEMS_MAX {
        return Err("it names no item, or too many");
    }
    let mut texts = vec![&manifest.by, &manifest.reason, &to.name, &to.organisation];
    texts.extend(items.iter().flat_map(|item| [&item.name, &item.media_type]));
    if texts.iter().any(|text| text.len() > TEXT_MAX) {
        return Err("a text of it is too long");
    }
    let holder = Recipient::from_base64(&to.public_key);
    let holder = holder.map_err(|_| "it names no key on the curve P-384")?;
    if holder.fingerprint() != to.fingerprint {
        return Err("its key has another fingerprint");
    }
    let mut seen = std::collections::HashSet::new();
    if !items.iter().all(|item| seen.insert(item.id)) {
        return Err("it names an item twice");
    }
    if !items.iter().all(|item| has_its_own(item, share, prefix)) {
        return Err("it names an object that is not its item's");
    }
    Ok(FoundShare {
        digest: Sha256Digest::of(bytes),
        manifest,
        holder,
    })
}

/// Its objects by their parts.
pub fn objects(item: &SharedItem) -> impl Iterator<Item = (Part, &SharedObject)> {
    let all = [
        (Part::Original, Some(&item.original)),
        (Part::Preview, item.preview.as_ref()),
        (Part::Storyboard, item.storyboard.as_ref()),
    ];
    all.into_iter()
        .filter_map(|(part, object)| Some((part, object?)))
}

fn has_its_own(item: &SharedItem, share: ShareId, prefix: &str) -> bool {
    let layout = BucketLayout::new(prefix, item.station.clone());
    item.item_key == layout.shared_key(share, item.id)
        && objects(item).all(|(part, object)| object.key == layout.object(item.id, part))
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use p384::pkcs8::{DecodePublicKey as _, EncodePublicKey as _};
    use serde_json::{Value, json};

    use super::*;
    use crate::model::EvidenceId;
    use crate::seal::{Curve, keygen_recipient};

    #[test]
    fn a_manifest_names_its_own_share_key_and_objects_or_is_none() {
        let (_, pem) = keygen_recipient(Curve::P384).unwrap();
        let spki = p384::PublicKey::from_public_key_pem(&pem).unwrap();
        let spki = STANDARD.encode(spki.to_public_key_der().unwrap().as_bytes());
        let fingerprint = Recipient::from_pem(&pem).unwrap().fingerprint();
        let (id, share) = (EvidenceId::new(), ShareId::from_bytes([7; 16]));
        let good = json!({
            "share": share, "office": "office-1", "made_at": "2026-01-02T03:04:05Z", "until": "2026-02-02T00:00:00Z",
            "by": "M. Shah", "reason": "<b>disclosure</b>",
            "to": {"name": "A. Clerk", "organisation": "CPS", "fingerprint": fingerprint, "public_key": spki},
            "items": [{
                "id": id, "station": "leeds-1", "name": "A.MP4", "media_type": "video/mp4", "size": 7, "sha256": "00".repeat(32),
                "original": {"key": format!("force/evidence/leeds-1/{id}/original"), "version": "v1", "size": 99},
                "preview": null, "storyboard": null, "item_key": format!("force/shares/{share}/{id}/item-key"),
            }],
        });
        let reads = |manifest: &Value| read(manifest.to_string().as_bytes(), share, "force/");
        let found = reads(&good).unwrap();
        assert_eq!(found.holder.fingerprint(), fingerprint);
        assert_eq!(found.digest, Sha256Digest::of(good.to_string().as_bytes()));
        assert_eq!(objects(&found.manifest.items[0]).count(), 1);
        let spoilt = |path: &str, value: Value| {
            let mut manifest = good.clone();
            *manifest.pointer_mut(path).unwrap() = value;
            reads(&manifest).err()
        };
        let outside = Some("it names an object that is not its item's");
        for key in [
            "force/log/office-1/checkpoint",
            "evidence/leeds-1/x/original",
            "force/evidence/leeds-2/x/original",
            "../secret",
            "",
        ] {
            assert_eq!(
                spoilt("/items/0/original/key", key.into()),
                outside,
                "{key}"
            );
        }
        let beside = json!({"key": format!("force/evidence/leeds-1/{id}/original"), "version": null, "size": 9});
        assert_eq!(spoilt("/items/0/storyboard", beside), outside);
        let key = format!("force/evidence/leeds-1/{id}/item-key");
        assert_eq!(spoilt("/items/0/item_key", key.into()), outside);
        let form = Some("it has another form");
        assert_eq!(spoilt("/items/0/station", "../x".into()), form);
        assert_eq!(spoilt("/items/0/size", json!(-1)), form);
        assert_eq!(spoilt("/share", "../x".into()), form);
        assert!(spoilt("/share", json!(ShareId::from_bytes([8; 16]))).is_some());
        assert!(spoilt("/to/fingerprint", "p384:00".into()).is_some());
        assert!(spoilt("/to/public_key", "AAAA".into()).is_some());
        assert!(spoilt("/items", json!([])).is_some());
        let item = &good["items"][0];
        assert!(spoilt("/items", json!([item, item])).is_some());
        assert!(spoilt("/reason", "x".repeat(TEXT_MAX + 1).into()).is_some());
        for bytes in [&b""[..], b"null", b"[]", b"{", &[0xff; 9]] {
            assert!(read(bytes, share, "").is_err());
        }
    }
}
