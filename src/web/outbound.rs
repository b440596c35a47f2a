//! Requests to another server, over TLS with the certificates that the configuration trusts. Answers are hostile until they are
//! checked: bounded in bytes, and no redirection is followed. The caller bounds the time.

use std::path::{Path, PathBuf};

use aws_sdk_s3::config::http::{HttpRequest, HttpResponse};
use aws_sdk_s3::primitives::SdkBody;
use aws_smithy_http_client::Connector;
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use aws_smithy_runtime_api::client::http::HttpConnector as _;
use http_body_util::{BodyExt as _, Limited};
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use thiserror::Error;

const ANSWER_MAX: usize = 256 << 10;

/// Why there is no answer.
#[derive(Debug, Error)]
pub enum OutboundError {
    #[error("it cannot be reached")]
    Unreachable(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("the certificates in {file} cannot be used: {why}")]
    Trust { file: PathBuf, why: String },
}

/// Connections to one server, through the proxy of the environment.
#[derive(Debug)]
pub struct OutboundClient(Connector);

impl OutboundClient {
    /// Trusts the certificates of `ca_file`, else the system's; none where every address is `plain`.
    pub fn new(ca_file: Option<&Path>, plain: bool) -> Result<Self, OutboundError> {
        let trust = match ca_file {
            Some(file) => trusted(file)?,
            None if plain => TrustStore::empty(),
            None => TrustStore::default(),
        };
        let tls = TlsContext::builder().with_trust_store(trust).build();
        let tls = tls.map_err(|error| OutboundError::Unreachable(error.into()))?;
        let connector = Connector::builder()
            .proxy_config(ProxyConfig::from_env())
            .tls_provider(Provider::Rustls(CryptoMode::Ring))
            .tls_context(tls)
            .build();
        Ok(Self(connector))
    }

    /// Posts the body, or gets where there is none; the answer's status and bytes.
    pub async fn send(
        &self,
        address: &str,
        headers: &[(&'static str, &str)],
        body: Option<String>,
    ) -> Result<(u16, Vec<u8>), OutboundError> {
        let unusable = |error| OutboundError::Unreachable(Box::new(error));
        let method = if body.is_some() { "POST" } else { "GET" };
        let mut request = HttpRequest::new(SdkBody::from(body.unwrap_or_default()));
        request.set_method(method).map_err(unusable)?;
        request.set_uri(address).map_err(unusable)?;
        for (name, value) in headers {
            request.headers_mut().insert(*name, (*value).to_owned());
        }
        let sent: Result<HttpResponse, _> = self.0.call(request).await;
        let response = sent.map_err(|error| OutboundError::Unreachable(error.into()))?;
        let status = response.status().as_u16();
        let read = Limited::new(response.into_body(), ANSWER_MAX).collect();
        let read = read.await.map_err(OutboundError::Unreachable)?;
        Ok((status, read.to_bytes().to_vec()))
    }
}

/// The certificates of a file, each of which has to be one: a false one would only be noticed with the first request.
fn trusted(file: &Path) -> Result<TrustStore, OutboundError> {
    let unusable = |why: String| OutboundError::Trust {
        file: file.to_owned(),
        why,
    };
    let pem = std::fs::read(file).map_err(|error| unusable(error.to_string()))?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    let found = found.map_err(|error| unusable(error.to_string()))?;
    if found.is_empty() {
        return Err(unusable("it holds no certificate".into()));
    }
    let mut roots = RootCertStore::empty();
    for certificate in found {
        let added = roots.add(certificate);
        added.map_err(|error| unusable(error.to_string()))?;
    }
    Ok(TrustStore::empty().with_pem_certificate(pem))
}
