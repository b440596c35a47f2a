use super::Check;
use crate::config::raw::StoreSection;
use crate::config::settings::{RetentionMode, StoreSettings};

pub(super) fn section(
    check: &mut Check<'_>,
    raw: &StoreSection,
    warnings: &mut Vec<String>,
) -> StoreSettings {
    let bucket = &raw.bucket.value;
    if bucket.is_empty() {
        check.missing(
            "bucket",
            "Name the bucket in [store]: `bucket = \"evidence\"`.",
        );
    } else {
        check.ensure(
            (3..=63).contains(&bucket.len())
                && bucket.bytes().all(|b| {
                    b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'.'
                })
                && !bucket.starts_with(['-', '.'])
                && !bucket.contains(".."),
            raw.bucket.at.as_ref(),
            "bucket",
            "is not a bucket name",
            "Use 3 to 63 of a-z, 0-9, '-' and '.', beginning with a letter or digit.",
        );
    }
    let endpoint = &raw.endpoint.value;
    let rest = endpoint
        .strip_prefix("https://")
        .or_else(|| endpoint.strip_prefix("http://"));
    check.ensure(
        endpoint.is_empty()
            || rest.is_some_and(|host| {
                !host.is_empty() && !host.contains('@') && host.bytes().all(|b| b.is_ascii_graphic())
            }),
        raw.endpoint.at.as_ref(),
        "endpoint",
        "is not a web address",
        "Give it as `https://s3.example:8333`, without user name or password; leave it out for AWS.",
    );
    if endpoint.starts_with("http://") && !rest.is_some_and(is_loopback) {
        warnings.push(format!("The store at {endpoint} is reached without TLS: footage stays sealed, but names, sizes and times can be seen and requests changed on the way. Use https."));
    }
    let prefix = &raw.prefix.value;
    check.ensure(
        prefix.is_empty()
            || (prefix.len() <= 256
                && prefix.ends_with('/')
                && prefix
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b"-_./=".contains(&b))
                && prefix.trim_end_matches('/').len() + 1 == prefix.len()
                && prefix.split('/').rev().skip(1).all(|p| !["", ".", ".."].contains(&p))),
        raw.prefix.at.as_ref(),
        "prefix",
        "is not a usable prefix",
        "Use letters, digits and `-_.=` in parts that each end with one `/`, for example `leeds/`, or leave it out.",
    );
    let region = &raw.region.value;
    check.ensure(
        !region.is_empty() && region.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'),
        raw.region.at.as_ref(),
        "region",
        "is not a region",
        "Give the store's region, for example `eu-west-2`; stores of your own usually take `us-east-1`.",
    );
    let days = raw.retention_days.value;
    match raw.retention.value {
        RetentionMode::None => {
            check.ensure(
                days == 0,
                raw.retention_days.at.as_ref(),
                "retention_days",
                "contradicts `retention = \"none\"`",
                "Remove one of the two.",
            );
            warnings.push("No retention is asked of the store (`retention = \"none\"`): whoever has rights on the bucket can delete evidence.".into());
        }
        _ if raw.retention_days.at.is_none() => check.missing(
            "retention_days",
            "State in [store] for how many days nobody may delete a stored object (`retention_days = 31`), or `retention = \"none\"`. It can't be shortened later.",
        ),
        _ => check.number(&raw.retention_days, 1..=36_500, "retention_days", "Use 1 to 36500 days."),
    }
    let answer = raw.answer_seconds.value;
    check.number(
        &raw.answer_seconds,
        1..=3600,
        "answer_seconds",
        "Use 1 to 3600 seconds; 60 suits most stores.",
    );
    StoreSettings {
        endpoint: (!endpoint.is_empty()).then(|| endpoint.clone()),
        region: region.clone(),
        bucket: bucket.clone(),
        prefix: prefix.clone(),
        path_style: raw.path_style.value,
        ca_file: check.optional_path(&raw.ca_file),
        retention: raw.retention.value,
        retention_days: days,
        credentials_file: check.optional_path(&raw.credentials_file),
        answer: std::time::Duration::from_secs(answer.into()),
        verify_credentials_file: check.optional_path(&raw.verify_credentials_file),
    }
}

fn is_loopback(host: &str) -> bool {
    let host = host.split('/').next().unwrap_or(host);
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    name == "localhost"
        || name
            .trim_matches(['[', ']'])
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}
