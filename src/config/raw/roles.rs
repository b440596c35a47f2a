//! `keydesk.toml`, `disposer.toml` and `sharereader.toml` as they stand in the files: the roles beside the office that have machines of their own.

use serde::Deserialize;
use toml::Spanned;

use super::{LogSection, RawLog, RawStore, Setting, StoreSection};

section!(RawKeyDesk => KeyDeskSection {
    office: String = String::new(),
    office_log_key: String = String::new(),
    recipient_key_file: String = "recipient.key.pem".into(),
    state_dir: String = "/var/lib/camdock-keydesk".into(),
    every_milliseconds: u32 = 500,
});

/// `keydesk.toml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct RawKeyDeskConfig {
    #[serde(default)]
    keydesk: RawKeyDesk,
    #[serde(default)]
    store: RawStore,
    #[serde(default)]
    log: RawLog,
}

#[derive(Debug)]
pub(in crate::config) struct KeyDeskMerged {
    pub keydesk: KeyDeskSection,
    pub store: StoreSection,
    pub log: LogSection,
}

impl RawKeyDeskConfig {
    pub fn merge(self) -> KeyDeskMerged {
        KeyDeskMerged {
            keydesk: self.keydesk.merge(),
            store: self.store.merge(),
            log: self.log.merge(),
        }
    }
}

pub(in crate::config) fn key_desk_keys() -> Vec<(&'static str, &'static str)> {
    let sections = [
        ("keydesk", KeyDeskSection::KEYS),
        ("store", StoreSection::KEYS),
        ("log", LogSection::KEYS),
    ];
    let keys = sections
        .into_iter()
        .map(|(section, keys)| keys.iter().map(move |key| (section, *key)));
    keys.flatten().collect()
}

section!(RawDisposer => DisposerSection {
    office: String = String::new(),
    office_log_key: String = String::new(),
    witness_office: String = String::new(),
    witness_key: String = String::new(),
    state_dir: String = "/var/lib/camdock-disposer".into(),
    every_seconds: u32 = 60,
    wait_hours: u32 = 24,
});

/// `disposer.toml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct RawDisposerConfig {
    #[serde(default)]
    disposer: RawDisposer,
    #[serde(default)]
    store: RawStore,
    #[serde(default)]
    log: RawLog,
}

#[derive(Debug)]
pub(in crate::config) struct DisposerMerged {
    pub disposer: DisposerSection,
    pub store: StoreSection,
    pub log: LogSection,
}

impl RawDisposerConfig {
    pub fn merge(self) -> DisposerMerged {
        DisposerMerged {
            disposer: self.disposer.merge(),
            store: self.store.merge(),
            log: self.log.merge(),
        }
    }
}

pub(in crate::config) fn disposer_keys() -> Vec<(&'static str, &'static str)> {
    let sections = [
        ("disposer", DisposerSection::KEYS),
        ("store", StoreSection::KEYS),
        ("log", LogSection::KEYS),
    ];
    let keys = sections
        .into_iter()
        .map(|(section, keys)| keys.iter().map(move |key| (section, *key)));
    keys.flatten().collect()
}

section!(RawShareReader => ShareReaderSection {
    office_address: String = String::new(),
    office_token_file: String = "office-token".into(),
    office_ca_file: String = String::new(),
});
section!(RawRecipientPages => RecipientPagesSection {
    listen: String = "127.0.0.1:8487".into(),
    tls_certificate: String = String::new(),
    tls_key: String = String::new(),
    language: String = "en".into(),
});

/// `sharereader.toml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct RawShareReaderConfig {
    #[serde(default)]
    sharereader: RawShareReader,
    #[serde(default)]
    pages: RawRecipientPages,
    #[serde(default)]
    store: RawStore,
    #[serde(default)]
    log: RawLog,
}

#[derive(Debug)]
pub(in crate::config) struct ShareReaderMerged {
    pub sharereader: ShareReaderSection,
    pub pages: RecipientPagesSection,
    pub store: StoreSection,
    pub log: LogSection,
}

impl RawShareReaderConfig {
    pub fn merge(self) -> ShareReaderMerged {
        ShareReaderMerged {
            sharereader: self.sharereader.merge(),
            pages: self.pages.merge(),
            store: self.store.merge(),
            log: self.log.merge(),
        }
    }
}

pub(in crate::config) fn share_reader_keys() -> Vec<(&'static str, &'static str)> {
    let sections = [
        ("sharereader", ShareReaderSection::KEYS),
        ("pages", RecipientPagesSection::KEYS),
        ("store", StoreSection::KEYS),
        ("log", LogSection::KEYS),
    ];
    let keys = sections
        .into_iter()
        .map(|(section, keys)| keys.iter().map(move |key| (section, *key)));
    keys.flatten().collect()
}
