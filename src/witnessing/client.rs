//! Asks one witness (C2SP tlog-witness). Its answer is hostile until it is verified: bounded in bytes and in time.

use std::time::Duration;

use aws_sdk_s3::config::http::{HttpRequest, HttpResponse};
use aws_sdk_s3::primitives::SdkBody;
use aws_smithy_http_client::Connector;
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use aws_smithy_runtime_api::client::http::HttpConnector as _;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};

use super::WitnessError;
use crate::config::WitnessSettings;
use crate::upload::trusted_alone;

/// A few signature lines; longer answers are not read.
const ANSWER_MAX: usize = 64 << 10;
/// Characters of a refusal that are shown.
const SAID_MAX: usize = 120;

/// Connections to one witness; `limit` is for one whole request. They go through the proxy of the environment as for the store.
#[derive(Debug)]
pub struct WitnessClient {
    connector: Connector,
    address: String,
    limit: Duration,
}

/// What a witness may answer to a checkpoint.
#[derive(Debug, PartialEq, Eq)]
pub enum WitnessAnswer {
    /// Signature lines, not verified yet.
    Lines(String),
    /// The size that it has cosigned last.
    Size(u64),
    /// For this witness, the proof does not show that the log has grown.
    NotGrown,
}

impl WitnessClient {
    /// `url` is the witness's prefix.
    pub fn new(url: &str, settings: &WitnessSettings) -> Result<Self, WitnessError> {
        // A machine without system certificates can still use a plain address.
        let trust = match &settings.ca_file {
            _ if url.starts_with("http://") => TrustStore::empty(),
            Some(file) => trusted_alone(file).map_err(|source| WitnessError::CaFile {
                path: file.clone(),
                source,
            })?,
            None => TrustStore::default(),
        };
        let tls = TlsContext::builder()
            .with_trust_store(trust)
            .build()
            .map_err(|error| WitnessError::Tls(error.into()))?;
        let connector = Connector::builder()
            .proxy_config(ProxyConfig::from_env())
            .tls_provider(Provider::Rustls(CryptoMode::Ring))
            .tls_context(tls)
            .build();
        Ok(Self {
            connector,
            address: format!("{url}/add-checkpoint"),
            limit: settings.answer,
        })
    }

    pub async fn add_checkpoint(&self, body: String) -> Result<WitnessAnswer, WitnessError> {
        let asked = async {
            let (status, said) = self.post(body).await?;
            answer(status, said)
        };
        let silent = |_| WitnessError::Silent {
            seconds: self.limit.as_secs(),
        };
        tokio::time::timeout(self.limit, asked)
            .await
            .map_err(silent)?
    }

    async fn post(&self, body: String) -> Result<(u16, Vec<u8>), WitnessError> {
        let mut request = HttpRequest::new(SdkBody::from(body));
        let unusable = |error| WitnessError::Unreachable(Box::new(error));
        request.set_method("POST").map_err(unusable)?;
        request.set_uri(self.address.as_str()).map_err(unusable)?;
        let response: HttpResponse = self
            .connector
            .call(request)
            .await
            .map_err(|error| WitnessError::Unreachable(error.into()))?;
        let status = response.status().as_u16();
        let read = Limited::new(response.into_body(), ANSWER_MAX).collect();
        let read = read.await.map_err(|error| {
            if error.is::<LengthLimitError>() {
                WitnessError::Answer("it is longer than 64 KiB")
            } else {
                WitnessError::Unreachable(error)
            }
        })?;
        Ok((status, read.to_bytes().to_vec()))
    }
}

fn answer(status: u16, said: Vec<u8>) -> Result<WitnessAnswer, WitnessError> {
    match status {
        200 => String::from_utf8(said)
            .map(WitnessAnswer::Lines)
            .map_err(|_| WitnessError::Answer("it is not text")),
        409 => std::str::from_utf8(&said)
            .ok()
            .and_then(|said| said.strip_suffix('\n'))
            .filter(|size| size.bytes().all(|b| b.is_ascii_digit()))
            .and_then(|size| size.parse().ok())
            .map(WitnessAnswer::Size)
            .ok_or(WitnessError::Answer("its status 409 comes without a size")),
        422 => Ok(WitnessAnswer::NotGrown),
        429 | 500..600 => Err(WitnessError::Unavailable { status }),
        400..500 => Err(WitnessError::Refused {
            status,
            said: shown(&said),
        }),
        _ => Err(WitnessError::Answer("its status is none of tlog-witness")),
    }
}

/// Words of a stranger, so that they cannot forge a line.
fn shown(said: &[u8]) -> String {
    let text = String::from_utf8_lossy(said);
    let line = text.lines().next().unwrap_or_default();
    line.chars()
        .take(SAID_MAX)
        .flat_map(char::escape_default)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Explain as _;

    #[test]
    fn each_status_has_its_meaning_and_nonsense_is_no_answer() {
        let label = |status, said: &str| match answer(status, said.into()) {
            Ok(answer) => format!("{answer:?}"),
            Err(error) => error.label().to_owned(),
        };
        assert_eq!(label(200, "x\n"), "Lines(\"x\\n\")");
        assert_eq!(label(409, "12\n"), "Size(12)");
        for said in [
            "",
            "12",
            "+12\n",
            "-1\n",
            "12\n\n",
            "99999999999999999999999\n",
            "x\n",
        ] {
            assert_eq!(label(409, said), "witness_answer", "{said:?}");
        }
        assert_eq!(label(422, ""), "NotGrown");
        assert_eq!(label(404, ""), "witness_refused");
        assert_eq!(label(429, ""), "witness_unreachable");
        assert_eq!(label(503, ""), "witness_unreachable");
        for status in [201, 204, 301, 307, 100, 999] {
            assert_eq!(label(status, "x\n"), "witness_answer", "{status}");
        }
        let forged = shown("\u{1b}[2J\u{202e}x\nNOTE".as_bytes());
        assert_eq!(forged, "\\u{1b}[2J\\u{202e}x");
        assert!(shown(&[b'x'; 5000]).len() == SAID_MAX);
    }
}
