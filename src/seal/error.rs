use std::io;

use thiserror::Error;

use crate::durable::DurableError;
use crate::model::{Explain, RetryClass};

#[derive(Debug, Error)]
pub enum SealError {
    #[error("this is a private key, where a recipient's public key belongs")]
    PrivateKeyAsRecipient,
    #[error("this is not a public key in PEM form on P-384 or P-256")]
    NotAPublicKey,
    #[error("this is not a private key in PKCS#8 PEM form on P-384 or P-256")]
    NotAPrivateKey,
    #[error("this station's wrap.key does not open the key of an item that is not yet stored")]
    WrapKey,
    #[error("this machine gave no randomness, or refused a cryptographic step")]
    Crypto,
    #[error("this recording cannot be sealed: {0} is outside what the format allows")]
    Limit(&'static str),
    #[error("this is not a sealed file (suite 0x0478): {0}")]
    Format(&'static str),
    #[error("the sealed file ends too early, in {0}")]
    Truncated(&'static str),
    #[error("the header of the sealed file was altered")]
    Header,
    #[error(
        "the header of the sealed file was altered: its key commitment does not fit its data key"
    )]
    Commitment,
    #[error("none of the given keys opens this sealed file")]
    NoKey,
    #[error("frame {0} of the sealed file was altered or is out of place")]
    Frame(u32),
    #[error("the sealed file has bytes after its last frame")]
    Trailing,
    #[error("this is the sealed file of something else: {0}")]
    OtherObject(String),
    #[error("what was opened has SHA-256 {found}, but {expected} was expected")]
    Digest {
        expected: crate::model::Sha256Digest,
        found: crate::model::Sha256Digest,
    },
    #[error(
        "the source changed since the interrupted pull: its bytes no longer match the sealed ones"
    )]
    SourceChanged,
    #[error("cannot write what was opened")]
    Write(#[source] io::Error),
    #[error("cannot read the sealed file")]
    Read(#[source] io::Error),
}

impl From<io::Error> for SealError {
    fn from(e: io::Error) -> Self {
        Self::Read(e)
    }
}

impl Explain for SealError {
    fn retry_class(&self) -> RetryClass {
        match self {
            Self::Read(_) | Self::Write(_) | Self::SourceChanged => RetryClass::Later,
            Self::PrivateKeyAsRecipient
            | Self::NotAPublicKey
            | Self::NotAPrivateKey
            | Self::WrapKey
            | Self::Crypto => RetryClass::Operator,
            _ => RetryClass::Never,
        }
    }

    fn label(&self) -> &'static str {
        match self {
            Self::PrivateKeyAsRecipient => "recipient_is_private",
            Self::NotAPublicKey => "recipient_unusable",
            Self::NotAPrivateKey => "private_key_unusable",
            Self::WrapKey => "wrap_key_mismatch",
            Self::Crypto => "crypto_refused",
            Self::Limit(_) => "seal_limit",
            Self::Format(_) => "sealed_format",
            Self::Truncated(_) => "sealed_truncated",
            Self::Header | Self::Commitment => "sealed_header_altered",
            Self::NoKey => "no_key",
            Self::Frame(_) => "sealed_frame_altered",
            Self::Trailing => "sealed_trailing_bytes",
            Self::OtherObject(_) => "sealed_other_object",
            Self::Digest { .. } => "digest_mismatch",
            Self::SourceChanged => "source_changed",
            Self::Write(_) => "output_unwritable",
            Self::Read(_) => "sealed_unreadable",
        }
    }

    fn next_step(&self) -> String {
        match self {
            Self::PrivateKeyAsRecipient => {
                "Give the public key (made beside it by `camdock keygen recipient`) and keep the private one off the station."
            }
            Self::NotAPublicKey => "Give a file that begins with -----BEGIN PUBLIC KEY-----; `camdock keygen recipient` makes one.",
            Self::NotAPrivateKey => "Give the recipient's private key file, which begins with -----BEGIN PRIVATE KEY-----.",
            Self::WrapKey => "Restore this station's own wrap.key from its backup; footage already stored opens with a recipient's key.",
            Self::Crypto => "Check the system's random device, then restart the service.",
            Self::Limit(_) => "Raise `frame_length` in [seal] and dock the camera again; if that does not help, copy this recording off the camera by hand.",
            Self::NoKey => "Use the private key of a recipient that the station sealed to; `camdock show` lists them.",
            Self::OtherObject(_) => "Fetch the object that the log names; this one lay under a wrong name.",
            Self::SourceChanged => "Nothing to do: the file is pulled again under a new key.",
            Self::Write(_) => "Check the space and the rights where the output goes.",
            Self::Read(_) => "Check the disk or the connection and try again.",
            Self::Format(_) | Self::Truncated(_) | Self::Header | Self::Commitment | Self::Frame(_) | Self::Trailing
            | Self::Digest { .. } => {
                "Do not use this copy: fetch the object again, and run `camdock verify --deep` to see whether the store's copy is whole."
            }
        }
        .to_owned()
    }
}

/// Errors that stop a pull, by their source: the camera, the disk, the sealing or the caller.
#[derive(Debug, Error)]
pub enum PipelineError {
    #[error("cannot read from the camera")]
    Source(#[source] io::Error),
    #[error(transparent)]
    Sink(#[from] DurableError),
    #[error(transparent)]
    Seal(#[from] SealError),
    #[error("stopped")]
    Cancelled,
}
