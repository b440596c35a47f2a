//! `[web]` and `[metrics]`: addresses, TLS and tokens.

use std::net::SocketAddr;
use std::str::FromStr as _;

use super::super::raw::{Merged, RawToken, Setting};
use super::super::settings::{LANGUAGES, MetricsSettings, Role, Tls, Token, WebSettings};
use super::Check;
use crate::model::Sha256Digest;

const TOKENS_MAX: usize = 256;

/// Whose pages they are.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Whose {
    Station,
    Office,
    /// They need no token: whoever holds a share's key may see it.
    Recipients,
}

/// The settings of pages as they stand in a file.
pub(super) struct PageKeys<'a> {
    pub section: &'static str,
    pub whose: Whose,
    /// That an office follows.
    pub stations: &'a [&'a String],
    pub example: &'static str,
    pub listen: &'a Setting<String>,
    pub tls_certificate: &'a Setting<String>,
    pub tls_key: &'a Setting<String>,
    pub language: &'a Setting<String>,
    pub tokens: &'a [toml::Spanned<RawToken>],
}

pub(super) fn sections(check: &mut Check<'_>, merged: &Merged) -> (WebSettings, MetricsSettings) {
    let raw = &merged.web;
    let web = pages(
        check,
        &PageKeys {
            section: "web",
            whose: Whose::Station,
            stations: &[],
            example: "127.0.0.1:8480",
            listen: &raw.listen,
            tls_certificate: &raw.tls_certificate,
            tls_key: &raw.tls_key,
            language: &raw.language,
            tokens: &raw.tokens.value,
        },
    );
    let metrics = address(check, &merged.metrics.listen, "127.0.0.1:9480");
    if outside(metrics) {
        check.ensure(
            web.tls.is_some() && web.tokens.iter().any(|t| t.role == Role::Operations),
            merged.metrics.listen.at.as_ref(),
            "listen",
            "of [metrics] is reachable from other machines without TLS or without a token for it",
            "Give `tls_certificate`, `tls_key` and a token with the role `operations` in [web], or listen on a loopback address.",
        );
    }
    (web, MetricsSettings { listen: metrics })
}

fn outside(address: Option<SocketAddr>) -> bool {
    address.is_some_and(|address| !address.ip().is_loopback())
}

/// Pages, of a station or of the office.
pub(super) fn pages(check: &mut Check<'_>, raw: &PageKeys<'_>) -> WebSettings {
    let (section, example) = (raw.section, raw.example);
    let listen = address(check, raw.listen, example);
    let tls = match (
        check.optional_path(raw.tls_certificate),
        check.optional_path(raw.tls_key),
    ) {
        (Some(certificate), Some(key)) => Some(Tls { certificate, key }),
        (None, None) => None,
        _ => {
            check.wrong(
                raw.tls_certificate.at.as_ref().or(raw.tls_key.at.as_ref()),
                "tls_certificate",
                "and `tls_key` belong together",
                "Give both or neither.",
            );
            None
        }
    };
    let tokens = tokens(check, raw);
    if outside(listen) {
        check.ensure(
            tls.is_some(),
            raw.listen.at.as_ref(),
            "listen",
            "is reachable from other machines without TLS",
            &format!("Give `tls_certificate` and `tls_key` in [{section}], or listen on a loopback address such as {example}."),
        );
        check.ensure(
            !tokens.is_empty() || raw.whose == Whose::Recipients,
            raw.listen.at.as_ref(),
            "listen",
            "is reachable from other machines, but no token is configured",
            &format!("Make one with `camdock token NAME --role {}` and enter the line that it prints in [{section}] tokens.", if raw.whose == Whose::Office { "evidence" } else { "kiosk" }),
        );
    }
    check.ensure(
        LANGUAGES.contains(&raw.language.value.as_str()),
        raw.language.at.as_ref(),
        "language",
        "is not a language of the pages",
        &format!("Use one of: {}.", LANGUAGES.join(", ")),
    );
    WebSettings {
        listen,
        tls,
        language: raw.language.value.clone(),
        tokens,
    }
}

/// An empty text means: do not listen.
pub(super) fn address(
    check: &mut Check<'_>,
    setting: &Setting<String>,
    example: &str,
) -> Option<SocketAddr> {
    if setting.value.is_empty() {
        return None;
    }
    let parsed = setting.value.parse().ok();
    if parsed.is_none() {
        check.wrong(
            setting.at.as_ref(),
            "listen",
            "is not an address with a port",
            format!("Use an IP address and a port such as `{example}`, or \"\" for none."),
        );
    }
    parsed
}

fn tokens(check: &mut Check<'_>, raw: &PageKeys<'_>) -> Vec<Token> {
    let given = raw.tokens;
    check.ensure(
        given.len() <= TOKENS_MAX,
        given.first().map(toml::Spanned::span).as_ref(),
        "tokens",
        "has too many entries",
        "Name at most 256 tokens.",
    );
    let mut tokens: Vec<Token> = Vec::new();
    for entry in given.iter().take(TOKENS_MAX) {
        let span = entry.span();
        let RawToken {
            name,
            role,
            sha256,
            stations,
        } = entry.get_ref();
        let fine = (1..=64).contains(&name.chars().count()) && !name.chars().any(char::is_control);
        check.ensure(
            fine && tokens.iter().all(|other| other.name != *name),
            Some(&span),
            "tokens",
            "has a name that is empty, too long or given twice",
            "Give each token a name of its own of at most 64 characters: it stands in the custody log.",
        );
        check.ensure(
            raw.whose == Whose::Office || !role.is_of_office(),
            Some(&span),
            "tokens",
            "has a role of an office",
            "A station's roles are `kiosk` and `operations`; evidence managers sign in at the office: enter their tokens in [pages] of office.toml.",
        );
        let named = stations.as_deref().unwrap_or_default();
        let known = named.iter().filter(|name| raw.stations.contains(name));
        let known: Vec<_> = known.filter_map(|name| name.parse().ok()).collect();
        check.ensure(
            known.len() == named.len(),
            Some(&span),
            "tokens",
            "names a station that is not followed here",
            "Name stations of [[stations]] in office.toml; a station's own tokens name none.",
        );
        let Ok(sha256) = Sha256Digest::from_str(sha256) else {
            check.wrong(
                Some(&span),
                "tokens",
                "has an entry without the SHA-256 of its token",
                "Enter the line that `camdock token NAME --role ROLE` prints; never the token itself.",
            );
            continue;
        };
        tokens.push(Token {
            name: name.clone(),
            role: *role,
            sha256,
            stations: stations.is_some().then_some(known),
        });
    }
    tokens
}
