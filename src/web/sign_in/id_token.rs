//! Verifies ID tokens: the claims by the jsonwebtoken crate, the signatures by ring, the program's one crypto stack.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Once;

use jiff::Timestamp;
use jsonwebtoken::crypto::{CryptoProvider, JwtSigner, JwtVerifier, KeyUtils};
use jsonwebtoken::errors::{Error as JwtError, ErrorKind};
use jsonwebtoken::jwk::{Jwk, JwkSet, PublicKeyUse};
use jsonwebtoken::{
    Algorithm, DecodingKey, DecodingKeyKind, EncodingKey, Validation, decode, decode_header,
};
use ring::signature as ring_signature;
use serde::de::{self, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use signature::Verifier;

use super::SignInError;

/// Public keys alone: a secret that both sides know proves nothing here.
const ALGORITHMS: [Algorithm; 9] = [
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::EdDSA,
];
/// Seconds that the provider's clock may differ.
const CLOCK_SECONDS: u64 = 60;
/// A token that was made longer ago than signing in may take is an old one.
const AGE_SECONDS: i64 = 900;
/// Far longer than any token with somebody's groups.
const TOKEN_MAX: usize = 64 << 10;

/// What a token must be about.
pub struct Expected<'a> {
    pub issuer: &'a str,
    pub client_id: &'a str,
    pub nonce: &'a str,
}

/// What a token says, each claim once.
#[derive(Debug)]
pub struct Claims(BTreeMap<String, Value>);

impl Claims {
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    pub fn text(&self, name: &str) -> Option<&str> {
        self.get(name).and_then(Value::as_str)
    }
}

impl<'de> Deserialize<'de> for Claims {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Once;
        impl<'de> Visitor<'de> for Once {
            type Value = Claims;

            fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
                to.write_str("claims")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut from: A) -> Result<Claims, A::Error> {
                let mut all = BTreeMap::new();
                while let Some((name, value)) = from.next_entry::<String, Value>()? {
                    if all.insert(name, value).is_some() {
                        return Err(de::Error::custom("a claim is there twice"));
                    }
                }
                Ok(Claims(all))
            }
        }
        from.deserialize_map(Once)
    }
}

/// The claims of a token that was made for this sign-in, by a key of the provider.
pub fn verify(token: &str, keys: &JwkSet, expected: &Expected<'_>) -> Result<Claims, SignInError> {
    use_ring();
    if token.len() > TOKEN_MAX {
        return Err(SignInError::IdToken("it is too long".into()));
    }
    let header = decode_header(token).map_err(unacceptable)?;
    if !ALGORITHMS.contains(&header.alg) {
        return Err(SignInError::IdToken(
            "it is not signed by a public key".into(),
        ));
    }
    let key = choose(keys, header.kid.as_deref())?;
    let meant_for = key.common.key_algorithm.map(|meant| meant.to_string());
    if meant_for.is_some_and(|meant| meant.parse::<Algorithm>().ok() != Some(header.alg)) {
        return Err(SignInError::IdToken("its key is for something else".into()));
    }
    let key = DecodingKey::from_jwk(key).map_err(unacceptable)?;
    let mut validation = Validation::new(header.alg);
    validation.leeway = CLOCK_SECONDS;
    validation.validate_nbf = true;
    validation.set_audience(&[expected.client_id]);
    validation.set_issuer(&[expected.issuer]);
    validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
    let claims: Claims = decode(token, &key, &validation)
        .map_err(unacceptable)?
        .claims;
    if claims.text("nonce") != Some(expected.nonce) {
        return Err(SignInError::IdToken(
            "it was made for another sign-in".into(),
        ));
    }
    let several = claims
        .get("aud")
        .and_then(Value::as_array)
        .is_some_and(|all| all.len() > 1);
    let party = claims.get("azp");
    if several && party.is_none() || party.is_some_and(|party| *party != expected.client_id) {
        return Err(SignInError::IdToken(
            "it was made for another client".into(),
        ));
    }
    let age = claims.get("iat").and_then(Value::as_i64);
    let age = age.map(|made| Timestamp::now().as_second().saturating_sub(made));
    if age.is_none_or(|age| !(-CLOCK_SECONDS.cast_signed()..AGE_SECONDS).contains(&age)) {
        return Err(SignInError::IdToken("it was not made just now".into()));
    }
    Ok(claims)
}

/// The key that the token names, or the only one for signatures.
fn choose<'a>(keys: &'a JwkSet, id: Option<&str>) -> Result<&'a Jwk, SignInError> {
    let signs = |key: &&Jwk| {
        let purpose = key.common.public_key_use.as_ref();
        purpose.is_none_or(|purpose| *purpose == PublicKeyUse::Signature)
    };
    let mut fit = keys
        .keys
        .iter()
        .filter(signs)
        .filter(|key| id.is_none() || key.common.key_id.as_deref() == id);
    match (fit.next(), fit.next()) {
        (Some(key), None) => Ok(key),
        _ => Err(SignInError::IdToken(
            "the provider publishes no one key that it names".into(),
        )),
    }
}

fn unacceptable(error: JwtError) -> SignInError {
    SignInError::IdToken(error.to_string())
}

fn use_ring() {
    static RING: CryptoProvider = CryptoProvider {
        signer_factory: no_signer,
        verifier_factory: verifier,
        key_utils: KeyUtils::new_unimplemented(),
    };
    static ONCE: Once = Once::new();
    // It fails only where there is one already, and this is the only place.
    ONCE.call_once(|| {
        let _ = RING.install_default();
    });
}

#[allow(
    clippy::trivially_copy_pass_by_ref,
    reason = "the crate's type of such functions"
)]
fn no_signer(_: &Algorithm, _: &EncodingKey) -> Result<Box<dyn JwtSigner>, JwtError> {
    Err(ErrorKind::InvalidAlgorithm.into())
}

#[allow(
    clippy::trivially_copy_pass_by_ref,
    reason = "the crate's type of such functions"
)]
fn verifier(algorithm: &Algorithm, key: &DecodingKey) -> Result<Box<dyn JwtVerifier>, JwtError> {
    if algorithm.family() != key.family() || !ALGORITHMS.contains(algorithm) {
        return Err(ErrorKind::InvalidAlgorithm.into());
    }
    Ok(Box::new(RingVerifier {
        algorithm: *algorithm,
        key: key.clone(),
    }))
}

struct RingVerifier {
    algorithm: Algorithm,
    key: DecodingKey,
}

impl Verifier<Vec<u8>> for RingVerifier {
    fn verify(&self, message: &[u8], given: &Vec<u8>) -> Result<(), signature::Error> {
        let rsa: &ring_signature::RsaParameters = match self.algorithm {
            Algorithm::RS256 => &ring_signature::RSA_PKCS1_2048_8192_SHA256,
            Algorithm::RS384 => &ring_signature::RSA_PKCS1_2048_8192_SHA384,
            Algorithm::RS512 => &ring_signature::RSA_PKCS1_2048_8192_SHA512,
            Algorithm::PS256 => &ring_signature::RSA_PSS_2048_8192_SHA256,
            Algorithm::PS384 => &ring_signature::RSA_PSS_2048_8192_SHA384,
            Algorithm::PS512 => &ring_signature::RSA_PSS_2048_8192_SHA512,
            _ => return self.verify_on_curve(message, given),
        };
        let DecodingKeyKind::RsaModulusExponent { n, e } = self.key.kind() else {
            return Err(signature::Error::new());
        };
        let key = ring_signature::RsaPublicKeyComponents { n, e };
        key.verify(rsa, message, given)
            .map_err(|_| signature::Error::new())
    }
}

impl RingVerifier {
    fn verify_on_curve(&self, message: &[u8], given: &[u8]) -> Result<(), signature::Error> {
        let curve: &dyn ring_signature::VerificationAlgorithm = match self.algorithm {
            Algorithm::ES256 => &ring_signature::ECDSA_P256_SHA256_FIXED,
            Algorithm::ES384 => &ring_signature::ECDSA_P384_SHA384_FIXED,
            Algorithm::EdDSA => &ring_signature::ED25519,
            _ => return Err(signature::Error::new()),
        };
        let key = self
            .key
            .try_get_as_bytes()
            .map_err(|_| signature::Error::new())?;
        let key = ring_signature::UnparsedPublicKey::new(curve, key);
        key.verify(message, given)
            .map_err(|_| signature::Error::new())
    }
}

impl JwtVerifier for RingVerifier {
    fn algorithm(&self) -> Algorithm {
        self.algorithm
    }
}
