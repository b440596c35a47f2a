//! Hashes and seals in one pass, opens and resumes: AWS Encryption SDK message v2, suite 0x0478.
//!
//! Keeps the promises that no plaintext reaches a disk, that originals stay bit-exact and that anyone with a recipient's key
//! and public tools can open them. It never edits a written header and never returns a byte that was not verified.

mod error;
mod format;
mod item_key;
mod keys;
mod open;
mod pipeline;
mod possession;
mod resume;
mod sealer;
mod verified;

#[cfg(test)]
mod tests;

pub use error::{PipelineError, SealError};
pub use format::{Context, EncryptedDataKey, MessageHeader, sealed_size};
pub use item_key::{OpenedItemKey, open_item_key};
pub use keys::{
    Curve, ItemKey, Recipient, RecipientKey, StationWrapKey, key_name, keygen_recipient,
};
pub use open::{ExpectedMessage, KeySource, Opener, UnlockedMessage, open_to};
pub use pipeline::{Buffers, PullWatch, SealedSink, SealedStream, Start, seal_stream};
pub use possession::Possession;
pub use resume::{Resumed, WholeFrame, resume};
pub use sealer::{FrameBuffer, PreparedItem, SealSpec, Sealer, seal_small};
pub use verified::VerifiedReader;
