//! Asks the office whether a share is open, and has it enter what is taken.

use std::time::Duration;

use serde::Deserialize as _;
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

use super::ShareReaderError;
use crate::config::{Secrets, ShareReaderConfig};
use crate::model::{Sha256Digest, ShareId};
use crate::web::{OutboundClient, ShareTaking, TakenEntry};

/// The office waits for its entry to be published before it answers.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);
/// Requests on their way at a time: recipients do not make the office a flood.
const AT_A_TIME: usize = 16;

pub struct OfficeClient {
    address: String,
    token: Zeroizing<String>,
    client: OutboundClient,
    places: Semaphore,
}

impl OfficeClient {
    pub fn new(config: &ShareReaderConfig) -> Result<Self, ShareReaderError> {
        let plain = config.office_address.starts_with("http://");
        Ok(Self {
            address: config.office_address.clone(),
            token: Secrets::from_environment().office_token(config)?,
            client: OutboundClient::new(config.office_ca_file.as_deref(), plain)?,
            places: Semaphore::new(AT_A_TIME),
        })
    }

    /// The act of what was taken, once it is published; `None` where the share is only opened, and may be.
    pub async fn ask(
        &self,
        share: ShareId,
        taking: &ShareTaking,
    ) -> Result<Option<u64>, ShareReaderError> {
        let asked = async {
            let place = self.places.acquire().await;
            let said = self.send(share, taking).await;
            drop(place);
            said
        };
        let silent = |_| ShareReaderError::OfficeSilent {
            limit: ANSWER_WITHIN,
        };
        let asked = tokio::time::timeout(ANSWER_WITHIN, asked).await;
        asked.map_err(silent)?
    }

    async fn send(
        &self,
        share: ShareId,
        taking: &ShareTaking,
    ) -> Result<Option<u64>, ShareReaderError> {
        let address = format!("{}/api/share-reader/{share}", self.address);
        let authorization = Zeroizing::new(format!("Bearer {}", *self.token));
        let headers = [
            ("authorization", authorization.as_str()),
            ("content-type", "application/json"),
            ("accept", "application/json"),
        ];
        let body = serde_json::to_string(taking).unwrap_or_default();
        let (status, said) = self.client.send(&address, &headers, Some(body)).await?;
        let mut said = serde_json::Deserializer::from_slice(&said);
        match (status, TakenEntry::deserialize(&mut said)) {
            (200, Ok(TakenEntry { entry })) if entry.is_some() == taking.item.is_some() => {
                Ok(entry)
            }
            (404, _) => Err(ShareReaderError::Closed { share }),
            _ => Err(ShareReaderError::OfficeAnswer { status }),
        }
    }

    /// Whether the office answers and knows this token: it has to say that there is no share of this number.
    pub async fn check(&self) -> Result<(), ShareReaderError> {
        let taking = ShareTaking {
            recipient: String::new(),
            manifest: Sha256Digest::of(b""),
            peer: "check".into(),
            item: None,
        };
        match self.ask(ShareId::from_bytes([0; 16]), &taking).await {
            Err(ShareReaderError::Closed { .. }) => Ok(()),
            Err(error) => Err(error),
            Ok(_) => Err(ShareReaderError::OfficeAnswer { status: 200 }),
        }
    }
}
