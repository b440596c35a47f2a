use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::rand::SystemRandom;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::{AuditError, Checkpoint, note};

/// Signature type byte of plain Ed25519 (C2SP signed-note, "Signature types").
const ED25519_TYPE: u8 = 1;

/// The station's log key, Ed25519. Never printed.
pub struct LogKey(Ed25519KeyPair);

impl LogKey {
    /// A new key and its PKCS#8 document, which the caller stores.
    pub fn generate() -> Result<(Self, Zeroizing<Vec<u8>>), AuditError> {
        let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new())
            .map_err(|_| AuditError::Key("the system gives no random bytes"))?;
        let pkcs8 = Zeroizing::new(document.as_ref().to_vec());
        Ok((Self::from_pkcs8(&pkcs8)?, pkcs8))
    }

    /// From PKCS#8 DER, with or without the public key in it.
    pub fn from_pkcs8(pkcs8: &[u8]) -> Result<Self, AuditError> {
        Ed25519KeyPair::from_pkcs8_maybe_unchecked(pkcs8)
            .map(Self)
            .map_err(|_| AuditError::Key("it is not an Ed25519 private key in PKCS#8"))
    }

    /// The key that outsiders check this log with. Fails when `origin` is not a usable key name.
    pub fn verifier(&self, origin: &str) -> Result<VerifierKey, AuditError> {
        VerifierKey::new(origin, self.public())
    }

    /// The signed note of a checkpoint.
    pub fn sign(&self, checkpoint: &Checkpoint) -> Result<String, AuditError> {
        self.sign_text(&checkpoint.text(), &checkpoint.origin)
    }

    /// The 32 bytes of the public half.
    pub(super) fn public(&self) -> [u8; 32] {
        let mut public = [0; 32];
        public.copy_from_slice(self.0.public_key().as_ref());
        public
    }

    pub(super) fn signature(&self, message: &[u8]) -> Vec<u8> {
        self.0.sign(message).as_ref().to_vec()
    }

    /// The signed note of any text that ends with a newline, under a key name.
    pub(super) fn sign_text(&self, text: &str, name: &str) -> Result<String, AuditError> {
        let verifier = self.verifier(name)?;
        let signature = self.0.sign(text.as_bytes());
        Ok(note::write(
            text,
            &verifier.name,
            verifier.id,
            signature.as_ref(),
        ))
    }
}

/// A log's public key with its name, written `name+keyid+key`.
#[derive(Clone, PartialEq, Eq)]
pub struct VerifierKey {
    name: String,
    id: [u8; 4],
    public: [u8; 32],
}

impl VerifierKey {
    fn new(name: &str, public: [u8; 32]) -> Result<Self, AuditError> {
        if !note::is_name(name) {
            return Err(AuditError::Key("its name is empty or holds a space or `+`"));
        }
        Ok(Self {
            name: name.to_owned(),
            id: key_id(name, ED25519_TYPE, &public),
            public,
        })
    }

    /// The log's origin.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The same key under another name.
    pub fn same_key(&self, other: &Self) -> bool {
        self.public == other.public
    }

    /// The checkpoint of a signed note, if this key signed it and its origin is this key's name.
    pub fn open(&self, note: &str) -> Result<Checkpoint, AuditError> {
        let checkpoint = Checkpoint::parse(self.open_text(note)?)?;
        if checkpoint.origin != self.name {
            return Err(AuditError::Note("its origin is not the key's name"));
        }
        Ok(checkpoint)
    }

    /// The same note with this key's signature alone.
    pub fn only_signature(&self, note: &str) -> Result<String, AuditError> {
        let text = self.open_text(note)?;
        let parsed = note::parse(note)?;
        let mut ours = parsed.signatures.iter();
        let ours = ours.find(|s| s.name == self.name && s.key_id == self.id);
        let bytes = ours.map_or(&[][..], |signature| &signature.bytes);
        Ok(note::write(text, &self.name, self.id, bytes))
    }

    /// The text of a note that one of `keys` signed; `none`: what is said where there are no keys.
    pub(super) fn open_by_any<'a>(
        keys: &[Self],
        note: &'a str,
        none: &'static str,
    ) -> Result<&'a str, AuditError> {
        let mut last = AuditError::Note(none);
        for key in keys {
            match key.open_text(note) {
                Ok(text) => return Ok(text),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// The text of a signed note, if this key signed it.
    pub(super) fn open_text<'a>(&self, note: &'a str) -> Result<&'a str, AuditError> {
        let note = note::parse(note)?;
        let mut ours = note
            .signatures
            .iter()
            .filter(|s| s.name == self.name && s.key_id == self.id)
            .peekable();
        if ours.peek().is_none() {
            let names: Vec<_> = note.signatures.iter().map(|s| s.name).collect();
            return Err(AuditError::ForeignKey {
                expected: self.to_string(),
                found: names.join(", "),
            });
        }
        let key = UnparsedPublicKey::new(&ED25519, &self.public);
        if !ours.all(|s| key.verify(note.text.as_bytes(), &s.bytes).is_ok()) {
            return Err(AuditError::BadSignature {
                name: self.name.clone(),
            });
        }
        Ok(note.text)
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&written(&self.name, ED25519_TYPE, &self.public))
    }
}

impl fmt::Debug for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for VerifierKey {
    type Err = AuditError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, public) = read(text, ED25519_TYPE)?;
        Self::new(&name, public)
    }
}

/// The key id of C2SP signed-note: the first bytes of a hash over name, type and public key.
pub(super) fn key_id(name: &str, kind: u8, public: &[u8; 32]) -> [u8; 4] {
    let mut hash = Sha256::new();
    hash.update(name);
    hash.update([b'\n', kind]);
    hash.update(public);
    let digest: [u8; 32] = hash.finalize().into();
    [digest[0], digest[1], digest[2], digest[3]]
}

/// A public key of 32 bytes as `name+keyid+key`.
pub(super) fn written(name: &str, kind: u8, public: &[u8; 32]) -> String {
    let id = u32::from_be_bytes(key_id(name, kind, public));
    let key = STANDARD.encode([&[kind], &public[..]].concat());
    format!("{name}+{id:08x}+{key}")
}

/// Reads what [`written`] wrote: name and public key.
pub(super) fn read(text: &str, kind: u8) -> Result<(String, [u8; 32]), AuditError> {
    const WRONG: AuditError = AuditError::Key("a verifier key is written `name+keyid+key`");
    let text = text.trim_end();
    // Base64 may itself hold a `+`: only the first two separate.
    let mut parts = text.splitn(3, '+');
    let (Some(name), Some(_), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
        return Err(WRONG);
    };
    let key = STANDARD.decode(key).map_err(|_| WRONG)?;
    let public = match key.split_first() {
        Some((found, public)) if *found == kind => public.try_into().map_err(|_| WRONG)?,
        _ => return Err(AuditError::Key("it is a key of another kind")),
    };
    if text != written(name, kind, &public) {
        return Err(AuditError::Key("its key id is not that of its key"));
    }
    Ok((name.to_owned(), public))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Sha256Digest;

    fn checkpoint() -> Checkpoint {
        Checkpoint {
            origin: "example.org/station".into(),
            size: 7,
            root: Sha256Digest::of(b"root"),
        }
    }

    #[test]
    fn a_signed_checkpoint_opens_under_its_own_key_only() {
        let (key, pkcs8) = LogKey::generate().unwrap();
        let note = key.sign(&checkpoint()).unwrap();
        let text = key.verifier("example.org/station").unwrap().to_string();
        let verifier: VerifierKey = text.parse().unwrap();
        assert_eq!(verifier.to_string(), text);
        assert_eq!(verifier.open(&note).unwrap(), checkpoint());
        let again = LogKey::from_pkcs8(&pkcs8).unwrap();
        assert_eq!(again.sign(&checkpoint()).unwrap(), note);
        let other = LogKey::generate().unwrap().0;
        let other = other.verifier("example.org/station").unwrap();
        assert!(matches!(
            other.open(&note),
            Err(AuditError::ForeignKey { .. })
        ));
    }

    #[test]
    fn every_changed_character_of_a_note_is_noticed() {
        let (key, _) = LogKey::generate().unwrap();
        let note = key.sign(&checkpoint()).unwrap();
        let verifier = key.verifier("example.org/station").unwrap();
        for (at, was) in note.char_indices() {
            for new in ['A', 'B', '1', '\n'] {
                if new != was {
                    let tail = &note[at + was.len_utf8()..];
                    let changed = format!("{}{new}{tail}", &note[..at]);
                    assert!(verifier.open(&changed).is_err(), "{at}: {changed}");
                }
            }
            assert!(verifier.open(&note[..at]).is_err());
        }
    }

    #[test]
    fn the_published_key_of_the_go_checksum_database_is_read() {
        let text = "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8";
        let key: VerifierKey = text.parse().unwrap();
        assert_eq!(key.to_string(), text);
        assert!(text.replace("033d", "033e").parse::<VerifierKey>().is_err());
    }
}
