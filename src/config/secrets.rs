//! Secrets: from systemd credentials, files with mode 0600, or the environment. Never from the TOML, never shown.

use std::env;
use std::fs::{File, OpenOptions};
use std::io::Read as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Deserializer};
use zeroize::Zeroizing;

use super::keydesk::RECIPIENT_KEY;
use super::office::{OFFICE_LOG_KEY, WITNESS_KEY};
use super::people::CLIENT_SECRET;
use super::sharereader::OFFICE_TOKEN;
use super::station_files::{STATION_KEY, WRAP_KEY};
use super::{
    Config, ConfigError, KeyDeskConfig, OfficeConfig, PeopleSettings, ShareReaderConfig,
    StoreSettings,
};

const SECRET_BYTES_MAX: usize = 64 << 10;
const WEB_TLS_KEY: &str = "web-tls.key";

/// A secret's bytes and the file they came from.
type SecretBytes = (Zeroizing<Vec<u8>>, PathBuf);
type Environment = Box<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// The places where this process may find secrets.
pub struct Secrets {
    /// systemd's `$CREDENTIALS_DIRECTORY`, private to this unit.
    credentials: Option<PathBuf>,
    environment: Environment,
}

/// Keys of the store. Deliberately without `Debug`.
pub struct StoreCredentials {
    pub access_key_id: Zeroizing<String>,
    pub secret_access_key: Zeroizing<String>,
    pub session_token: Option<Zeroizing<String>>,
    /// For people: `the file /etc/…`, `systemd credentials`, `the environment`.
    pub source: String,
}

impl Secrets {
    pub fn from_environment() -> Self {
        Self {
            credentials: env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from),
            environment: Box::new(|name| env::var(name).ok()),
        }
    }

    #[cfg(test)]
    pub(super) fn new(
        credentials: Option<PathBuf>,
        environment: impl Fn(&str) -> Option<String> + Send + Sync + 'static,
    ) -> Self {
        Self {
            credentials,
            environment: Box::new(environment),
        }
    }

    /// The key that signs the custody log, PKCS#8 DER: the credential `station.key`, else `<state_dir>/keys/station.key`.
    pub fn station_key(&self, config: &Config) -> Result<Zeroizing<Vec<u8>>, ConfigError> {
        self.own(STATION_KEY, config.files.station_key())
            .map(|(bytes, _)| bytes)
    }

    /// The key that wraps item keys: the credential `wrap.key`, else `<state_dir>/keys/wrap.key`.
    pub fn wrap_key(&self, config: &Config) -> Result<Zeroizing<[u8; 32]>, ConfigError> {
        let (bytes, file) = self.own(WRAP_KEY, config.files.wrap_key())?;
        <[u8; 32]>::try_from(bytes.as_slice())
            .map(Zeroizing::new)
            .map_err(|_| ConfigError::SecretMalformed {
                name: WRAP_KEY.into(),
                file,
                message: "is not 32 bytes long",
                fix: "Restore it from your backup. `camdock keygen station` makes a new one, but with it the items still in flight on this station cannot be resumed.",
            })
    }

    /// The key that signs an office's cosignatures, PKCS#8 DER: the credential `witness.key`, else the file in its state folder.
    pub fn witness_key(&self, config: &OfficeConfig) -> Result<Zeroizing<Vec<u8>>, ConfigError> {
        let file = config.witness_key();
        let how = format!(
            "Run `camdock office keygen` once, which writes {}",
            file.display()
        );
        self.load(WITNESS_KEY, &file, &how).map(|(bytes, _)| bytes)
    }

    /// The key that signs an office's own log, PKCS#8 DER: the credential `office-log.key`, else the file in its state folder.
    pub fn office_log_key(&self, config: &OfficeConfig) -> Result<Zeroizing<Vec<u8>>, ConfigError> {
        let file = config.office_log_key();
        let how = format!(
            "Run `camdock office keygen` once, which writes {}",
            file.display()
        );
        self.load(OFFICE_LOG_KEY, &file, &how)
            .map(|(bytes, _)| bytes)
    }

    /// What the office proves itself with to the provider of `[people]`: the credential, else the file, as one line.
    pub fn people_client(&self, people: &PeopleSettings) -> Result<Zeroizing<String>, ConfigError> {
        let file = &people.client_secret_file;
        let how = format!(
            "Write the secret that the provider gave for this client into {} (mode 0600, owner `camdock-office`)",
            file.display()
        );
        let (bytes, file) = self.load(CLIENT_SECRET, file, &how)?;
        text(CLIENT_SECRET, &file, &bytes)
    }

    /// The recipient's private key that the key desk opens item keys with, PEM: the credential, else the file.
    pub fn recipient_key(&self, config: &KeyDeskConfig) -> Result<Zeroizing<String>, ConfigError> {
        let file = &config.recipient_key_file;
        let how = format!(
            "Put a recipient's private key without a password into {} (mode 0600, owner `camdock-keydesk`)",
            file.display()
        );
        let (bytes, file) = self.load(RECIPIENT_KEY, file, &how)?;
        let text = std::str::from_utf8(&bytes).map(|text| Zeroizing::new(text.to_owned()));
        text.map_err(|_| ConfigError::SecretMalformed {
            name: RECIPIENT_KEY.into(),
            file,
            message: "is not a PEM file",
            fix: "Put the private key of a recipient there, as `camdock keygen recipient` writes it.",
        })
    }

    /// What the share reader shows the office, one line: the credential, else the file.
    pub fn office_token(
        &self,
        config: &ShareReaderConfig,
    ) -> Result<Zeroizing<String>, ConfigError> {
        let file = &config.office_token_file;
        let how = format!(
            "Write the token that `camdock token NAME --role share-reader` printed into {} (mode 0600, owner `camdock-sharereader`)",
            file.display()
        );
        let (bytes, file) = self.load(OFFICE_TOKEN, file, &how)?;
        text(OFFICE_TOKEN, &file, &bytes)
    }

    /// The key of the pages' certificate, PEM: the credential `web-tls.key`, else `file`, which `[web] tls_key` names.
    pub fn web_tls_key(&self, file: &Path) -> Result<Zeroizing<Vec<u8>>, ConfigError> {
        let how = format!(
            "Write the key of [web] tls_certificate into {} (PEM, mode 0600, owner `camdock`)",
            file.display()
        );
        self.load(WEB_TLS_KEY, file, &how).map(|(bytes, _)| bytes)
    }

    fn own(&self, name: &str, file: PathBuf) -> Result<SecretBytes, ConfigError> {
        let how = format!(
            "Run `camdock keygen station` once, which writes {}",
            file.display()
        );
        self.load(name, &file, &how)
    }

    /// A named secret and the file it came from: from systemd's credentials if it is there, else from `file`. `how` says what
    /// to do when it is in neither.
    fn load(&self, name: &str, file: &Path, how: &str) -> Result<SecretBytes, ConfigError> {
        if let Some(credential) = self.credential(name)? {
            return Ok(credential);
        }
        match read_private(file, Guard::OwnerOnly) {
            Err(ConfigError::Read { source, .. })
                if source.kind() == std::io::ErrorKind::NotFound =>
            {
                Err(ConfigError::SecretMissing {
                    name: name.to_owned(),
                    fix: format!("{how}, or give the systemd credential `{name}`."),
                })
            }
            read => read.map(|bytes| (bytes, file.to_owned())),
        }
    }

    /// The password that a profile's `[unlock]` names as `secret`: the credential `unlock-<name>`, else the file
    /// `<state_dir>/keys/unlock/<name>`, as one line of text.
    pub fn unlock_password(
        &self,
        config: &Config,
        name: &str,
    ) -> Result<Zeroizing<String>, ConfigError> {
        let credential = format!("unlock-{name}");
        if let Some((bytes, file)) = self.credential(&credential)? {
            return text(&credential, &file, &bytes);
        }
        let file = config.files.unlock_password(name);
        match read_private(&file, Guard::OwnerOnly) {
            Err(ConfigError::Read { source, .. })
                if source.kind() == std::io::ErrorKind::NotFound =>
            {
                Err(ConfigError::SecretMissing {
                    fix: format!(
                        "Write the cameras' password into {} (mode 0600, owner `camdock`), or give the systemd credential `{credential}`.",
                        file.display()
                    ),
                    name: credential,
                })
            }
            read => text(&credential, &file, &read?),
        }
    }

    /// The store's keys. If `credentials_file` is configured, only that counts; else systemd's credentials, else the environment.
    pub fn store(&self, config: &Config) -> Result<StoreCredentials, ConfigError> {
        self.store_of(&config.store)
    }

    /// The same for any role's `[store]`.
    pub fn store_of(&self, store: &StoreSettings) -> Result<StoreCredentials, ConfigError> {
        if let Some(file) = &store.credentials_file {
            return store_from_file(file);
        }
        if let Some(keys) = self.store_credentials("store")? {
            return Ok(keys);
        }
        for prefix in ["CAMDOCK_STORE_", "AWS_"] {
            let get = |name: &str| {
                (self.environment)(&format!("{prefix}{name}"))
                    .filter(|value| !value.is_empty())
                    .map(Zeroizing::new)
            };
            if let (Some(access_key_id), Some(secret_access_key)) =
                (get("ACCESS_KEY_ID"), get("SECRET_ACCESS_KEY"))
            {
                return Ok(StoreCredentials {
                    access_key_id,
                    secret_access_key,
                    session_token: get("SESSION_TOKEN"),
                    source: format!("the environment ({prefix}…)"),
                });
            }
        }
        Err(ConfigError::SecretMissing {
            name: "of the store (access key id and secret access key)".into(),
            fix: "Name a file with mode 0600 as `credentials_file` in [store] (see config/store-credentials.toml), or give the systemd credentials `store-access-key-id` and `store-secret-access-key`, or set CAMDOCK_STORE_ACCESS_KEY_ID and CAMDOCK_STORE_SECRET_ACCESS_KEY.".into(),
        })
    }

    /// The keys that read evidence back: a configured `verify_credentials_file`, else systemd's credentials
    /// `verify-access-key-id` and `verify-secret-access-key`, else the station's own, as [`Self::store`] finds them.
    pub fn store_to_read(&self, config: &Config) -> Result<StoreCredentials, ConfigError> {
        if let Some(file) = &config.store.verify_credentials_file {
            return store_from_file(file);
        }
        match self.store_credentials("verify")? {
            Some(keys) => Ok(keys),
            None => self.store(config),
        }
    }

    /// systemd's credentials whose names begin so.
    fn store_credentials(&self, whose: &str) -> Result<Option<StoreCredentials>, ConfigError> {
        let read = |end: &str| -> Result<Option<Zeroizing<String>>, ConfigError> {
            let name = format!("{whose}-{end}");
            let found = self.credential(&name)?;
            found
                .map(|(bytes, file)| text(&name, &file, &bytes))
                .transpose()
        };
        let (Some(access_key_id), Some(secret_access_key)) =
            (read("access-key-id")?, read("secret-access-key")?)
        else {
            return Ok(None);
        };
        Ok(Some(StoreCredentials {
            access_key_id,
            secret_access_key,
            session_token: read("session-token")?,
            source: "systemd credentials".into(),
        }))
    }

    fn credential(&self, name: &str) -> Result<Option<SecretBytes>, ConfigError> {
        let Some(dir) = &self.credentials else {
            return Ok(None);
        };
        let file = dir.join(name);
        match read_private(&file, Guard::Systemd) {
            Err(ConfigError::Read { source, .. })
                if source.kind() == std::io::ErrorKind::NotFound =>
            {
                Ok(None)
            }
            read => read.map(|bytes| Some((bytes, file))),
        }
    }
}

enum Guard {
    /// Group and others have no rights.
    OwnerOnly,
    /// systemd shows its access list as group rights; only rights for others are wrong.
    Systemd,
}

fn read_private(path: &Path, guard: Guard) -> Result<Zeroizing<Vec<u8>>, ConfigError> {
    let failed = |source| ConfigError::Read {
        file: path.to_owned(),
        source,
    };
    // Non-blocking, so that a FIFO under this name can't hang the start.
    let file: File = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY)
        .open(path)
        .map_err(failed)?;
    let facts = file.metadata().map_err(failed)?;
    if !facts.is_file() {
        return Err(failed(std::io::Error::other("not a regular file")));
    }
    let forbidden = match guard {
        Guard::OwnerOnly => 0o077,
        Guard::Systemd => 0o007,
    };
    if facts.mode() & forbidden != 0 {
        return Err(ConfigError::SecretExposed {
            file: path.to_owned(),
            mode: facts.mode() & 0o7777,
        });
    }
    if facts.len() > SECRET_BYTES_MAX as u64 {
        return Err(ConfigError::TooLarge {
            file: path.to_owned(),
            limit: SECRET_BYTES_MAX as u64,
        });
    }
    // Allocated in full, because growing would leave copies that are not erased.
    let mut bytes = Zeroizing::new(Vec::with_capacity(SECRET_BYTES_MAX + 1));
    file.take(SECRET_BYTES_MAX as u64)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    Ok(bytes)
}

fn text(name: &str, file: &Path, bytes: &[u8]) -> Result<Zeroizing<String>, ConfigError> {
    std::str::from_utf8(bytes)
        .map(str::trim)
        .ok()
        .filter(|text| !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic() || b == b' '))
        .map(|text| Zeroizing::new(text.to_owned()))
        .ok_or_else(|| ConfigError::SecretMalformed {
            name: name.to_owned(),
            file: file.to_owned(),
            message: "is empty or not plain text",
            fix: "Put the key alone into the file, as one line of text.",
        })
}

fn store_from_file(path: &Path) -> Result<StoreCredentials, ConfigError> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct RawCredentials {
        #[serde(deserialize_with = "erased")]
        access_key_id: Zeroizing<String>,
        #[serde(deserialize_with = "erased")]
        secret_access_key: Zeroizing<String>,
        #[serde(default, deserialize_with = "erased_option")]
        session_token: Option<Zeroizing<String>>,
    }
    let malformed = || ConfigError::SecretMalformed {
        name: "of the store".into(),
        file: path.to_owned(),
        message: "is not TOML with the two keys `access_key_id` and `secret_access_key`",
        fix: "Write the file as config/store-credentials.toml shows it: `access_key_id = \"…\"` and `secret_access_key = \"…\"`, each on its line.",
    };
    let bytes = read_private(path, Guard::OwnerOnly)?;
    let whole = std::str::from_utf8(&bytes).map_err(|_| malformed())?;
    // The parser's own message could quote the secret.
    let raw: RawCredentials = toml::from_str(whole).map_err(|_| malformed())?;
    let checked = |value: &Zeroizing<String>| text("of the store", path, value.as_bytes());
    Ok(StoreCredentials {
        access_key_id: checked(&raw.access_key_id)?,
        secret_access_key: checked(&raw.secret_access_key)?,
        session_token: raw.session_token.as_ref().map(checked).transpose()?,
        source: format!("the file {}", path.display()),
    })
}

fn erased<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Zeroizing<String>, D::Error> {
    String::deserialize(deserializer).map(Zeroizing::new)
}

fn erased_option<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Zeroizing<String>>, D::Error> {
    erased(deserializer).map(Some)
}
