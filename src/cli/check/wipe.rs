//! Checks of wiping: whether root allows what the profiles ask for, and whether it can be done.

use std::io;
use std::os::unix::fs::FileTypeExt as _;
use std::path::Path;

use rustix::fs::{Access, access};

use super::diagnosis::{Diagnosis, bad, fine};
use crate::audit::{VerifierKey, WipeTrust};
use crate::config::{self, Config, ConfigError, Profile, Profiles, WipePolicy};
use crate::model::{Explain as _, WipeLevel};

const WHAT: &str = "wiping";

/// `own`: the station's public log key, if it is known.
pub fn diagnoses(
    config: &Config,
    profiles: &Profiles,
    own: Option<&VerifierKey>,
) -> Vec<Diagnosis> {
    let asking: Vec<&Profile> = profiles
        .all()
        .map(AsRef::as_ref)
        .filter(|profile| profile.wipe.is_some())
        .collect();
    if asking.is_empty() {
        return vec![fine(WHAT, "off: no profile asks for it".into())];
    }
    let file = config.wipe_policy_file();
    let policy = WipePolicy::load(&file);
    let mut diagnoses = allowed(&file, policy, &asking, own);
    if let Some(disks) = named(&asking, config::Access::MassStorage) {
        diagnoses.push(helper(&config.files.wipe_socket(), &disks));
    }
    if let Some(mtp) = named(&asking, config::Access::Ptp) {
        diagnoses.push(fine(
            WHAT,
            format!(
                "by MTP ({mtp}) the service itself deletes: no process of root's checks again, as one does for USB disks"
            ),
        ));
    }
    diagnoses
}

/// The names of the profiles with this access, for people; `None`: there are none.
fn named(asking: &[&Profile], access: config::Access) -> Option<String> {
    let of = asking.iter().filter(|profile| profile.access == access);
    let names: Vec<&str> = of.map(|profile| profile.name.as_str()).collect();
    (!names.is_empty()).then(|| format!("profile {}", names.join(", ")))
}

/// Whether root's file allows what the profiles ask for.
fn allowed(
    file: &Path,
    policy: Result<WipePolicy, ConfigError>,
    asking: &[&Profile],
    own: Option<&VerifierKey>,
) -> Vec<Diagnosis> {
    let names: Vec<&str> = asking.iter().map(|profile| profile.name.as_str()).collect();
    let names = names.join(", ");
    let policy = match policy {
        Ok(policy) => policy,
        Err(error) => return vec![not_believed(file, &error, &names)],
    };
    let asked = asking.iter().filter_map(|profile| profile.wipe);
    let level = asked.map(|wipe| wipe.level).fold(policy.level, Ord::max);
    let mut diagnoses = Vec::new();
    if level == WipeLevel::Confirmed && policy.confirmer_keys.is_empty() {
        diagnoses.push(bad(
            WHAT,
            format!(
                "the level `confirmed` is asked for, and {} names nobody who confirms: nothing will be deleted",
                file.display()
            ),
            "Run `camdock keygen confirmer` on a machine that is not a station, and write its public key into `confirmer_keys`.",
        ));
    } else if let Err(error) = WipeTrust::new(level, &policy.log_keys, &policy.confirmer_keys) {
        diagnoses.push(bad(
            WHAT,
            format!("{}: {error}: nothing will be deleted", file.display()),
            "Correct `log_keys` and `confirmer_keys`: the first is what this station's log.pub holds, the second what `camdock keygen confirmer` made.",
        ));
    }
    if let Some(own) = own {
        let pinned = policy
            .log_keys
            .iter()
            .any(|text| text.parse::<VerifierKey>().is_ok_and(|key| key == *own));
        if !pinned {
            diagnoses.push(bad(
                WHAT,
                format!(
                    "{} pins another key than this station's log has: nothing will be deleted",
                    file.display()
                ),
                &format!("If this station's key was changed on purpose, write \"{own}\" into `log_keys`; if not, find out who changed it."),
            ));
        }
    }
    if diagnoses.is_empty() {
        diagnoses.push(fine(
            WHAT,
            format!("allowed at the level `{}` for {names}", level.as_str()),
        ));
    }
    diagnoses
}

fn not_believed(file: &Path, error: &ConfigError, names: &str) -> Diagnosis {
    let read = match error {
        ConfigError::Read { source, .. } => Some(source.kind()),
        _ => None,
    };
    let path = file.display();
    match read {
        Some(io::ErrorKind::NotFound) => bad(
            WHAT,
            format!("{names} asks for it, and there is no {path}: nothing will be deleted"),
            "Write it as root (config/wipe.toml explains it), or remove `wipe` from the profile.",
        ),
        Some(io::ErrorKind::PermissionDenied) => bad(
            WHAT,
            format!(
                "{names} asks for it, and this user may not read {path}: nothing will be deleted"
            ),
            &format!("Run `chmod 0644 {path}`: it holds no secret, and the service reads it, too."),
        ),
        _ => bad(
            WHAT,
            format!("{names} asks for it, and nothing will be deleted: {error}"),
            &error.next_step(),
        ),
    }
}

/// Does not connect to the socket, because that would start the helper.
fn helper(at: &Path, disks: &str) -> Diagnosis {
    let there = std::fs::metadata(at).is_ok_and(|facts| facts.file_type().is_socket());
    if !there {
        return bad(
            WHAT,
            format!(
                "root's helper, which USB disks need ({disks}), does not listen at {}",
                at.display()
            ),
            "Run `systemctl enable --now camdock-wipe.socket`.",
        );
    }
    if access(at, Access::WRITE_OK).is_err() {
        return bad(
            WHAT,
            format!("this user may not ask root's helper at {}", at.display()),
            "Run this check as the user `camdock`; if it stays, reinstall systemd/camdock-wipe.socket.",
        );
    }
    fine(WHAT, format!("root's helper listens ({disks})"))
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;
    use std::path::PathBuf;

    use super::*;
    use crate::audit::LogKey;
    use crate::config::ProfileWipe;

    struct Keys {
        own: VerifierKey,
        other: VerifierKey,
        reader: VerifierKey,
    }

    fn keys() -> Keys {
        let key = |name: &str| LogKey::generate().unwrap().0.verifier(name).unwrap();
        Keys {
            own: key("camdock/x"),
            other: key("camdock/x"),
            reader: key("reader"),
        }
    }

    fn profile(name: &str, level: WipeLevel) -> Profile {
        let mut profile = Profiles::builtin().get(name).unwrap().as_ref().clone();
        profile.wipe = Some(ProfileWipe {
            level,
            rehash: true,
        });
        profile
    }

    fn policy(level: WipeLevel, log: &VerifierKey, readers: &[&VerifierKey]) -> WipePolicy {
        WipePolicy {
            level,
            rehash: true,
            log_keys: vec![log.to_string()],
            confirmer_keys: readers.iter().map(ToString::to_string).collect(),
        }
    }

    fn diagnosed(
        policy: Result<WipePolicy, ConfigError>,
        profile: &Profile,
        own: &VerifierKey,
    ) -> Vec<(bool, String)> {
        let file = PathBuf::from("/etc/camdock/wipe.toml");
        allowed(&file, policy, &[profile], Some(own))
            .into_iter()
            .map(|f| (f.ok, format!("{} {}", f.detail, f.fix.unwrap_or_default())))
            .collect()
    }

    #[track_caller]
    fn one(found: &[(bool, String)], ok: bool, word: &str) {
        assert!(
            found.len() == 1 && found[0].0 == ok && found[0].1.contains(word),
            "{word}: {found:?}"
        );
    }

    #[test]
    fn a_policy_that_is_not_there_not_roots_or_not_readable_is_told_with_its_fix() {
        let (keys, disk) = (keys(), profile("mass-storage", WipeLevel::Stored));
        let failed = |kind: io::ErrorKind| {
            diagnosed(
                Err(ConfigError::Read {
                    file: "/etc/camdock/wipe.toml".into(),
                    source: kind.into(),
                }),
                &disk,
                &keys.own,
            )
        };
        one(&failed(io::ErrorKind::NotFound), false, "there is no");
        one(
            &failed(io::ErrorKind::PermissionDenied),
            false,
            "chmod 0644",
        );
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("wipe.toml");
        std::fs::write(&file, "level = \"stored\"\nlog_keys = []\n").unwrap();
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o666)).unwrap();
        let loaded = WipePolicy::load(&file);
        one(
            &diagnosed(loaded, &disk, &keys.own),
            false,
            "others than root",
        );
    }

    #[test]
    fn levels_and_keys_must_fit_what_the_profiles_ask_for() {
        let keys = keys();
        let (stored, confirmed) = (WipeLevel::Stored, WipeLevel::Confirmed);
        for asked in [stored, confirmed] {
            let disk = profile("mass-storage", asked);
            let all = policy(confirmed, &keys.own, &[&keys.reader]);
            one(
                &diagnosed(Ok(all), &disk, &keys.own),
                true,
                "level `confirmed`",
            );
            // Either root's file or the profile may ask for it.
            let none = policy(confirmed, &keys.own, &[]);
            one(
                &diagnosed(Ok(none), &disk, &keys.own),
                false,
                "nobody who confirms",
            );
        }
        let asks = profile("mtp", confirmed);
        let none = policy(stored, &keys.own, &[]);
        one(
            &diagnosed(Ok(none), &asks, &keys.own),
            false,
            "nobody who confirms",
        );
        let disk = profile("mass-storage", stored);
        let good = policy(stored, &keys.own, &[]);
        one(
            &diagnosed(Ok(good), &disk, &keys.own),
            true,
            "level `stored`",
        );
        // The same name with another key.
        let other = policy(stored, &keys.other, &[]);
        one(
            &diagnosed(Ok(other), &disk, &keys.own),
            false,
            "pins another key",
        );
        let own_reader = policy(confirmed, &keys.own, &[&keys.own]);
        one(
            &diagnosed(Ok(own_reader), &disk, &keys.own),
            false,
            "same key",
        );
    }

    #[test]
    fn a_helper_is_a_socket_and_mtp_has_none() {
        let dir = tempfile::tempdir().unwrap();
        let at = dir.path().join("wipe.sock");
        assert!(!helper(&at, "x").ok);
        std::fs::write(&at, "").unwrap();
        assert!(!helper(&at, "x").ok, "a file is none");
        std::fs::remove_file(&at).unwrap();
        let _listener = UnixListener::bind(&at).unwrap();
        assert!(helper(&at, "x").ok);

        let asking = [profile("mtp", WipeLevel::Stored)];
        let asking: Vec<&Profile> = asking.iter().collect();
        assert_eq!(named(&asking, config::Access::MassStorage), None);
        let mtp = named(&asking, config::Access::Ptp).unwrap();
        assert_eq!(mtp, "profile mtp");
    }
}
