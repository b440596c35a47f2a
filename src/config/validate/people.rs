//! `[people]` of `office.toml`.

use std::net::IpAddr;
use std::ops::Range;
use std::time::Duration;

use url::{Host, Url};

use super::Check;
use crate::config::raw::PeopleSection;
use crate::config::{PeopleSettings, Role};

const GROUPS_MAX: usize = 1000;

/// `None` without an issuer: then nobody signs in but by token.
pub(super) fn section(
    check: &mut Check<'_>,
    raw: &PeopleSection,
    followed: &[&String],
) -> Option<PeopleSettings> {
    if raw.issuer.value.is_empty() {
        return None;
    }
    for (key, setting) in [("issuer", &raw.issuer), ("address", &raw.address)] {
        check.ensure(
            keeps_secrets(&setting.value),
            setting.at.as_ref().or(raw.issuer.at.as_ref()),
            key,
            "is not an https address",
            "Give the whole address without a query, for example `https://login.police.example/realms/force`; plain http is for loopback alone.",
        );
    }
    for (key, setting) in [
        ("client_id", &raw.client_id),
        ("name_claim", &raw.name_claim),
        ("groups_claim", &raw.groups_claim),
    ] {
        let fine = (1..=200).contains(&setting.value.len());
        let at = setting.at.as_ref().or(raw.issuer.at.as_ref());
        check.ensure(
            fine,
            at,
            key,
            "is empty or too long",
            "Give it as the provider's operator has set it.",
        );
    }
    check.number(
        &raw.session_hours,
        1..=24,
        "session_hours",
        "Use 1 to 24 hours.",
    );
    let at = raw.roles.at.as_ref().or(raw.issuer.at.as_ref());
    check.ensure(
        !raw.roles.value.is_empty() && raw.roles.value.len() <= GROUPS_MAX,
        at,
        "roles",
        "names no group, or too many",
        "Say which group of the provider has which role, for example `roles = [{ group = \"evidence-managers\", role = \"manager\" }]`.",
    );
    let mut roles = Vec::new();
    for entry in raw.roles.value.iter().take(GROUPS_MAX) {
        let (span, role) = (entry.span(), entry.get_ref());
        group(check, &span, "roles", &role.group);
        check.ensure(
            role.role != Role::ShareReader,
            Some(&span),
            "roles",
            "gives people the role of the share reader",
            "The share reader is a program: give it a token in [pages].",
        );
        roles.push((role.group.clone(), role.role));
    }
    let mut units = Vec::new();
    for entry in raw.units.value.iter().take(GROUPS_MAX) {
        let (span, unit) = (entry.span(), entry.get_ref());
        group(check, &span, "units", &unit.group);
        let names = unit.stations.as_deref();
        check.ensure(
            names.is_none_or(|names| names.iter().all(|name| followed.contains(&name))),
            Some(&span),
            "units",
            "names a station that is not followed here",
            "Name stations of [[stations]].",
        );
        let stations =
            names.map(|names| names.iter().filter_map(|name| name.parse().ok()).collect());
        units.push((unit.group.clone(), stations));
    }
    Some(PeopleSettings {
        issuer: raw.issuer.value.clone(),
        client_id: raw.client_id.value.clone(),
        client_secret_file: check.path(&raw.client_secret_file.value),
        address: raw.address.value.trim_end_matches('/').to_owned(),
        ca_file: check.optional_path(&raw.ca_file),
        name_claim: raw.name_claim.value.clone(),
        groups_claim: raw.groups_claim.value.clone(),
        session: Duration::from_secs(u64::from(raw.session_hours.value) * 3600),
        roles,
        units,
    })
}

fn group(check: &mut Check<'_>, span: &Range<usize>, key: &str, name: &str) {
    check.ensure(
        (1..=200).contains(&name.len()),
        Some(span),
        key,
        "has a group without a name, or one that is too long",
        "Name the group as the provider does.",
    );
}

/// Whether what is sent to this address (`https://…`, or plain HTTP on loopback; no query, no user) can be read by its owner alone.
pub fn keeps_secrets(address: &str) -> bool {
    let Ok(url) = Url::parse(address) else {
        return false;
    };
    let loopback = match url.host() {
        Some(Host::Ipv4(ip)) => IpAddr::from(ip).is_loopback(),
        Some(Host::Ipv6(ip)) => IpAddr::from(ip).is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => return false,
    };
    let plain = url.query().is_none() && url.fragment().is_none() && url.username().is_empty();
    plain && (url.scheme() == "https" || url.scheme() == "http" && loopback)
}

#[cfg(test)]
mod tests {
    use super::keeps_secrets;

    #[test]
    fn plain_http_is_for_loopback_alone_however_an_address_begins() {
        for address in [
            "https://a.example",
            "https://a.example:8486/office",
            "http://127.0.0.1:1",
            "http://[::1]:1",
            "http://localhost:1",
        ] {
            assert!(keeps_secrets(address), "{address}");
        }
        for address in [
            "http://a.example",
            "http://127.0.0.1.a.example",
            "http://127.a.example",
            "http://localhost.a.example",
            "http://localhost@a.example",
            "https://user@a.example",
            "https://a.example?q",
            "ftp://127.0.0.1",
            "127.0.0.1",
            "",
        ] {
            assert!(!keeps_secrets(address), "{address}");
        }
    }
}
