//! Tokens, roles and limits. Tokens are 32 random bytes, so their plain SHA-256 can't be guessed back.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::http::{HeaderMap, header};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use parking_lot::{Mutex, RwLock};
use ring::rand::{SecureRandom as _, SystemRandom};
use subtle::{Choice, ConditionallySelectable as _, ConstantTimeEq as _};

use super::Viewer;
use crate::config::{Role, Token};
use crate::model::Sha256Digest;

/// Makes a leaked token easy to recognise for secret scanners.
pub const TOKEN_PREFIX: &str = "camdock_";
/// Under TLS the browser enforces the prefix: sent back over TLS only, to this host only.
const COOKIE_TLS: &str = "__Host-camdock";
const COOKIE_PLAIN: &str = "camdock";
const TOKEN_MAX: usize = 128;

/// A new token with 256 bits of randomness; `None` when the system has none.
pub fn new_token() -> Option<String> {
    let mut bytes = [0; 32];
    SystemRandom::new().fill(&mut bytes).ok()?;
    Some(format!("{TOKEN_PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes)))
}

pub fn hash_of(token: &str) -> Sha256Digest {
    Sha256Digest::of(token.as_bytes())
}

/// The configured tokens; a reload replaces them.
pub(crate) struct Tokens {
    known: RwLock<Vec<(Arc<str>, Role, Sha256Digest)>>,
}

impl Tokens {
    pub fn new(tokens: &[Token]) -> Self {
        let new = Self {
            known: RwLock::default(),
        };
        new.replace(tokens);
        new
    }

    /// From the next request on: whoever is not in the list any more is out.
    pub fn replace(&self, tokens: &[Token]) {
        let new = tokens
            .iter()
            .map(|t| (Arc::from(t.name.as_str()), t.role, t.sha256))
            .collect();
        *self.known.write() = new;
    }

    /// Compares with every known token, in the same time whichever matches or none.
    pub fn find(&self, token: &str) -> Option<Viewer> {
        if token.len() > TOKEN_MAX {
            return None;
        }
        let hash = hash_of(token);
        let all = self.known.read();
        let mut found = u32::MAX;
        for (index, (_, _, known)) in (0u32..).zip(&*all) {
            let same: Choice = known.0.ct_eq(&hash.0);
            found.conditional_assign(&index, same);
        }
        let (name, role, _) = all.get(found as usize)?;
        Some(Viewer {
            name: Some(Arc::clone(name)),
            role: *role,
        })
    }
}

/// The token that a request carries: as a bearer, else in our cookie.
pub(crate) fn presented(headers: &HeaderMap) -> Option<&str> {
    let bearer = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
    bearer.or_else(|| {
        headers
            .get_all(header::COOKIE)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|line| line.split(';'))
            .filter_map(|pair| pair.trim().split_once('='))
            .find(|(name, _)| [COOKIE_TLS, COOKIE_PLAIN].contains(name))
            .map(|(_, token)| token)
    })
}

/// Never readable by scripts, never sent along from other sites. A kiosk keeps it over restarts of its browser.
pub(crate) fn cookie(token: &str, role: Role, tls: bool) -> String {
    let (name, secure) = if tls {
        (COOKIE_TLS, "; Secure")
    } else {
        (COOKIE_PLAIN, "")
    };
    let lasting = if role == Role::Kiosk {
        "; Max-Age=31536000"
    } else {
        ""
    };
    format!("{name}={token}; Path=/; HttpOnly; SameSite=Strict{secure}{lasting}")
}

pub(crate) fn cookie_removed(tls: bool) -> String {
    let (name, secure) = if tls {
        (COOKIE_TLS, "; Secure")
    } else {
        (COOKIE_PLAIN, "")
    };
    format!("{name}=; Path=/; HttpOnly; SameSite=Strict{secure}; Max-Age=0")
}

/// A bucket of permissions for each address that fills up again with time.
pub(crate) struct Limiter {
    burst: f64,
    per_second: f64,
    buckets: Mutex<HashMap<IpAddr, (f64, Instant)>>,
}

/// Addresses that are remembered; beyond that the fullest buckets are forgotten.
const ADDRESSES_MAX: usize = 4096;

impl Limiter {
    pub fn new(burst: u32, per: Duration) -> Self {
        Self {
            burst: f64::from(burst),
            per_second: 1.0 / per.as_secs_f64(),
            buckets: Mutex::default(),
        }
    }

    /// Takes one permission; `false`: too many.
    pub fn take(&self, from: IpAddr) -> bool {
        self.change(from, Instant::now(), 1.0)
    }

    /// Whether there is one left, without taking it.
    pub fn has(&self, from: IpAddr) -> bool {
        self.change(from, Instant::now(), 0.0)
    }

    fn change(&self, from: IpAddr, now: Instant, take: f64) -> bool {
        let mut buckets = self.buckets.lock();
        let filled = |(level, at): (f64, Instant)| {
            (level + now.duration_since(at).as_secs_f64() * self.per_second).min(self.burst)
        };
        if buckets.len() >= ADDRESSES_MAX {
            buckets.retain(|_, bucket| filled(*bucket) < self.burst);
            if buckets.len() >= ADDRESSES_MAX {
                buckets.clear();
            }
        }
        let level = buckets
            .get(&network(from))
            .map_or(self.burst, |bucket| filled(*bucket));
        let fine = level >= 1.0;
        let left = if fine { level - take } else { level };
        buckets.insert(network(from), (left, now));
        fine
    }
}

/// One household of IPv6 counts as one address.
pub(super) fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
            Some(v4) => v4.into(),
            None => IpAddr::V6((v6.to_bits() & !(u128::MAX >> 64)).into()),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_very_token_is_known_and_it_brings_its_role() {
        let (one, two) = (new_token().unwrap(), new_token().unwrap());
        assert_ne!(one, two);
        let token = |name: &str, role, token: &str| Token {
            name: name.into(),
            role,
            sha256: hash_of(token),
        };
        let tokens = Tokens::new(&[
            token("desk", Role::Kiosk, &one),
            token("M. Shah", Role::Evidence, &two),
        ]);
        let found = tokens.find(&two).unwrap();
        assert_eq!(
            (found.name.as_deref(), found.role),
            (Some("M. Shah"), Role::Evidence)
        );
        assert_eq!(tokens.find(&one).unwrap().role, Role::Kiosk);
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

    #[test]
    fn a_limit_holds_for_an_address_and_ends_with_time() {
        let limiter = Limiter::new(3, Duration::from_secs(1));
        let (a, b): (IpAddr, IpAddr) = ([10, 0, 0, 1].into(), [10, 0, 0, 2].into());
        let now = Instant::now();
        assert!((0..3).all(|_| limiter.change(a, now, 1.0)));
        assert!(!limiter.change(a, now, 1.0));
        assert!(limiter.change(b, now, 1.0));
        assert!(limiter.change(a, now + Duration::from_millis(1100), 1.0));
        let v6: IpAddr = "2001:db8::1".parse().unwrap();
        let neighbour: IpAddr = "2001:db8::2".parse().unwrap();
        assert!((0..3).all(|_| limiter.change(v6, now, 1.0)));
        assert!(!limiter.change(neighbour, now, 1.0));
    }
}
