//! `sharereader.toml`: merged values become the checked [`ShareReaderConfig`].

use std::path::Path;

use super::{Check, people, store, web};
use crate::config::raw::ShareReaderMerged;
use crate::config::{ConfigError, ShareReaderConfig};

const LISTEN: &str =
    "Give `listen` in [pages] an address with a port, for example `listen = \"0.0.0.0:443\"`.";

pub fn share_reader(
    path: &Path,
    text: &str,
    merged: &ShareReaderMerged,
    warnings: &mut Vec<String>,
) -> Result<ShareReaderConfig, ConfigError> {
    let mut check = Check {
        path,
        text,
        reading: false,
        problems: Vec::new(),
    };
    let raw = &merged.sharereader;
    let address = &raw.office_address;
    if address.value.is_empty() {
        check.missing(
            "office_address",
            "Give the address of the office's pages in [sharereader], for example `office_address = \"https://evidence.police.example:8486\"`.",
        );
    } else {
        check.ensure(
            people::keeps_secrets(&address.value),
            address.at.as_ref(),
            "office_address",
            "is not an https address",
            "Give the address of the office's pages without a query, for example `https://evidence.police.example:8486`; plain http is for loopback alone.",
        );
    }
    let raw_pages = &merged.pages;
    if raw_pages.listen.value.is_empty() {
        check.missing("listen", LISTEN);
    }
    let pages = web::pages(
        &mut check,
        &web::PageKeys {
            section: "pages",
            whose: web::Whose::Recipients,
            stations: &[],
            example: "127.0.0.1:8487",
            listen: &raw_pages.listen,
            tls_certificate: &raw_pages.tls_certificate,
            tls_key: &raw_pages.tls_key,
            language: &raw_pages.language,
            tokens: &[],
        },
    );
    let store = store::section(&mut check, &merged.store, warnings);
    let log = super::log(&mut check, &merged.log);
    if !check.problems.is_empty() {
        return Err(super::all_of(path, check.problems));
    }
    Ok(ShareReaderConfig {
        office_address: address.value.trim_end_matches('/').to_owned(),
        office_token_file: check.path(&raw.office_token_file.value),
        office_ca_file: check.optional_path(&raw.office_ca_file),
        pages,
        store,
        log,
    })
}
