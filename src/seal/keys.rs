//! Recipients' keys, the item key, and the encrypted data keys of a header.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use p256::elliptic_curve::sec1::ToSec1Point as _;
use p384::pkcs8::{
    DecodePrivateKey as _, DecodePublicKey as _, EncodePrivateKey as _, EncodePublicKey as _,
    LineEnding,
};
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use ring::rand::{SecureRandom as _, SystemRandom};
use ring::{agreement, hmac};
use zeroize::{Zeroize as _, Zeroizing};

use super::SealError;
use super::format::{EncryptedDataKey, IV, TAG};
use crate::model::{EvidenceId, Sha256Digest};

pub(super) type KeyBytes = Zeroizing<[u8; 32]>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Curve {
    P256,
    P384,
}

impl Curve {
    const fn name(self) -> &'static str {
        match self {
            Self::P256 => "p256",
            Self::P384 => "p384",
        }
    }

    fn ring(self) -> &'static agreement::Algorithm {
        match self {
            Self::P256 => &agreement::ECDH_P256,
            Self::P384 => &agreement::ECDH_P384,
        }
    }
}

/// A public key that can open what is sealed to it; checked to lie on its curve.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipient {
    curve: Curve,
    /// SEC 1: `04 ‖ x ‖ y`.
    point: Vec<u8>,
}

impl Recipient {
    /// From SubjectPublicKeyInfo PEM, P-384 or P-256.
    pub fn from_pem(text: &str) -> Result<Self, SealError> {
        if text.contains("PRIVATE KEY") {
            return Err(SealError::PrivateKeyAsRecipient);
        }
        if let Ok(key) = p384::PublicKey::from_public_key_pem(text) {
            return Ok(Self {
                curve: Curve::P384,
                point: key.to_sec1_point(false).as_bytes().to_vec(),
            });
        }
        let key =
            p256::PublicKey::from_public_key_pem(text).map_err(|_| SealError::NotAPublicKey)?;
        Ok(Self {
            curve: Curve::P256,
            point: key.to_sec1_point(false).as_bytes().to_vec(),
        })
    }

    /// From SubjectPublicKeyInfo DER on P-384, in base64, as manifests of shares have it.
    pub fn from_base64(text: &str) -> Result<Self, SealError> {
        let der = STANDARD.decode(text).ok();
        let key = der.and_then(|der| p384::PublicKey::from_public_key_der(&der).ok());
        let key = key.ok_or(SealError::NotAPublicKey)?;
        Ok(Self {
            curve: Curve::P384,
            point: key.to_sec1_point(false).as_bytes().to_vec(),
        })
    }

    pub(super) const fn curve(&self) -> Curve {
        self.curve
    }

    /// SEC 1: `04 ‖ x ‖ y`.
    pub(super) fn point(&self) -> &[u8] {
        &self.point
    }

    /// SubjectPublicKeyInfo PEM.
    pub fn to_pem(&self) -> Result<String, SealError> {
        let pem = match self.curve {
            Curve::P384 => p384::PublicKey::from_sec1_bytes(&self.point)
                .map_err(crypto)?
                .to_public_key_pem(LineEnding::LF),
            Curve::P256 => p256::PublicKey::from_sec1_bytes(&self.point)
                .map_err(crypto)?
                .to_public_key_pem(LineEnding::LF),
        };
        pem.map_err(crypto)
    }

    /// `p384:` or `p256:` and the first 16 bytes of the compressed point's SHA-256, in hex.
    pub fn fingerprint(&self) -> String {
        let digest = Sha256Digest::of(&compress(&self.point)).to_string();
        format!("{}:{}", self.curve.name(), &digest[..32])
    }

    /// Agrees on a secret with this recipient under a fresh ephemeral key, which is then dropped.
    pub(super) fn agree(&self) -> Result<Agreement, SealError> {
        let ephemeral =
            agreement::EphemeralPrivateKey::generate(self.curve.ring(), &SystemRandom::new())
                .map_err(crypto)?;
        let public = compress(ephemeral.compute_public_key().map_err(crypto)?.as_ref());
        let peer = agreement::UnparsedPublicKey::new(self.curve.ring(), &self.point);
        let secret = agreement::agree_ephemeral(ephemeral, &peer, |z| Zeroizing::new(z.to_vec()))
            .map_err(crypto)?;
        Ok(Agreement {
            curve: self.curve,
            recipient: compress(&self.point),
            public,
            secret,
        })
    }
}

/// A secret shared with one recipient while a few items are being prepared: computing it is most of the cost of sealing a
/// small file. Each use has a nonce and a context of its own, so no two keys derived from it are alike.
pub(super) struct Agreement {
    curve: Curve,
    recipient: Vec<u8>,
    /// The ephemeral key, compressed.
    public: Vec<u8>,
    secret: Zeroizing<Vec<u8>>,
}

impl Agreement {
    /// Wraps a data key to the recipient (`raw-ecdh`).
    pub(super) fn wrap(
        &self,
        data_key: &KeyBytes,
        context: &[u8],
    ) -> Result<EncryptedDataKey, SealError> {
        let fixed = fixed_info(self.curve, &self.public, &self.recipient, context);
        let mut nonce = [0; 32];
        SystemRandom::new().fill(&mut nonce).map_err(crypto)?;
        let (commitment, wrapping) = derive(&self.secret, &fixed, &nonce);
        let mut ciphertext = nonce.to_vec();
        ciphertext.extend_from_slice(&commitment);
        ciphertext.extend_from_slice(&gcm_wrap(&wrapping, [0; IV], &fixed, data_key)?);
        Ok(EncryptedDataKey {
            provider: b"raw-ecdh".to_vec(),
            info: ecdh_info(&self.recipient, &self.public),
            ciphertext,
        })
    }
}

/// A recipient's private key. It is used only where footage is opened, never on a station.
pub enum RecipientKey {
    P256(p256::SecretKey),
    P384(p384::SecretKey),
}

impl RecipientKey {
    /// From PKCS#8 PEM.
    pub fn from_pem(text: &str) -> Result<Self, SealError> {
        if let Ok(key) = p384::SecretKey::from_pkcs8_pem(text) {
            return Ok(Self::P384(key));
        }
        p256::SecretKey::from_pkcs8_pem(text)
            .map(Self::P256)
            .map_err(|_| SealError::NotAPrivateKey)
    }

    pub fn public(&self) -> Recipient {
        match self {
            Self::P256(key) => Recipient {
                curve: Curve::P256,
                point: key.public_key().to_sec1_point(false).as_bytes().to_vec(),
            },
            Self::P384(key) => Recipient {
                curve: Curve::P384,
                point: key.public_key().to_sec1_point(false).as_bytes().to_vec(),
            },
        }
    }

    /// `None` when the data key is not for this recipient or does not open.
    pub(super) fn unwrap(&self, key: &EncryptedDataKey, context: &[u8]) -> Option<KeyBytes> {
        let me = self.public();
        let recipient = compress(&me.point);
        let size = recipient.len();
        // version ‖ u32 length ‖ recipient ‖ u32 length ‖ ephemeral
        if key.provider != b"raw-ecdh"
            || key.info.len() != 9 + 2 * size
            || key.ciphertext.len() != 112
        {
            return None;
        }
        let ephemeral = &key.info[9 + size..];
        if key.info != ecdh_info(&recipient, ephemeral) {
            return None;
        }
        let fixed = fixed_info(me.curve, ephemeral, &recipient, context);
        let nonce = &key.ciphertext[..32];
        let (commitment, wrapping) = match self {
            Self::P256(secret) => {
                let public = p256::PublicKey::from_sec1_bytes(ephemeral).ok()?;
                let z = p256::ecdh::diffie_hellman(secret.to_nonzero_scalar(), public.as_affine());
                derive(z.raw_secret_bytes(), &fixed, nonce)
            }
            Self::P384(secret) => {
                let public = p384::PublicKey::from_sec1_bytes(ephemeral).ok()?;
                let z = p384::ecdh::diffie_hellman(secret.to_nonzero_scalar(), public.as_affine());
                derive(z.raw_secret_bytes(), &fixed, nonce)
            }
        };
        if !same(&commitment, &key.ciphertext[32..64]) {
            return None;
        }
        gcm_unwrap(&wrapping, [0; IV], &fixed, &key.ciphertext[64..])
    }
}

/// Makes a recipient key pair: private PKCS#8 PEM and public SubjectPublicKeyInfo PEM.
pub fn keygen_recipient(curve: Curve) -> Result<(Zeroizing<String>, String), SealError> {
    // Rejection sampling from the system's randomness: a scalar of zero or beyond the order is drawn again.
    let random = SystemRandom::new();
    for _ in 0..64 {
        let mut bytes = Zeroizing::new([0u8; 48]);
        random.fill(&mut bytes[..]).map_err(crypto)?;
        let pair = match curve {
            Curve::P384 => p384::SecretKey::from_slice(&bytes[..]).ok().map(|secret| {
                (
                    secret.to_pkcs8_pem(LineEnding::LF),
                    secret.public_key().to_public_key_pem(LineEnding::LF),
                )
            }),
            Curve::P256 => p256::SecretKey::from_slice(&bytes[..32])
                .ok()
                .map(|secret| {
                    (
                        secret.to_pkcs8_pem(LineEnding::LF),
                        secret.public_key().to_public_key_pem(LineEnding::LF),
                    )
                }),
        };
        if let Some((private, public)) = pair {
            return Ok((
                private.map_err(|_| SealError::Crypto)?,
                public.map_err(|_| SealError::Crypto)?,
            ));
        }
    }
    Err(SealError::Crypto)
}

/// The per-item key that lets this station verify and resume an item in flight. Erased on release.
pub struct ItemKey(pub(super) KeyBytes);

impl ItemKey {
    pub fn generate() -> Result<Self, SealError> {
        random_secret().map(Self)
    }

    /// The bare key, which also makes a station's wrap key.
    pub fn into_bytes(self) -> Zeroizing<[u8; 32]> {
        self.0
    }

    /// From the plaintext of an `item-key` message.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes
            .try_into()
            .ok()
            .map(|bytes| Self(Zeroizing::new(bytes)))
    }

    pub(super) fn wrap(
        &self,
        id: &str,
        data_key: &KeyBytes,
        context: &[u8],
    ) -> Result<EncryptedDataKey, SealError> {
        let mut iv = [0; IV];
        SystemRandom::new().fill(&mut iv).map_err(crypto)?;
        let mut info = key_name(id).into_bytes();
        info.extend_from_slice(&128u32.to_be_bytes());
        info.extend_from_slice(&12u32.to_be_bytes());
        info.extend_from_slice(&iv);
        let ciphertext = gcm_wrap(&self.0, iv, context, data_key)?;
        Ok(EncryptedDataKey {
            provider: b"camdock".to_vec(),
            info,
            ciphertext,
        })
    }

    pub(super) fn unwrap(&self, key: &EncryptedDataKey, context: &[u8]) -> Option<KeyBytes> {
        if key.provider != b"camdock" {
            return None;
        }
        let (rest, iv) = key.info.split_last_chunk::<IV>()?;
        let (_name, sizes) = rest.split_last_chunk::<8>()?;
        if *sizes != [0, 0, 0, 128, 0, 0, 0, 12] {
            return None;
        }
        gcm_unwrap(&self.0, *iv, context, &key.ciphertext)
    }

    pub(super) fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// The name of an item's key inside headers, namespace `camdock`.
pub fn key_name(evidence: &str) -> String {
    format!("item:{evidence}")
}

/// The station's key that wraps the item keys in its journal.
pub struct StationWrapKey(KeyBytes);

impl StationWrapKey {
    pub fn new(bytes: Zeroizing<[u8; 32]>) -> Self {
        Self(bytes)
    }

    /// IV(12) ‖ wrapped(32) ‖ tag(16), bound to the evidence id.
    pub fn wrap(&self, key: &ItemKey, evidence: EvidenceId) -> Result<Vec<u8>, SealError> {
        let mut iv = [0; IV];
        SystemRandom::new().fill(&mut iv).map_err(crypto)?;
        let mut out = iv.to_vec();
        out.extend_from_slice(&gcm_wrap(&self.0, iv, evidence.as_bytes(), &key.0)?);
        Ok(out)
    }

    pub fn unwrap(&self, wrapped: &[u8], evidence: EvidenceId) -> Result<ItemKey, SealError> {
        let (iv, rest) = wrapped
            .split_first_chunk::<IV>()
            .ok_or(SealError::WrapKey)?;
        gcm_unwrap(&self.0, *iv, evidence.as_bytes(), rest)
            .map(ItemKey)
            .ok_or(SealError::WrapKey)
    }
}

pub(super) fn random_secret() -> Result<KeyBytes, SealError> {
    let mut secret = Zeroizing::new([0; 32]);
    SystemRandom::new().fill(&mut secret[..]).map_err(crypto)?;
    Ok(secret)
}

pub(super) fn aes(key: &[u8; 32]) -> Result<LessSafeKey, SealError> {
    UnboundKey::new(&AES_256_GCM, key)
        .map(LessSafeKey::new)
        .map_err(crypto)
}

pub(super) fn crypto<E>(_: E) -> SealError {
    SealError::Crypto
}

/// Constant-time comparison.
pub(super) fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |differ, (x, y)| differ | (x ^ y)) == 0
}

fn gcm_wrap(
    key: &[u8; 32],
    iv: [u8; IV],
    aad: &[u8],
    secret: &KeyBytes,
) -> Result<Vec<u8>, SealError> {
    let mut out = secret.to_vec();
    aes(key)?
        .seal_in_place_append_tag(Nonce::assume_unique_for_key(iv), Aad::from(aad), &mut out)
        .map_err(crypto)?;
    Ok(out)
}

fn gcm_unwrap(key: &[u8; 32], iv: [u8; IV], aad: &[u8], wrapped: &[u8]) -> Option<KeyBytes> {
    if wrapped.len() != 32 + TAG {
        return None;
    }
    let mut bytes = Zeroizing::new(wrapped.to_vec());
    let plain = aes(key)
        .ok()?
        .open_in_place(Nonce::assume_unique_for_key(iv), Aad::from(aad), &mut bytes)
        .ok()?;
    let secret = Zeroizing::new(<[u8; 32]>::try_from(&*plain).ok()?);
    Some(secret)
}

/// SP 800-108 counter mode, HMAC-SHA384: 64 bytes, the commitment and the wrapping key.
fn derive(z: &[u8], fixed: &[u8], nonce: &[u8]) -> ([u8; 32], KeyBytes) {
    let key = hmac::Key::new(hmac::HMAC_SHA384, z);
    let mut out = Zeroizing::new([0u8; 96]);
    for (counter, block) in (1u32..).zip(out.chunks_exact_mut(48)) {
        let mut context = hmac::Context::with_key(&key);
        for piece in [
            &counter.to_be_bytes()[..],
            fixed,
            &[0],
            nonce,
            &512u32.to_be_bytes(),
        ] {
            context.update(piece);
        }
        block.copy_from_slice(context.sign().as_ref());
    }
    let (mut commitment, mut wrapping) = ([0; 32], Zeroizing::new([0; 32]));
    commitment.copy_from_slice(&out[..32]);
    wrapping.copy_from_slice(&out[32..64]);
    out.zeroize();
    (commitment, wrapping)
}

fn fixed_info(curve: Curve, ephemeral: &[u8], recipient: &[u8], context: &[u8]) -> Vec<u8> {
    let pieces: [&[u8]; 12] = [
        b"ecdh-key-derivation",
        &[0],
        curve.name().as_bytes(),
        &[0],
        b"HMAC_SHA384",
        &[0],
        ephemeral,
        recipient,
        &[0],
        &[1],
        &[0],
        context,
    ];
    pieces.concat()
}

fn ecdh_info(recipient: &[u8], ephemeral: &[u8]) -> Vec<u8> {
    let mut info = vec![1];
    for point in [recipient, ephemeral] {
        // A compressed point is 33 or 49 bytes.
        info.extend_from_slice(&u32::try_from(point.len()).unwrap_or(0).to_be_bytes());
        info.extend_from_slice(point);
    }
    info
}

/// SEC 1 compression of `04 ‖ x ‖ y`.
fn compress(point: &[u8]) -> Vec<u8> {
    let half = point.len() / 2;
    let parity = point.last().map_or(0, |y| y & 1);
    let mut out = vec![2 + parity];
    out.extend_from_slice(&point[1..=half]);
    out
}
