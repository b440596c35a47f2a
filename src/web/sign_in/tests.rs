//! ID tokens that nobody should believe.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use jsonwebtoken::jwk::JwkSet;
use ring::hmac;
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _,
};
use serde_json::{Value, json};

use super::id_token::{Claims, Expected, verify};

const EXPECTED: Expected<'static> = Expected {
    issuer: "https://login.example/realms/force",
    client_id: "office",
    nonce: "of this sign-in",
};

/// The provider's keys: one on P-256, one of Ed25519.
struct Provider {
    curve: EcdsaKeyPair,
    edwards: Ed25519KeyPair,
}

fn curve_key() -> EcdsaKeyPair {
    let (random, kind) = (SystemRandom::new(), &ECDSA_P256_SHA256_FIXED_SIGNING);
    let pkcs8 = EcdsaKeyPair::generate_pkcs8(kind, &random).unwrap();
    EcdsaKeyPair::from_pkcs8(kind, pkcs8.as_ref(), &random).unwrap()
}

fn encoded(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn token(header: &Value, claims: &str, sign: impl Fn(&[u8]) -> Vec<u8>) -> String {
    let signed = format!("{}.{}", encoded(header.to_string()), encoded(claims));
    let signature = sign(signed.as_bytes());
    format!("{signed}.{}", encoded(signature))
}

/// What a provider says of somebody who signed in just now.
fn claims() -> Value {
    let now = Timestamp::now().as_second();
    json!({"iss": EXPECTED.issuer, "aud": "office", "sub": "1234", "nonce": EXPECTED.nonce,
        "iat": now, "exp": now + 300, "preferred_username": "mary", "groups": ["managers"]})
}

fn with(name: &str, value: Value) -> String {
    let mut all = claims();
    all[name] = value;
    all.to_string()
}

fn without(name: &str) -> String {
    let mut all = claims();
    all.as_object_mut().unwrap().remove(name);
    all.to_string()
}

impl Provider {
    fn new() -> Self {
        let pkcs8 = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        Self {
            curve: curve_key(),
            edwards: Ed25519KeyPair::from_pkcs8(pkcs8.as_ref()).unwrap(),
        }
    }

    fn jwk(&self) -> Value {
        let (x, y) = self.curve.public_key().as_ref()[1..].split_at(32);
        json!({"kty": "EC", "crv": "P-256", "kid": "curve", "use": "sig", "alg": "ES256",
            "x": encoded(x), "y": encoded(y)})
    }

    fn keys(&self) -> Value {
        json!({"keys": [
            self.jwk(),
            {"kty": "OKP", "crv": "Ed25519", "kid": "edwards", "x": encoded(self.edwards.public_key())},
            {"kty": "oct", "kid": "secret", "k": encoded("known to both sides, 32 bytes...")},
            {"kty": "of another year", "kid": "unheard of", "alg": "XX1", "z": 5},
        ]})
    }

    fn verified(&self, token: &str) -> Result<Claims, String> {
        Self::verified_with(self.keys(), token)
    }

    fn verified_with(keys: Value, token: &str) -> Result<Claims, String> {
        let keys: JwkSet = serde_json::from_value(keys).unwrap();
        verify(token, &keys, &EXPECTED).map_err(|error| error.to_string())
    }

    fn curve_signs(&self, header: &Value, claims: &str) -> String {
        let random = SystemRandom::new();
        token(header, claims, |bytes| {
            self.curve.sign(&random, bytes).unwrap().as_ref().to_vec()
        })
    }

    /// As the provider signs.
    fn signs(&self, claims: &str) -> String {
        self.curve_signs(&json!({"alg": "ES256", "kid": "curve"}), claims)
    }

    #[track_caller]
    fn refuses(&self, token: &str, why: &str) {
        let refused = self.verified(token).unwrap_err();
        assert!(refused.contains(why), "{refused}");
    }
}

#[test]
fn a_token_of_the_provider_is_believed_and_says_who_signed_in() {
    let provider = Provider::new();
    let believed = provider
        .verified(&provider.signs(&claims().to_string()))
        .unwrap();
    assert_eq!(believed.text("preferred_username"), Some("mary"));
    let header = json!({"alg": "EdDSA", "kid": "edwards"});
    let sign = |bytes: &[u8]| provider.edwards.sign(bytes).as_ref().to_vec();
    provider
        .verified(&token(&header, &claims().to_string(), sign))
        .unwrap();
    for fine in [
        with("aud", json!(["office"])),
        with("azp", json!("office")),
        with("iat", json!(Timestamp::now().as_second() + 30)),
    ] {
        provider.verified(&provider.signs(&fine)).unwrap();
    }
    let mut two: Value = claims();
    two["aud"] = json!(["office", "other"]);
    two["azp"] = json!("office");
    provider
        .verified(&provider.signs(&two.to_string()))
        .unwrap();
}

#[test]
fn a_token_that_no_private_key_of_the_provider_signed_is_refused() {
    let provider = Provider::new();
    let fine = claims().to_string();
    for alg in ["none", "None", "NONE", ""] {
        let unsigned = token(&json!({"alg": alg, "kid": "curve"}), &fine, |_| Vec::new());
        provider.refuses(&unsigned, "not accepted");
    }
    // The public key, in the forms that it is known in, as the secret of an HMAC; and a secret that is among the keys.
    let jwk = provider.jwk().to_string();
    let secrets: [(&str, &[u8]); 4] = [
        ("curve", provider.curve.public_key().as_ref()),
        ("curve", &provider.curve.public_key().as_ref()[1..]),
        ("curve", jwk.as_bytes()),
        ("secret", b"known to both sides, 32 bytes..."),
    ];
    for (kid, secret) in secrets {
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
        let signed = token(&json!({"alg": "HS256", "kid": kid}), &fine, |bytes| {
            hmac::sign(&key, bytes).as_ref().to_vec()
        });
        provider.refuses(&signed, "not signed by a public key");
    }

    let stranger = Provider::new();
    provider.refuses(&stranger.signs(&fine), "InvalidSignature");
    let own = json!({"alg": "ES256", "kid": "curve", "jwk": stranger.jwk(), "jku": "http://127.0.0.1:1/keys"});
    provider.refuses(&stranger.curve_signs(&own, &fine), "InvalidSignature");
    let signed = provider.signs(&fine);
    let (rest, signature) = signed.rsplit_once('.').unwrap();
    let (header, _) = rest.split_once('.').unwrap();
    let other = encoded(with("preferred_username", json!("chief")));
    provider.refuses(&format!("{header}.{other}.{signature}"), "InvalidSignature");
    provider.refuses(&format!("{rest}."), "InvalidSignature");
    for cut in ["", ".", "..", "a.b.c", rest, &signed[..signed.len() - 1]] {
        provider.verified(cut).unwrap_err();
    }
    let kinds = [
        ("unknown", "ES256"),
        ("edwards", "ES256"),
        ("curve", "EdDSA"),
        ("curve", "RS256"),
        ("curve", "PS512"),
        ("curve", "ES384"),
        ("secret", "ES256"),
        ("unheard of", "ES256"),
    ];
    for (kid, alg) in kinds {
        let header = json!({"alg": alg, "kid": kid});
        provider.refuses(&provider.curve_signs(&header, &fine), "not accepted");
    }
    let critical = json!({"alg": "ES256", "kid": "curve", "crit": ["exp"]});
    provider.refuses(&provider.curve_signs(&critical, &fine), "not accepted");
}

#[test]
fn a_token_without_a_key_id_is_of_the_one_key_there_is() {
    let provider = Provider::new();
    let unnamed = provider.curve_signs(&json!({"alg": "ES256"}), &claims().to_string());
    let mut encrypts = provider.jwk();
    encrypts["use"] = "enc".into();
    encrypts["kid"] = "encrypts".into();
    let one = json!({"keys": [provider.jwk(), encrypts]});
    Provider::verified_with(one, &unnamed).unwrap();
    provider.refuses(&unnamed, "no one key");
    let twice = json!({"keys": [provider.jwk(), provider.jwk()]});
    let named = provider.signs(&claims().to_string());
    for (keys, token) in [
        (twice, &named),
        (json!({"keys": []}), &named),
        (json!({"keys": [encrypts]}), &unnamed),
    ] {
        let refused = Provider::verified_with(keys, token).unwrap_err();
        assert!(refused.contains("no one key"), "{refused}");
    }
}

#[test]
fn a_token_for_somebody_else_or_of_another_time_is_refused() {
    let provider = Provider::new();
    let now = Timestamp::now().as_second();
    let refused = [
        (
            with("iss", json!("https://login.example/realms/other")),
            "InvalidIssuer",
        ),
        (
            with("iss", json!("https://login.example/realms/force/")),
            "InvalidIssuer",
        ),
        (without("iss"), "iss"),
        (with("aud", json!("other")), "InvalidAudience"),
        (with("aud", json!([])), "InvalidAudience"),
        (without("aud"), "aud"),
        (with("aud", json!(["office", "other"])), "another client"),
        (with("azp", json!("other")), "another client"),
        (with("nonce", json!("of another")), "another sign-in"),
        (with("nonce", json!(["of this sign-in"])), "another sign-in"),
        (without("nonce"), "another sign-in"),
        (with("exp", json!(now - 120)), "ExpiredSignature"),
        (with("exp", json!("soon")), "exp"),
        (without("exp"), "exp"),
        (without("sub"), "sub"),
        (with("nbf", json!(now + 300)), "ImmatureSignature"),
        (with("iat", json!(now + 300)), "just now"),
        (with("iat", json!(now - 1000)), "just now"),
        (with("iat", json!(i64::MIN)), "just now"),
        (with("iat", json!("now")), "just now"),
        (without("iat"), "just now"),
        (with("name", json!("x".repeat(70_000))), "too long"),
        ("[]".to_owned(), "not accepted"),
        ("{}".to_owned(), "not accepted"),
        ("no JSON".to_owned(), "not accepted"),
    ];
    for (claims, why) in refused {
        provider.refuses(&provider.signs(&claims), why);
    }
}

#[test]
fn a_claim_that_is_there_twice_makes_a_token_that_is_refused() {
    let provider = Provider::new();
    let fine = claims().to_string();
    let twice = [
        r#""preferred_username":"chief""#,
        r#""groups":["all"]"#,
        r#""nonce":"of this sign-in""#,
        r#""azp":"office""#,
        r#""iss":"https://login.example/realms/force""#,
        r#""aud":"office""#,
    ];
    let first = with("azp", json!("office"));
    for claim in twice {
        for all in [&fine, &first] {
            let doubled = format!("{{{claim},{}", &all[1..]);
            if claim.contains("azp") && !all.contains("azp") {
                provider.verified(&provider.signs(&doubled)).unwrap();
            } else {
                provider.refuses(&provider.signs(&doubled), "not accepted");
            }
        }
    }
}
