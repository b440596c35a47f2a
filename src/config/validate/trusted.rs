//! The offices whose logs are believed: [office] of camdock.toml, and those from which an office took over.

use std::ops::Range;
use std::str::FromStr as _;

use toml::Spanned;

use super::Check;
use crate::config::raw::{RawEarlierOffice, TrustedOfficeSection};
use crate::config::settings::TrustedOffice;
use crate::model::StationName;

const EARLIER_MAX: usize = 100;

pub(super) fn section(check: &mut Check<'_>, raw: &TrustedOfficeSection) -> Vec<TrustedOffice> {
    let (name, key) = (&raw.name, &raw.log_key);
    check.ensure(
        name.value.is_empty() == key.value.is_empty(),
        name.at.as_ref().or(key.at.as_ref()),
        "office",
        "is half of an office",
        "Give both `name` and `log_key` in [office], or neither.",
    );
    let mut offices = Vec::new();
    if !name.value.is_empty() {
        let key = key.value.clone();
        offices.extend(office(check, name.at.as_ref(), &name.value, key, None));
    }
    offices.extend(earlier(check, &raw.earlier.value));
    offices
}

/// Each is named once: the log of an office has one key for ever.
pub(super) fn earlier(
    check: &mut Check<'_>,
    raw: &[Spanned<RawEarlierOffice>],
) -> Vec<TrustedOffice> {
    check.ensure(
        raw.len() <= EARLIER_MAX,
        raw.first().map(Spanned::span).as_ref(),
        "earlier",
        "names too many offices",
        "Name at most 100 earlier offices.",
    );
    let mut offices: Vec<TrustedOffice> = Vec::new();
    for entry in raw.iter().take(EARLIER_MAX) {
        let (span, named) = (entry.span(), entry.get_ref());
        let before = offices.iter().any(|it| it.name.as_str() == named.name);
        check.ensure(
            !before,
            Some(&span),
            "earlier",
            "names an office twice",
            "Name each earlier office once, with the key of its log.",
        );
        let key = named.log_key.clone();
        offices.extend(office(check, Some(&span), &named.name, key, named.entries));
    }
    offices
}

fn office(
    check: &mut Check<'_>,
    at: Option<&Range<usize>>,
    name: &str,
    log_key: String,
    entries: Option<u64>,
) -> Option<TrustedOffice> {
    let name = StationName::from_str(name).ok();
    check.ensure(
        name.is_some(),
        at,
        "name",
        "is not a name",
        "Name the office as its office.toml does: 1 to 63 of a-z, 0-9 and '-', beginning with a letter or digit.",
    );
    Some(TrustedOffice {
        name: name?,
        log_key,
        entries,
    })
}
