//! TLS for every address that other machines reach: rustls with ring, and TLS 1.3 only, which every current browser has.

use std::sync::Arc;

use parking_lot::RwLock;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

use super::WebError;
use crate::config::{Secrets, Tls, WebSettings};

/// Certificate and key in use. Renewing replaces them under the open listeners; open connections keep theirs.
#[derive(Clone)]
pub struct Identity(Arc<RwLock<TlsAcceptor>>);

impl Identity {
    pub fn load(files: &Tls, secrets: &Secrets) -> Result<Self, WebError> {
        Ok(Self(Arc::new(RwLock::new(read(files, secrets)?))))
    }

    /// Reads the files again; files that cannot be used change nothing.
    pub fn renew(&self, files: &Tls, secrets: &Secrets) -> Result<(), WebError> {
        let renewed = read(files, secrets)?;
        *self.0.write() = renewed;
        Ok(())
    }

    pub fn acceptor(&self) -> TlsAcceptor {
        self.0.read().clone()
    }
}

/// What keeps the pages from using their certificate or key.
pub fn tls_problem(pages: &WebSettings, secrets: &Secrets) -> Option<WebError> {
    let files = pages.tls.as_ref()?;
    read(files, secrets).err()
}

fn read(files: &Tls, secrets: &Secrets) -> Result<TlsAcceptor, WebError> {
    let certificates = std::fs::read(&files.certificate)
        .map_err(|e| WebError::Certificate(format!("{}: {e}", files.certificate.display())))?;
    acceptor(&certificates, &secrets.web_tls_key(&files.key)?)
}

/// `certificates` and `key` are PEM.
fn acceptor(certificates: &[u8], key: &[u8]) -> Result<TlsAcceptor, WebError> {
    let chain = CertificateDer::pem_slice_iter(certificates)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|e| WebError::Certificate(e.to_string()))?;
    if chain.is_empty() {
        return Err(WebError::Certificate(
            "the file holds no certificate".into(),
        ));
    }
    let key = PrivateKeyDer::from_pem_slice(key)
        // Never the parser's own message: it could quote the key.
        .map_err(|_| WebError::Certificate("the key file holds no PEM private key".into()))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
        .map_err(|e| WebError::Certificate(e.to_string()))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}
