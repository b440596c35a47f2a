//! Hash and seal in one pass; open; resume. AWS Encryption SDK message v2, suite 0x0478.
//!
//! Keeps promises 4, 5, 7 and 8. Never edits a written header; never hands out a byte that was not verified.

mod error;
mod format;
mod keys;
mod open;
mod pipeline;
mod resume;
mod sealer;
mod verified;

#[cfg(test)]
mod tests;

pub use error::{PipelineError, SealError};
pub use format::{Context, EncryptedDataKey, Header, sealed_size};
pub use keys::{
    Curve, ItemKey, Recipient, RecipientKey, StationWrapKey, key_name, keygen_recipient,
};
pub use open::{Expected, KeySource, Opener, Unlocked, open_to};
pub use pipeline::{Buffers, Sealed, Sink, Start, Watch, seal_stream};
pub use resume::{Resumed, resume};
pub use sealer::{FrameBuffer, PreparedItem, SealSpec, Sealer, seal_small};
pub use verified::VerifiedReader;
