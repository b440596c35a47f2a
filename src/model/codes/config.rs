use super::{Code, Person::Operations, code};

const CORRECT: &str = "Correct the configuration, then run `camdock check`.";
const KEY_FILE: &str = "Check the path and permissions of the key file, then run `camdock check`.";

pub(super) const CODES: &[Code] = &[
    code(
        "config_invalid",
        Operations,
        "The configuration has a value that cannot be used.",
        CORRECT,
    ),
    code(
        "config_missing",
        Operations,
        "The configuration lacks a required key.",
        CORRECT,
    ),
    code(
        "config_private_key",
        Operations,
        "A private key is stored where a recipient's public key belongs.",
        "Move the private key off this station at once and put the public key there.",
    ),
    code(
        "config_refused",
        Operations,
        "A change to the configuration was refused, so the last good configuration stays in use.",
        "Correct the file that the log line names.",
    ),
    code(
        "config_secret_in_file",
        Operations,
        "The configuration file holds a secret.",
        "Remove the secret from the file and replace it with a new one: secrets come from credentials or from files with mode 0600.",
    ),
    code(
        "config_syntax",
        Operations,
        "A configuration file is not valid TOML.",
        CORRECT,
    ),
    code(
        "config_too_large",
        Operations,
        "A configuration file is too large.",
        CORRECT,
    ),
    code(
        "config_unknown_key",
        Operations,
        "The configuration has an unknown key or value.",
        CORRECT,
    ),
    code(
        "config_unreadable",
        Operations,
        "A configuration file cannot be read.",
        CORRECT,
    ),
    code(
        "config_unwise",
        Operations,
        "The configuration works, but part of it is unwise.",
        "Unless you intend this, do what the log line says in `warning`.",
    ),
    code(
        "secret_exposed",
        Operations,
        "Other users can read a secret's file.",
        "Set its mode to 0600, and replace the secret if others may have read it.",
    ),
    code(
        "secret_malformed",
        Operations,
        "A secret does not have the expected form.",
        KEY_FILE,
    ),
    code(
        "secret_missing",
        Operations,
        "A secret was not found.",
        KEY_FILE,
    ),
];
