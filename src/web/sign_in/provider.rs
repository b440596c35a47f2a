//! Asks the provider (OpenID Connect Discovery, and the code flow's token request). Its answers are hostile until they are
//! checked: bounded in bytes and in time, and no redirection is followed.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jsonwebtoken::jwk::JwkSet;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::sync::Semaphore;
use url::Url;
use url::form_urlencoded::{Serializer, byte_serialize};
use zeroize::Zeroizing;

use super::SignInError;
use crate::config::{PeopleSettings, Secrets};
use crate::web::outbound::OutboundClient;

const WHY_MAX: usize = 100;
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// Requests on their way at a time: somebody who begins many sign-ins does not make the office a flood.
const AT_A_TIME: usize = 8;

pub struct Provider {
    pub issuer: String,
    pub client_id: String,
    pub secret: Zeroizing<String>,
    client: OutboundClient,
    places: Semaphore,
}

/// What the provider says of itself; each endpoint is as safe as the issuer.
#[derive(Debug, Deserialize)]
pub struct Endpoints {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    jwks_uri: String,
}

#[derive(Deserialize)]
struct TokenAnswer {
    id_token: String,
}

/// RFC 6749, section 5.2.
#[derive(Deserialize)]
struct RefusalAnswer {
    error: String,
}

impl Provider {
    pub fn new(people: &PeopleSettings, secrets: &Secrets) -> Result<Self, SignInError> {
        let secret = secrets.people_client(people)?;
        let plain = people.issuer.starts_with("http://");
        let client = OutboundClient::new(people.ca_file.as_deref(), plain)?;
        Ok(Self {
            issuer: people.issuer.clone(),
            client_id: people.client_id.clone(),
            secret,
            client,
            places: Semaphore::new(AT_A_TIME),
        })
    }

    /// Whether the provider answers, has keys, and knows this office by its secret: it is asked for a token by a code that it never
    /// gave, and has to refuse the code alone.
    pub async fn check(&self, back: &str) -> Result<usize, SignInError> {
        let endpoints = self.endpoints().await?;
        let keys = self.keys(&endpoints).await?.keys.len();
        if keys == 0 {
            return Err(SignInError::Answer("it publishes no keys"));
        }
        let code = "camdock-office-check";
        match self.exchange(&endpoints, code, back, code).await {
            Err(SignInError::Refused { why, .. }) if why == "invalid_grant" => Ok(keys),
            Err(error) => Err(error),
            Ok(_) => Err(SignInError::Answer("it takes a code that it never gave")),
        }
    }

    pub async fn endpoints(&self) -> Result<Endpoints, SignInError> {
        let issuer = self.issuer.trim_end_matches('/');
        let address = format!("{issuer}/.well-known/openid-configuration");
        let found: Endpoints = self.ask(&address, None).await?;
        if found.issuer != self.issuer {
            return Err(SignInError::Answer("it names another issuer"));
        }
        let scheme = Url::parse(&self.issuer).map(|url| url.scheme().to_owned());
        let scheme = scheme.unwrap_or_default();
        let all = [
            &found.authorization_endpoint,
            &found.token_endpoint,
            &found.jwks_uri,
        ];
        // An issuer on loopback may be plain, and so may what it names there.
        let safe = |address: &&String| {
            Url::parse(address).is_ok_and(|url| url.scheme() == "https" || url.scheme() == scheme)
        };
        if !all.iter().all(safe) {
            return Err(SignInError::Answer("it names an address that is not https"));
        }
        Ok(found)
    }

    pub async fn keys(&self, endpoints: &Endpoints) -> Result<JwkSet, SignInError> {
        self.ask(&endpoints.jwks_uri, None).await
    }

    /// The ID token for a code.
    pub async fn exchange(
        &self,
        endpoints: &Endpoints,
        code: &str,
        back: &str,
        verifier: &str,
    ) -> Result<String, SignInError> {
        let form = Serializer::new(String::new())
            .append_pair("grant_type", "authorization_code")
            .append_pair("code", code)
            .append_pair("redirect_uri", back)
            .append_pair("code_verifier", verifier)
            .finish();
        let answer: TokenAnswer = self.ask(&endpoints.token_endpoint, Some(form)).await?;
        Ok(answer.id_token)
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        address: &str,
        form: Option<String>,
    ) -> Result<T, SignInError> {
        let asked = async {
            let place = self.places.acquire().await;
            let said = self.send(address, form).await;
            drop(place);
            said
        };
        let said = tokio::time::timeout(ANSWER_WITHIN, asked).await;
        let said = said.map_err(|_| SignInError::Silent)??;
        serde_json::from_slice(&said)
            .map_err(|_| SignInError::Answer("it is not what was asked for"))
    }

    async fn send(&self, address: &str, form: Option<String>) -> Result<Vec<u8>, SignInError> {
        let authorization = form.is_some().then(|| self.credentials());
        let mut headers = vec![("accept", "application/json")];
        if let Some(authorization) = &authorization {
            headers.push(("content-type", "application/x-www-form-urlencoded"));
            headers.push(("authorization", authorization));
        }
        let (status, bytes) = self.client.send(address, &headers, form).await?;
        match status {
            200 => Ok(bytes),
            400..500 => {
                let told = serde_json::from_slice::<RefusalAnswer>(&bytes).ok();
                let mut why = told.map(|told| told.error).unwrap_or_default();
                why.truncate(why.floor_char_boundary(WHY_MAX));
                Err(SignInError::Refused { status, why })
            }
            _ => Err(SignInError::Answer("its status says that it cannot answer")),
        }
    }

    fn credentials(&self) -> String {
        let encoded = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
        let both = format!("{}:{}", encoded(&self.client_id), encoded(&self.secret));
        format!("Basic {}", STANDARD.encode(both))
    }
}

impl Endpoints {
    /// Where the browser is sent to.
    pub fn sign_in(&self, parameters: &[(&str, &str)]) -> Result<String, SignInError> {
        let wrong = |_| SignInError::Answer("it names an address that is none");
        let mut url = Url::parse(&self.authorization_endpoint).map_err(wrong)?;
        url.query_pairs_mut().extend_pairs(parameters);
        Ok(url.into())
    }
}
