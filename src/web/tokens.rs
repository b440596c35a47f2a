//! Tokens and the cookie of a session. A token is 32 random bytes, so it cannot be guessed from its SHA-256.

use std::time::Duration;

use axum::http::{HeaderMap, header};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use parking_lot::RwLock;
use ring::rand::{SecureRandom as _, SystemRandom};
use subtle::{Choice, ConditionallySelectable as _, ConstantTimeEq as _};

use super::{Reach, Viewer};
use crate::config::Token;
use crate::model::Sha256Digest;

/// Makes a leaked token easy to recognise for secret scanners.
pub const TOKEN_PREFIX: &str = "camdock_";
/// The browser enforces this prefix: the cookie is sent back over TLS only, and to this host only.
const COOKIE_TLS: &str = "__Host-camdock";
const COOKIE_PLAIN: &str = "camdock";
const TOKEN_MAX: usize = 128;

/// A new token; `None` when the system has no randomness.
pub fn new_token() -> Option<String> {
    Some(format!("{TOKEN_PREFIX}{}", random_secret()?))
}

/// 256 bits of randomness.
pub(crate) fn random_secret() -> Option<String> {
    let mut bytes = [0; 32];
    SystemRandom::new().fill(&mut bytes).ok()?;
    Some(URL_SAFE_NO_PAD.encode(bytes))
}

pub fn hash_of(token: &str) -> Sha256Digest {
    Sha256Digest::of(token.as_bytes())
}

/// The configured tokens; a reload replaces them.
pub(crate) struct Tokens {
    known: RwLock<Vec<(Viewer, Sha256Digest)>>,
}

impl Tokens {
    pub fn new(tokens: &[Token]) -> Self {
        let new = Self {
            known: RwLock::default(),
        };
        new.replace(tokens);
        new
    }

    /// Takes effect with the next request: a token that is no longer in the list is refused.
    pub fn replace(&self, tokens: &[Token]) {
        let new = tokens
            .iter()
            .map(|t| {
                let reach = match &t.stations {
                    Some(stations) => Reach::Stations(stations.as_slice().into()),
                    None => Reach::All,
                };
                let viewer = Viewer::of_token(t.name.as_str().into(), t.role, reach);
                (viewer, t.sha256)
            })
            .collect();
        *self.known.write() = new;
    }

    pub fn find(&self, token: &str) -> Option<Viewer> {
        if token.len() > TOKEN_MAX {
            return None;
        }
        self.find_digest(&hash_of(token))
    }

    /// Compares with every known token, in constant time.
    pub fn find_digest(&self, hash: &Sha256Digest) -> Option<Viewer> {
        let all = self.known.read();
        let mut found = u32::MAX;
        for (index, (_, known)) in (0u32..).zip(&*all) {
            let same: Choice = known.0.ct_eq(&hash.0);
            found.conditional_assign(&index, same);
        }
        let (viewer, _) = all.get(found as usize)?;
        Some(viewer.clone())
    }
}

/// How a request identifies its viewer.
pub(crate) enum Credential<'a> {
    Bearer(&'a str),
    /// Our cookie.
    Session(&'a str),
}

impl<'a> Credential<'a> {
    /// `tls`: whether the request came over TLS.
    pub fn of(headers: &'a HeaderMap, tls: bool) -> Option<Self> {
        let bearer = headers
            .get(header::AUTHORIZATION)
            .and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
        bearer
            .map(Self::Bearer)
            .or_else(|| session_cookie(headers, tls).map(Self::Session))
    }
}

/// Stands for the cookie or token of a request; it says nothing about either.
pub(crate) fn session_digest(headers: &HeaderMap, tls: bool) -> Option<Sha256Digest> {
    match Credential::of(headers, tls)? {
        Credential::Bearer(secret) | Credential::Session(secret) => Some(hash_of(secret)),
    }
}

/// The cookie of the name that is set over this kind of connection: only the browser keeps others from setting the one for TLS.
pub(crate) fn session_cookie(headers: &HeaderMap, tls: bool) -> Option<&str> {
    let ours = cookie_name(tls);
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(name, _)| *name == ours)
        .map(|(_, value)| value)
}

fn cookie_name(tls: bool) -> &'static str {
    if tls { COOKIE_TLS } else { COOKIE_PLAIN }
}

/// Never readable by scripts, never sent from other sites. `lasting`: kept when the browser restarts.
pub(crate) fn set_cookie(value: &str, lasting: Option<Duration>, tls: bool) -> String {
    let (name, secure) = (cookie_name(tls), if tls { "; Secure" } else { "" });
    let age = lasting.map_or_else(String::new, |age| format!("; Max-Age={}", age.as_secs()));
    format!("{name}={value}; Path=/; HttpOnly; SameSite=Strict{secure}{age}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Role;

    #[test]
    fn over_tls_a_cookie_that_others_can_set_is_nobodys() {
        let mut headers = HeaderMap::new();
        let both = "camdock=planted; __Host-camdock=own".parse().unwrap();
        headers.insert(header::COOKIE, both);
        assert_eq!(session_cookie(&headers, true), Some("own"));
        headers.insert(header::COOKIE, "camdock=planted".parse().unwrap());
        assert_eq!(session_cookie(&headers, true), None);
        assert!(Credential::of(&headers, true).is_none());
        assert_eq!(session_cookie(&headers, false), Some("planted"));
    }

    #[test]
    fn only_the_very_token_is_known_and_it_brings_its_role() {
        let (one, two) = (new_token().unwrap(), new_token().unwrap());
        assert_ne!(one, two);
        let token = |name: &str, role, token: &str| Token {
            name: name.into(),
            role,
            sha256: hash_of(token),
            stations: None,
        };
        let tokens = Tokens::new(&[
            token("desk", Role::Kiosk, &one),
            token("M. Shah", Role::Evidence, &two),
        ]);
        let found = tokens.find(&two).unwrap();
        assert_eq!(
            (found.name.as_deref(), &*found.roles),
            (Some("M. Shah"), &[Role::Evidence][..])
        );
        assert_eq!(*tokens.find(&one).unwrap().roles, [Role::Kiosk]);
        for wrong in [
            "",
            &one[1..],
            &format!("{one} "),
            &hash_of(&one).to_string(),
        ] {
            assert_eq!(tokens.find(wrong), None, "{wrong:?}");
        }
        assert_eq!(Tokens::new(&[]).find(""), None);
        tokens.replace(&[]);
        assert_eq!(tokens.find(&two), None, "revoked");
    }
}
