//! Finds out whether the state folder's disk encrypts what is written to it: only then is an erased key unreadable in old
//! blocks, too.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use super::diagnosis::{Diagnosis, advice, fine};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Encryption {
    /// By dm-crypt, on every disk below.
    Encrypted,
    Plain,
    /// The kernel shows no block device, or not what lies below it: a network share, btrfs, a file system in a file.
    NotKnown,
}

pub fn state_folder(state_dir: &Path) -> Diagnosis {
    let place = state_dir.ancestors().find(|dir| dir.is_dir());
    let device = place
        .and_then(|dir| fs::metadata(dir).ok())
        .map(|m| m.dev());
    let encryption = device.map_or(Encryption::NotKnown, |device| {
        let (major, minor) = (rustix::fs::major(device), rustix::fs::minor(device));
        of_device(&Path::new("/sys/dev/block").join(format!("{major}:{minor}")))
    });
    let what = "state folder";
    let detail = |says: &str| format!("{} {says}", state_dir.display());
    match encryption {
        Encryption::Encrypted => fine(what, detail("is on an encrypted device")),
        Encryption::Plain => advice(
            what,
            detail("is on a device that is not encrypted"),
            "Keep it on a dm-crypt (LUKS) device: a disk may remember keys that were erased in the files.",
        ),
        Encryption::NotKnown => advice(
            what,
            detail("is on a device of which it is not known whether it is encrypted"),
            "Find out whether its disk is encrypted: a disk may remember keys that were erased in the files.",
        ),
    }
}

/// `device` is the device's folder in sysfs.
fn of_device(device: &Path) -> Encryption {
    if !device.is_dir() || device.join("loop").is_dir() {
        return Encryption::NotKnown;
    }
    let uuid = fs::read_to_string(device.join("dm/uuid")).unwrap_or_default();
    // These two are cryptsetup's as well, and encrypt nothing.
    let only_checks = ["CRYPT-VERITY-", "CRYPT-INTEGRITY-"];
    if uuid.starts_with("CRYPT-") && !only_checks.iter().any(|checks| uuid.starts_with(checks)) {
        return Encryption::Encrypted;
    }
    // A partition's disks are those of the whole device.
    let whole = if device.join("partition").exists() {
        let device = fs::canonicalize(device).unwrap_or_else(|_| device.to_owned());
        device.join("..")
    } else {
        device.to_owned()
    };
    if whole.join("loop").is_dir() {
        return Encryption::NotKnown;
    }
    let disks: Vec<Encryption> = fs::read_dir(whole.join("slaves"))
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| of_device(&entry.path()))
        .collect();
    if disks.is_empty() || disks.contains(&Encryption::Plain) {
        Encryption::Plain
    } else if disks.contains(&Encryption::NotKnown) {
        Encryption::NotKnown
    } else {
        Encryption::Encrypted
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::path::PathBuf;

    use super::*;

    struct Sysfs(tempfile::TempDir);

    impl Sysfs {
        /// A block device on these disks; `uuid` is the device mapper's.
        fn device(&self, name: &str, uuid: Option<&str>, disks: &[&str]) -> PathBuf {
            let device = self.0.path().join(name);
            fs::create_dir_all(device.join("slaves")).unwrap();
            if let Some(uuid) = uuid {
                fs::create_dir(device.join("dm")).unwrap();
                fs::write(device.join("dm/uuid"), format!("{uuid}\n")).unwrap();
            }
            for disk in disks {
                symlink(self.0.path().join(disk), device.join("slaves").join(disk)).unwrap();
            }
            device
        }

        fn partition(&self, name: &str, of: &str) -> PathBuf {
            let device = self.0.path().join(of).join(name);
            fs::create_dir_all(&device).unwrap();
            fs::write(device.join("partition"), "1\n").unwrap();
            let link = self.0.path().join(format!("link to {name}"));
            symlink(device, &link).unwrap();
            link
        }
    }

    #[test]
    fn a_device_is_encrypted_only_if_dm_crypt_lies_above_each_of_its_disks() {
        let sysfs = Sysfs(tempfile::tempdir().unwrap());
        let plain = sysfs.device("sda", None, &[]);
        assert_eq!(of_device(&plain), Encryption::Plain);
        let partition = sysfs.partition("sda1", "sda");
        assert_eq!(of_device(&partition), Encryption::Plain);
        let crypt = sysfs.device("dm-0", Some("CRYPT-LUKS2-1234-root"), &["sda"]);
        assert_eq!(of_device(&crypt), Encryption::Encrypted);
        let volume = sysfs.device("dm-1", Some("LVM-abcd"), &["dm-0"]);
        assert_eq!(of_device(&volume), Encryption::Encrypted);
        let half = sysfs.device("dm-2", Some("LVM-abcd"), &["dm-0", "sda"]);
        assert_eq!(of_device(&half), Encryption::Plain);
        let checked = sysfs.device("dm-3", Some("CRYPT-VERITY-1234-root"), &["sda"]);
        assert_eq!(of_device(&checked), Encryption::Plain);
        let over_it = sysfs.device("dm-4", Some("CRYPT-INTEGRITY-1234-root"), &["dm-0"]);
        assert_eq!(of_device(&over_it), Encryption::Encrypted);
        sysfs.device("md0", None, &["dm-0"]);
        let partition = sysfs.partition("md0p1", "md0");
        assert_eq!(of_device(&partition), Encryption::Encrypted);
        let file = sysfs.device("loop0", None, &[]);
        fs::create_dir(file.join("loop")).unwrap();
        assert_eq!(of_device(&file), Encryption::NotKnown);
        let over_it = sysfs.device("dm-5", Some("LVM-abcd"), &["dm-0", "loop0"]);
        assert_eq!(of_device(&over_it), Encryption::NotKnown);
        let missing = sysfs.0.path().join("0:48");
        assert_eq!(of_device(&missing), Encryption::NotKnown);
    }
}
