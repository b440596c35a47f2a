//! `keydesk.toml`, `disposer.toml` and `sharereader.toml` as they stand in the files: the roles beside the office that have machines of their own.

use serde::Deserialize;
use toml::Spanned;

use super::{LogSection, RawLog, RawStore, Setting, StoreSection};

/// A file of sections, as it stands and with its defaults, and its keys with their sections.
macro_rules! file {
    ($raw:ident => $merged:ident, $keys:ident { $($section:ident: $given:ty => $full:ty,)* }) => {
        #[derive(Debug, Deserialize)]
        #[serde(deny_unknown_fields)]
        pub(in crate::config) struct $raw {
            $(#[serde(default)] $section: $given,)*
        }

        #[derive(Debug)]
        pub(in crate::config) struct $merged {
            $(pub $section: $full,)*
        }

        impl $raw {
            pub fn merge(self) -> $merged {
                $merged { $($section: self.$section.merge(),)* }
            }
        }

        pub(in crate::config) fn $keys() -> Vec<(&'static str, &'static str)> {
            let sections = [$((stringify!($section), <$full>::KEYS),)*];
            let keys = sections
                .into_iter()
                .map(|(section, keys)| keys.iter().map(move |key| (section, *key)));
            keys.flatten().collect()
        }
    };
}

section!(RawKeyDesk => KeyDeskSection {
    office: String = String::new(),
    office_log_key: String = String::new(),
    recipient_key_file: String = "recipient.key.pem".into(),
    state_dir: String = "/var/lib/camdock-keydesk".into(),
    every_milliseconds: u32 = 500,
});
file!(RawKeyDeskConfig => KeyDeskMerged, key_desk_keys {
    keydesk: RawKeyDesk => KeyDeskSection,
    store: RawStore => StoreSection,
    log: RawLog => LogSection,
});

section!(RawDisposer => DisposerSection {
    office: String = String::new(),
    office_log_key: String = String::new(),
    witness_office: String = String::new(),
    witness_key: String = String::new(),
    state_dir: String = "/var/lib/camdock-disposer".into(),
    every_seconds: u32 = 60,
    wait_hours: u32 = 24,
});
file!(RawDisposerConfig => DisposerMerged, disposer_keys {
    disposer: RawDisposer => DisposerSection,
    store: RawStore => StoreSection,
    log: RawLog => LogSection,
});

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
file!(RawShareReaderConfig => ShareReaderMerged, share_reader_keys {
    sharereader: RawShareReader => ShareReaderSection,
    pages: RawRecipientPages => RecipientPagesSection,
    store: RawStore => StoreSection,
    log: RawLog => LogSection,
});
