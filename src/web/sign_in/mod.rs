//! Signing in by OpenID Connect: the authorization code flow with PKCE, state and nonce. The provider is hostile until its ID
//! token is verified, and so is the browser that comes back.
//!
//! Sessions are in memory alone: a restart ends them all, and roles and units are those of the sign-in.

mod error;
mod id_token;
mod provider;
mod signed_in;

#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::{ConnectInfo, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{Html, IntoResponse as _, Redirect, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use parking_lot::Mutex;
use serde::Deserialize;
use serde_json::Value;
use subtle::ConstantTimeEq as _;

use super::tokens::{hash_of, random_secret, set_cookie};
use super::{OfficeBackend, Reach, Viewer};
use crate::config::{PeopleSettings, Secrets};
use crate::model::{Explain as _, OperatorAction, Sha256Digest};

pub use error::SignInError;
pub use signed_in::SignedIn;

use id_token::{Claims, Expected};
use provider::Provider;
use signed_in::PeopleSessions;

/// From leaving for the provider to coming back.
const FLOW_LASTS: Duration = Duration::from_mins(10);
/// Beyond these, the oldest ends.
const FLOWS_MAX: usize = 1000;
const NAME_MAX: usize = 64;
const CODE_MAX: usize = 4096;
const BACK: &str = "/sign-in/back";
/// Ties the way back to the browser that left; sent along when the provider's page leads back, as the session's is not.
const FLOW_TLS: &str = "__Host-camdock-sign-in";
const FLOW_PLAIN: &str = "camdock-sign-in";

/// Asks the provider whether it knows this office; returns how many keys it signs with.
pub async fn check_provider(
    settings: &PeopleSettings,
    secrets: &Secrets,
) -> Result<usize, SignInError> {
    let back = format!("{}{BACK}", settings.address);
    Provider::new(settings, secrets)?.check(&back).await
}

pub struct SignIn {
    settings: PeopleSettings,
    provider: Provider,
    backend: Arc<dyn OfficeBackend>,
    tls: bool,
    /// Oldest first.
    flows: Mutex<Vec<Flow>>,
    sessions: PeopleSessions,
}

/// A browser that was sent to the provider.
struct Flow {
    cookie: Sha256Digest,
    state: String,
    nonce: String,
    verifier: String,
    began: Instant,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Returned {
    code: String,
    state: String,
    error: String,
    /// Of providers that say it (RFC 9207).
    iss: Option<String>,
}

impl SignIn {
    pub(super) fn new(
        settings: &PeopleSettings,
        secrets: &Secrets,
        backend: Arc<dyn OfficeBackend>,
        tls: bool,
    ) -> Result<Self, SignInError> {
        Ok(Self {
            settings: settings.clone(),
            provider: Provider::new(settings, secrets)?,
            backend,
            tls,
            flows: Mutex::default(),
            sessions: PeopleSessions::default(),
        })
    }

    /// Who signed in with this cookie.
    pub(super) fn viewer(&self, cookie: &str) -> Option<Viewer> {
        self.sessions.viewer(cookie)
    }

    pub(super) fn end(&self, cookie: &str) {
        self.sessions.end(cookie);
    }

    /// Everybody who is signed in.
    pub fn signed_in(&self) -> Vec<SignedIn> {
        self.sessions.list()
    }

    /// Ends all sessions of this person; returns how many there were.
    pub fn end_all_of(&self, person: &str) -> usize {
        self.sessions.end_all_of(person)
    }

    fn back(&self) -> String {
        format!("{}{BACK}", self.settings.address)
    }

    /// The provider's address for this sign-in, and the cookie that it belongs to.
    async fn leave(&self) -> Result<(String, String), SignInError> {
        let endpoints = self.provider.endpoints().await?;
        let secret = || random_secret().ok_or(SignInError::NoRandomness);
        let (cookie, state, nonce, verifier) = (secret()?, secret()?, secret()?, secret()?);
        let challenge = URL_SAFE_NO_PAD.encode(Sha256Digest::of(verifier.as_bytes()).0);
        let address = endpoints.sign_in(&[
            ("response_type", "code"),
            ("client_id", &self.settings.client_id),
            ("redirect_uri", &self.back()),
            ("scope", "openid profile groups"),
            ("state", &state),
            ("nonce", &nonce),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
        ])?;
        let mut flows = self.flows.lock();
        flows.retain(|flow| flow.began.elapsed() < FLOW_LASTS);
        if flows.len() >= FLOWS_MAX {
            flows.remove(0);
        }
        flows.push(Flow {
            cookie: hash_of(&cookie),
            state,
            nonce,
            verifier,
            began: Instant::now(),
        });
        Ok((address, cookie))
    }

    /// Signs in who came back; returns the session's cookie.
    async fn enter(
        &self,
        flow: Option<&str>,
        returned: Returned,
        peer: SocketAddr,
    ) -> Result<String, SignInError> {
        let flow = self.take(flow.ok_or(SignInError::NoFlow)?)?;
        let same: bool = flow
            .state
            .as_bytes()
            .ct_eq(returned.state.as_bytes())
            .into();
        let foreign = (returned.iss.as_ref()).is_some_and(|issuer| *issuer != self.settings.issuer);
        if !same || foreign {
            return Err(SignInError::NoFlow);
        }
        if !returned.error.is_empty() || returned.code.is_empty() || returned.code.len() > CODE_MAX
        {
            return Err(SignInError::Declined);
        }
        let endpoints = self.provider.endpoints().await?;
        let token = self
            .provider
            .exchange(&endpoints, &returned.code, &self.back(), &flow.verifier)
            .await?;
        let keys = self.provider.keys(&endpoints).await?;
        let expected = Expected {
            issuer: &self.settings.issuer,
            client_id: &self.settings.client_id,
            nonce: &flow.nonce,
        };
        let claims = id_token::verify(&token, &keys, &expected)?;
        let viewer = self.person(&claims)?;
        let subject = claims.text("sub").unwrap_or_default();
        let signed_in = OperatorAction {
            operator: viewer.operator().to_owned(),
            action: "person.signed_in".into(),
            evidence: None,
            reason: format!(
                "subject {} of {}",
                subject.escape_default(),
                self.settings.issuer
            ),
            officer: None,
            gap: None,
            peer: Some(format!("web {}", peer.ip().to_canonical())),
        };
        tokio::task::block_in_place(|| OfficeBackend::record(&*self.backend, signed_in))
            .map_err(SignInError::NotLogged)?;
        let cookie = random_secret().ok_or(SignInError::NoRandomness)?;
        let from = format!("web {}", peer.ip().to_canonical());
        self.sessions
            .begin(&cookie, viewer, from, self.settings.session);
        Ok(cookie)
    }

    /// Each is for one return.
    fn take(&self, cookie: &str) -> Result<Flow, SignInError> {
        let cookie = hash_of(cookie);
        let mut flows = self.flows.lock();
        flows.retain(|flow| flow.began.elapsed() < FLOW_LASTS);
        let place = flows.iter().position(|flow| flow.cookie == cookie);
        Ok(flows.remove(place.ok_or(SignInError::NoFlow)?))
    }

    fn person(&self, claims: &Claims) -> Result<Viewer, SignInError> {
        let settings = &self.settings;
        let name = claims.text(&settings.name_claim);
        let fine = |name: &&str| {
            !name.trim().is_empty()
                && name.chars().count() <= NAME_MAX
                && !name.chars().any(char::is_control)
        };
        let no_name = || SignInError::NoName(settings.name_claim.clone());
        let name = name.filter(fine).ok_or_else(no_name)?;
        let groups: Vec<&str> = match claims.get(&settings.groups_claim) {
            Some(Value::Array(all)) => all.iter().filter_map(Value::as_str).collect(),
            Some(Value::String(one)) => vec![one],
            _ => Vec::new(),
        };
        let has = |group: &String| groups.contains(&group.as_str());
        let of_roles = settings.roles.iter().filter(|(group, _)| has(group));
        let roles: Arc<[_]> = of_roles.map(|(_, role)| *role).collect();
        let mut stations = Vec::new();
        let mut everywhere = settings.units.is_empty();
        for (_, unit) in settings.units.iter().filter(|(group, _)| has(group)) {
            match unit {
                Some(unit) => stations.extend(unit.iter().cloned()),
                None => everywhere = true,
            }
        }
        if roles.is_empty() || !everywhere && stations.is_empty() {
            return Err(SignInError::NoRole(name.to_owned()));
        }
        let reach = if everywhere {
            Reach::All
        } else {
            Reach::Stations(stations.into())
        };
        Ok(Viewer {
            name: Some(name.into()),
            roles,
            reach,
        })
    }

    fn flow_cookie(&self, value: &str, lasts: Duration) -> String {
        let (name, secure) = if self.tls {
            (FLOW_TLS, "; Secure")
        } else {
            (FLOW_PLAIN, "")
        };
        let age = lasts.as_secs();
        format!("{name}={value}; Path=/; HttpOnly; SameSite=Lax{secure}; Max-Age={age}")
    }
}

fn flow_of(headers: &HeaderMap) -> Option<&str> {
    let lines = headers.get_all(header::COOKIE).iter();
    let pairs = lines
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(';'));
    let mut named = pairs.filter_map(|pair| pair.trim().split_once('='));
    named
        .find(|(name, _)| [FLOW_TLS, FLOW_PLAIN].contains(name))
        .map(|(_, value)| value)
}

pub(super) async fn leave(State(sign_in): State<Arc<SignIn>>) -> Response {
    match sign_in.leave().await {
        Ok((address, cookie)) => {
            let cookie = sign_in.flow_cookie(&cookie, FLOW_LASTS);
            ([(header::SET_COOKIE, cookie)], Redirect::to(&address)).into_response()
        }
        Err(error) => refused(&error),
    }
}

pub(super) async fn enter(
    State(sign_in): State<Arc<SignIn>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    Query(returned): Query<Returned>,
) -> Response {
    let cookie = match sign_in.enter(flow_of(&headers), returned, peer).await {
        Ok(cookie) => cookie,
        Err(error) => return refused(&error),
    };
    let both = axum::response::AppendHeaders([
        (header::SET_COOKIE, set_cookie(&cookie, None, sign_in.tls)),
        (header::SET_COOKIE, sign_in.flow_cookie("", Duration::ZERO)),
    ]);
    // The session's cookie is sent to what this page leads to, and not where the provider's page leads to.
    let page = "<!DOCTYPE html><html lang=\"en\"><meta charset=\"utf-8\"><meta http-equiv=\"refresh\" content=\"0;url=/\">\
                <title>CamDock</title><a href=\"/\">CamDock</a></html>";
    (both, Html(page)).into_response()
}

fn refused(error: &SignInError) -> Response {
    let (code, next_step) = (error.label(), error.next_step());
    tracing::warn!(
        code,
        error = error as &dyn std::error::Error,
        next_step,
        "somebody could not sign in"
    );
    let status = match error {
        SignInError::Unreachable(_) | SignInError::Silent | SignInError::Answer(_) => {
            StatusCode::BAD_GATEWAY
        }
        SignInError::NotLogged(_) | SignInError::NoRandomness => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::FORBIDDEN,
    };
    super::RefusedRequest::new(status, format!("{error}: {next_step}\n"))
        .coded(code)
        .into_response()
}
