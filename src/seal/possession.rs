//! Proof that somebody holds the private key of a recipient, without a signature: recipients' keys agree on secrets, and sign nothing.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::rand::{SecureRandom as _, SystemRandom};
use ring::{agreement, hmac};
use zeroize::Zeroizing;

use super::SealError;
use super::keys::{Curve, Recipient, crypto};

/// Stands before everything that is authenticated: no key derivation of a sealed message begins so.
const PURPOSE: &[u8] = b"camdock proof of possession v1\0";

/// A question that only the holder of a private key on P-384 can answer. It is good for one answer.
pub struct Possession {
    key: agreement::EphemeralPrivateKey,
    /// SEC 1: `04 ‖ x ‖ y`.
    public: Vec<u8>,
    nonce: [u8; 32],
}

impl Possession {
    pub fn ask() -> Result<Self, SealError> {
        let random = SystemRandom::new();
        let key = agreement::EphemeralPrivateKey::generate(&agreement::ECDH_P384, &random);
        let key = key.map_err(crypto)?;
        let public = key.compute_public_key().map_err(crypto)?;
        let mut nonce = [0; 32];
        random.fill(&mut nonce).map_err(crypto)?;
        Ok(Self {
            public: public.as_ref().to_vec(),
            key,
            nonce,
        })
    }

    pub fn public(&self) -> String {
        STANDARD.encode(&self.public)
    }

    pub fn nonce(&self) -> String {
        STANDARD.encode(self.nonce)
    }

    /// Whether the answer comes from the holder of this key and is about `subject`. Compares in constant time.
    pub fn is_proven(self, holder: &Recipient, subject: &str, answer: &[u8]) -> bool {
        if holder.curve() != Curve::P384 {
            return false;
        }
        let text = [
            PURPOSE,
            subject.as_bytes(),
            b"\0",
            &self.nonce,
            &self.public,
        ]
        .concat();
        let peer = agreement::UnparsedPublicKey::new(&agreement::ECDH_P384, holder.point());
        let secret = agreement::agree_ephemeral(self.key, &peer, |z| Zeroizing::new(z.to_vec()));
        secret.is_ok_and(|secret| {
            let key = hmac::Key::new(hmac::HMAC_SHA256, &secret);
            hmac::verify(&key, &text, answer).is_ok()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seal::{RecipientKey, keygen_recipient};

    /// What the page does with the chosen key.
    fn answer(key: &RecipientKey, asked: &Possession, subject: &str) -> Vec<u8> {
        let RecipientKey::P384(secret) = key else {
            return Vec::new();
        };
        let public = p384::PublicKey::from_sec1_bytes(&asked.public).unwrap();
        let z = p384::ecdh::diffie_hellman(secret.to_nonzero_scalar(), public.as_affine());
        let text = [
            PURPOSE,
            subject.as_bytes(),
            b"\0",
            &asked.nonce,
            &asked.public,
        ]
        .concat();
        let key = hmac::Key::new(hmac::HMAC_SHA256, z.raw_secret_bytes());
        hmac::sign(&key, &text).as_ref().to_vec()
    }

    #[test]
    fn only_the_holder_answers_and_only_about_the_subject_and_this_question() {
        let [mine, theirs] = [(); 2].map(|()| {
            let (secret, _) = keygen_recipient(Curve::P384).unwrap();
            RecipientKey::from_pem(&secret).unwrap()
        });
        let me = mine.public();
        let ask = || Possession::ask().unwrap();
        let asked = ask();
        let right = answer(&mine, &asked, "one");
        assert!(asked.is_proven(&me, "one", &right));
        let another = ask();
        assert!(!another.is_proven(&me, "one", &right), "another question");
        let asked = ask();
        let of_two = answer(&mine, &asked, "two");
        assert!(!asked.is_proven(&me, "one", &of_two));
        let asked = ask();
        let by_them = answer(&theirs, &asked, "one");
        assert!(!asked.is_proven(&me, "one", &by_them));
        for wrong in [&right[1..], &[], &[0; 32]] {
            assert!(!ask().is_proven(&me, "one", wrong));
        }
        let (secret, _) = keygen_recipient(Curve::P256).unwrap();
        let short = RecipientKey::from_pem(&secret).unwrap().public();
        assert!(!ask().is_proven(&short, "one", &right));
    }
}
