//! That somebody opens an item is entered before it is opened: by the office in its log, or as a signed note in the bucket.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail};
use aws_sdk_s3::config::http::{HttpRequest, HttpResponse};
use aws_sdk_s3::primitives::SdkBody;
use aws_smithy_http_client::Connector;
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use aws_smithy_runtime_api::client::http::HttpConnector as _;
use http_body_util::{BodyExt as _, Limited};
use serde_json::json;
use tokio::runtime::Runtime;
use zeroize::Zeroizing;

use super::bucket::Bucket;
use super::confirm::signer;
use super::usage;
use crate::audit::{LogKey, Viewing};
use crate::config::{self, Config};
use crate::ingest::now;
use crate::model::{Escaped, EvidenceId, Part, StationName, is_one_line};

/// The office answers once the view is published.
const WITHIN: Duration = Duration::from_secs(50);
const ANSWER_MAX: usize = 1 << 20;
const TOKEN_MAX: usize = 512;
/// Characters of a refusal that are shown.
const SAID_MAX: usize = 300;

// Not a doc comment: clap would show it as the help of each verb that takes these arguments.
#[derive(clap::Args)]
pub struct ViewArgs {
    /// Why it is opened; recorded before anything is opened, by the office or as a signed note in the bucket
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// The address of the office's pages: the office enters it in its log
    #[arg(
        long,
        value_name = "URL",
        requires = "token_file",
        conflicts_with = "signer"
    )]
    office: Option<String>,
    /// A file with a token of the office, of a role that may watch
    #[arg(long, value_name = "FILE", requires = "office")]
    token_file: Option<PathBuf>,
    /// Certificates (PEM) to trust for the office in place of the system's
    #[arg(long, value_name = "FILE", requires = "office")]
    office_ca: Option<PathBuf>,
    /// Without an office: a key of `camdock keygen confirmer`, its public half beside it, that signs a note in the bucket
    #[arg(long, value_name = "FILE.key")]
    signer: Option<PathBuf>,
}

/// Where it is entered.
pub struct Views {
    reason: String,
    station: StationName,
    origin: String,
    means: Means,
}

enum Means {
    Office(OfficeClient),
    Note { key: LogKey, name: String },
}

struct OfficeClient {
    runtime: Runtime,
    connector: Connector,
    address: String,
    token: Zeroizing<String>,
}

impl ViewArgs {
    pub fn views(&self, config: &Config) -> anyhow::Result<Views> {
        const WANTED: &str = "opening an item leaves a trace before anything is seen: give --reason, and --office with --token-file, or --signer where there is no office";
        let reason = self.reason.as_deref().map(str::trim).unwrap_or_default();
        if reason.is_empty() || (self.office.is_none() && self.signer.is_none()) {
            return Err(usage(WANTED));
        }
        if !is_one_line(reason) {
            return Err(usage("--reason is too long or not one line"));
        }
        let means = match (&self.office, &self.signer) {
            (Some(address), _) => Means::Office(self.office(address)?),
            (None, Some(file)) => {
                let (key, public) = signer(file)?;
                let name = public.name().to_owned();
                Means::Note { key, name }
            }
            (None, None) => return Err(usage(WANTED)),
        };
        Ok(Views {
            reason: reason.to_owned(),
            station: config.station.name.clone(),
            origin: config.station.log_origin.clone(),
            means,
        })
    }

    fn office(&self, address: &str) -> anyhow::Result<OfficeClient> {
        if !config::keeps_secrets(address) {
            return Err(usage(
                "--office is an address that begins with https://, without a query; plain http is for loopback alone",
            ));
        }
        let file = self.token_file.as_deref().unwrap_or(Path::new(""));
        let token = std::fs::read_to_string(file).map(Zeroizing::new);
        let token = token.with_context(|| format!("cannot read {}", file.display()))?;
        let token = Zeroizing::new(token.trim().to_owned());
        if token.is_empty()
            || token.len() > TOKEN_MAX
            || !token.bytes().all(|b| b.is_ascii_graphic())
        {
            return Err(usage(format!("{} holds no token", file.display())));
        }
        let trust = match &self.office_ca {
            Some(file) => {
                let pem = std::fs::read(file);
                let pem = pem.with_context(|| format!("cannot read {}", file.display()))?;
                TrustStore::empty().with_pem_certificate(pem)
            }
            None if address.starts_with("http://") => TrustStore::empty(),
            None => TrustStore::default(),
        };
        let tls = TlsContext::builder().with_trust_store(trust).build();
        let connector = Connector::builder()
            .proxy_config(ProxyConfig::from_env())
            .tls_provider(Provider::Rustls(CryptoMode::Ring))
            .tls_context(tls.context("the certificates for the office cannot be used")?)
            .build();
        Ok(OfficeClient {
            runtime: tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?,
            connector,
            address: address.trim_end_matches('/').to_owned(),
            token,
        })
    }
}

impl Views {
    /// Enters that this is opened; nothing may be opened if it fails. `part`: this object alone.
    pub fn enter(
        &self,
        bucket: &Bucket,
        evidence: EvidenceId,
        part: Option<Part>,
    ) -> anyhow::Result<()> {
        let entered = match &self.means {
            Means::Office(office) => office.enter(&self.station, evidence, part, &self.reason),
            Means::Note { key, name } => {
                let viewing = Viewing {
                    origin: self.origin.clone(),
                    evidence,
                    part,
                    reason: self.reason.clone(),
                    time: now(),
                };
                let note = viewing.sign(key, name)?;
                bucket.put_view(evidence, viewing.time, note)
            }
        };
        entered.with_context(|| {
            format!("it could not be entered that {evidence} is opened, so it was not opened")
        })
    }
}

impl OfficeClient {
    fn enter(
        &self,
        station: &StationName,
        evidence: EvidenceId,
        part: Option<Part>,
        reason: &str,
    ) -> anyhow::Result<()> {
        let address = format!("{}/api/watch/{station}/{evidence}", self.address);
        let asked = async { tokio::time::timeout(WITHIN, self.post(&address, part, reason)).await };
        let asked = self.runtime.block_on(asked);
        let (status, said) = asked.context("the office does not answer")??;
        if status != 200 {
            let said: String = said.chars().take(SAID_MAX).collect();
            bail!(
                "the office answers {status}: {}",
                Escaped(said.trim().as_bytes())
            );
        }
        Ok(())
    }

    async fn post(
        &self,
        address: &str,
        part: Option<Part>,
        reason: &str,
    ) -> anyhow::Result<(u16, String)> {
        // The item key by itself opens all of the item, so the office is asked for all of it.
        let part = part.filter(|part| *part != Part::ItemKey);
        let body = json!({"reason": reason, "part": part}).to_string();
        let mut request = HttpRequest::new(SdkBody::from(body));
        request.set_method("POST")?;
        request.set_uri(address)?;
        let headers = request.headers_mut();
        headers.insert("content-type", "application/json");
        headers.insert("authorization", format!("Bearer {}", &*self.token));
        let response: HttpResponse = self
            .connector
            .call(request)
            .await
            .map_err(|error| anyhow::anyhow!("the office cannot be reached: {error:?}"))?;
        let status = response.status().as_u16();
        let read = Limited::new(response.into_body(), ANSWER_MAX).collect();
        let read = read
            .await
            .map_err(|error| anyhow::anyhow!("the office's answer cannot be read: {error}"))?;
        Ok((
            status,
            String::from_utf8_lossy(&read.to_bytes()).into_owned(),
        ))
    }
}
