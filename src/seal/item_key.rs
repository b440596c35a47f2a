//! Opening an `item-key` message, to seal the key to somebody else.

use zeroize::Zeroizing;

use super::SealError;
use super::keys::{ItemKey, RecipientKey};
use super::open::{KeySource, Opener};
use crate::model::{EvidenceId, Part};

/// An item's key with what its message says of the item.
pub struct OpenedItemKey {
    pub key: ItemKey,
    pub station: String,
    pub camera: String,
}

/// Refuses the message of another item or of another part of it.
pub fn open_item_key(
    sealed: &[u8],
    key: &RecipientKey,
    evidence: EvidenceId,
) -> Result<OpenedItemKey, SealError> {
    let mut opener = Opener::open(sealed, &KeySource::Recipient(key))?;
    opener.message().expect(evidence, Part::ItemKey)?;
    let context = &opener.message().header.context;
    let named = |name| context.get(name).unwrap_or_default().to_owned();
    let (station, camera) = (named("camdock:station"), named("camdock:camera"));
    let mut bytes = Zeroizing::new(Vec::new());
    while let Some(chunk) = opener.next_chunk()? {
        bytes.extend_from_slice(chunk);
    }
    let key = ItemKey::from_bytes(&bytes);
    Ok(OpenedItemKey {
        key: key.ok_or(SealError::Format("an item key has 32 bytes"))?,
        station,
        camera,
    })
}
