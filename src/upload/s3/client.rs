use std::sync::Arc;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{
    AppName, BehaviorVersion, Builder, Credentials, Region, RequestChecksumCalculation,
    ResponseChecksumValidation, SharedHttpClient, StalledStreamProtectionConfig,
};
use aws_smithy_http_client::Connector;
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use crate::upload::{BoxError, StoreConfig, UploadError};

use super::server_clock::{ClockInterceptor, ServerClock};

/// A larger file is not a certificate bundle.
const LARGEST_BUNDLE: u64 = 4 << 20;

pub fn build(config: &StoreConfig, clock: Arc<ServerClock>) -> Result<Client, UploadError> {
    let credentials = Credentials::new(
        config.access_key.as_str(),
        config.secret_key.as_str(),
        config
            .session_token
            .as_ref()
            .map(|token| token.as_str().to_owned()),
        None,
        "camdock",
    );
    let mut builder = Builder::new()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(config.region.clone()))
        .credentials_provider(credentials)
        .force_path_style(config.path_style)
        .http_client(http_client(config)?)
        // The one retry loop is ours; a second one below it would multiply the attempts.
        .retry_config(RetryConfig::disabled())
        .timeout_config(
            TimeoutConfig::builder()
                .connect_timeout(config.connect_timeout)
                .build(),
        )
        // It fails on slow links; each call has a limit that grows with its bytes instead.
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        // Each body comes with its SHA-256; the SDK must not hash it again.
        .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
        .response_checksum_validation(ResponseChecksumValidation::WhenRequired)
        // An operator has to correct a wrong clock: retention dates and the log come from it.
        .disable_clock_skew_correction(true)
        .interceptor(ClockInterceptor(clock));
    if let Ok(name) = AppName::new("camdock") {
        builder = builder.app_name(name);
    }
    if let Some(endpoint) = &config.endpoint {
        builder = builder.endpoint_url(endpoint);
    }
    Ok(Client::from_conf(builder.build()))
}

/// rustls over ring, the one crypto stack of the program.
fn http_client(config: &StoreConfig) -> Result<SharedHttpClient, UploadError> {
    let plain = config
        .endpoint
        .as_ref()
        .is_some_and(|endpoint| endpoint.starts_with("http://"));
    let trust = match &config.ca_file {
        Some(path) => {
            let wrong = |what, source| UploadError::Setup {
                what,
                path: path.display().to_string(),
                source,
            };
            let pem = read_bounded(path)
                .map_err(|source| wrong("cannot read the certificate file", source))?;
            check_bundle(&pem).map_err(|source| wrong("no usable certificate in", source))?;
            TrustStore::empty().with_pem_certificate(pem)
        }
        // A machine without system certificates can still use a plain endpoint.
        None if plain => TrustStore::empty(),
        None => TrustStore::default(),
    };
    let tls = TlsContext::builder()
        .with_trust_store(trust)
        .build()
        .map_err(|source| UploadError::Setup {
            what: "cannot set TLS up for",
            path: config.endpoint.clone().unwrap_or_default(),
            source: source.into(),
        })?;
    Ok(
        aws_smithy_http_client::Builder::new().build_with_connector_fn(
            move |settings, components| {
                // HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY.
                let mut connector = Connector::builder().proxy_config(ProxyConfig::from_env());
                connector.set_connector_settings(settings.cloned());
                if let Some(components) = components {
                    connector.set_sleep_impl(components.sleep_impl());
                }
                connector
                    .tls_provider(Provider::Rustls(CryptoMode::Ring))
                    .tls_context(tls.clone())
                    .build()
            },
        ),
    )
}

/// The certificates of a file, and nothing of the system's, for a connection to somebody else than the store.
pub fn trusted_alone(path: &std::path::Path) -> Result<TrustStore, BoxError> {
    let pem = read_bounded(path)?;
    check_bundle(&pem)?;
    Ok(TrustStore::empty().with_pem_certificate(pem))
}

fn read_bounded(path: &std::path::Path) -> Result<Vec<u8>, BoxError> {
    use std::io::Read as _;
    let mut pem = Vec::new();
    std::fs::File::open(path)?
        .take(LARGEST_BUNDLE + 1)
        .read_to_end(&mut pem)?;
    if pem.len() as u64 > LARGEST_BUNDLE {
        return Err("larger than 4 MiB".into());
    }
    Ok(pem)
}

/// The client would panic on a bundle that it cannot read, so this checks it first.
fn check_bundle(pem: &[u8]) -> Result<(), BoxError> {
    let mut roots = rustls::RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        roots.add(certificate.map_err(|e| format!("{e:?}"))?)?;
    }
    if roots.is_empty() {
        return Err("it holds no PEM certificate".into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Explain as _;

    #[test]
    fn a_bad_certificate_file_is_named_and_never_panics() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ca.pem");
        let mut config = StoreConfig::new("eu-west-1", "evidence", "a", "b");
        config.ca_file = Some(path.clone());
        for content in [
            None,
            Some(""),
            Some("hello"),
            Some("-----BEGIN CERTIFICATE-----\n!!\n-----END CERTIFICATE-----\n"),
            Some("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
        ] {
            if let Some(content) = content {
                std::fs::write(&path, content).unwrap();
            }
            let error = build(&config, Arc::default()).unwrap_err();
            assert_eq!(error.label(), "store_setup");
            assert!(error.to_string().contains("ca.pem"), "{error}");
        }
    }
}
