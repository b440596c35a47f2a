//! The order that a preview worker reads at its start.

use std::io::{self, Read as _};

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::ingest::IngestError;
use crate::model::EvidenceId;
use crate::preview::PreviewRequest;
use crate::seal::{ItemKey, SealError};

const ORDER_MAX: u64 = 60 << 10;
const KEY: usize = 32;
/// While a package is upgraded, the station may meet the worker of another version, which could read the order differently.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Encoded as a line with the program's version, a line of JSON, and then the 32 bytes of the item key.
#[derive(Serialize, Deserialize)]
pub struct PreviewOrder {
    pub request: PreviewRequest,
    pub evidence: EvidenceId,
    pub station: String,
    pub camera: String,
    /// As PEM.
    pub recipients: Vec<String>,
    pub frame_length: u32,
}

impl PreviewOrder {
    pub fn encode(&self, key: ItemKey) -> Result<Zeroizing<Vec<u8>>, IngestError> {
        let json = serde_json::to_vec(self).map_err(|_| SealError::Limit("an order"))?;
        let length = VERSION.len() + 1 + json.len() + 1 + KEY;
        if length as u64 > ORDER_MAX {
            return Err(SealError::Limit("the number of recipients of a preview").into());
        }
        // Allocated at full size: growing would leave copies of the key behind.
        let mut order = Zeroizing::new(Vec::with_capacity(length));
        order.extend_from_slice(VERSION.as_bytes());
        order.push(b'\n');
        order.extend_from_slice(&json);
        order.push(b'\n');
        order.extend_from_slice(&key.into_bytes()[..]);
        Ok(order)
    }

    pub(super) fn read() -> io::Result<(Self, ItemKey)> {
        let mut text = Zeroizing::new(Vec::with_capacity(64 << 10));
        io::stdin().lock().take(ORDER_MAX).read_to_end(&mut text)?;
        let wrong = || io::Error::from(io::ErrorKind::InvalidData);
        let mut parts = text.splitn(3, |byte| *byte == b'\n');
        if parts.next() != Some(VERSION.as_bytes()) {
            return Err(io::Error::other(format!(
                "its version, {VERSION}, is not the station's; restart the service"
            )));
        }
        let json = parts.next().ok_or_else(wrong)?;
        let key = parts.next().and_then(ItemKey::from_bytes);
        Ok((serde_json::from_slice(json)?, key.ok_or_else(wrong)?))
    }
}
