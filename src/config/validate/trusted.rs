//! `[office]` of camdock.toml: the office whose acts a station believes.

use std::str::FromStr as _;

use super::Check;
use crate::config::raw::TrustedOfficeSection;
use crate::config::settings::TrustedOffice;
use crate::model::StationName;

pub(super) fn section(check: &mut Check<'_>, raw: &TrustedOfficeSection) -> Option<TrustedOffice> {
    let (name, key) = (&raw.name, &raw.log_key);
    check.ensure(
        name.value.is_empty() == key.value.is_empty(),
        name.at.as_ref().or(key.at.as_ref()),
        "office",
        "is half of an office",
        "Give both `name` and `log_key` in [office], or neither.",
    );
    if name.value.is_empty() {
        return None;
    }
    let office = StationName::from_str(&name.value).ok();
    check.ensure(
        office.is_some(),
        name.at.as_ref(),
        "name",
        "is not a name",
        "Name the office as its office.toml does: 1 to 63 of a-z, 0-9 and '-', beginning with a letter or digit.",
    );
    Some(TrustedOffice {
        name: office?,
        log_key: key.value.clone(),
    })
}
