//! TLS for every address that other machines reach: rustls with ring, TLS 1.3 alone: every browser of the last years speaks it.

use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

use super::WebError;

/// `certificates` and `key` are PEM.
pub fn acceptor(certificates: &[u8], key: &[u8]) -> Result<TlsAcceptor, WebError> {
    let chain = CertificateDer::pem_slice_iter(certificates)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|e| WebError::Certificate(e.to_string()))?;
    if chain.is_empty() {
        return Err(WebError::Certificate(
            "the file holds no certificate".into(),
        ));
    }
    let key = PrivateKeyDer::from_pem_slice(key)
        // Never the parser's own words: they could quote the key.
        .map_err(|_| WebError::Certificate("the key file holds no PEM private key".into()))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
        .map_err(|e| WebError::Certificate(e.to_string()))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}
