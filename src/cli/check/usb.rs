//! Checks of USB: the kernel, the device nodes and their permissions, udev rule, mount helper, and plugged-in devices.

use std::path::{Path, PathBuf};

use rustix::fs::{Access, access};

use super::diagnosis::{Diagnosis, bad, fine};
use crate::config::{self, Config, Profiles};
use crate::dock::usb::{PlugState, Ports, Sysfs, UsbVerdict, judge};
use crate::model::UsbDevice;

const RULE: &str = "67-camdock.rules";
const HELPER: &str = "camdock-mount@.service";

/// `root` is `/`, or a test's folder with the same structure.
pub fn diagnoses(
    root: &Path,
    config: &Config,
    profiles: &Profiles,
    numbers: Option<&[u8]>,
) -> Vec<Diagnosis> {
    if !config.dock.usb {
        return vec![fine("usb", "not watched (`usb = false` in [dock])".into())];
    }
    let sysfs = Sysfs::new(root.join("sys"));
    let plugs = match sysfs.scan() {
        Ok(plugs) => plugs,
        Err(error) => {
            return vec![bad(
                "usb",
                format!(
                    "this kernel shows no USB ({}: {error})",
                    root.join("sys/bus/usb/devices").display()
                ),
                "Load the kernel's USB drivers (`modprobe xhci_pci`; Debian's cloud kernels have none), or write `usb = false` in [dock].",
            )];
        }
    };
    let mut diagnoses = vec![fine(
        "usb",
        format!("{} devices, hubs not counted", plugs.len()),
    )];
    diagnoses.push(if root.join("dev/bus/usb").is_dir() {
        fine("usb nodes", "/dev/bus/usb is there".into())
    } else {
        bad(
            "usb nodes",
            "/dev/bus/usb is missing: MTP cameras cannot be opened, and libusb reports no device at all".into(),
            "Start udev (`systemctl start systemd-udevd`); in a container, pass /dev/bus/usb in.",
        )
    });
    diagnoses.push(installed(
        root,
        "udev rule",
        RULE,
        &["etc/udev/rules.d", "run/udev/rules.d", "usr/local/lib/udev/rules.d", "usr/lib/udev/rules.d", "lib/udev/rules.d"],
        "Copy systemd/67-camdock.rules to /usr/lib/udev/rules.d/, then run `udevadm control --reload && udevadm trigger`.",
    ));
    diagnoses.push(installed(
        root,
        "mount helper",
        HELPER,
        &["etc/systemd/system", "run/systemd/system", "usr/local/lib/systemd/system", "usr/lib/systemd/system", "lib/systemd/system"],
        "Copy systemd/camdock-mount@.service to /usr/lib/systemd/system/, then run `systemctl daemon-reload`.",
    ));
    let media = Path::new("/run/camdock/media");
    if !config
        .dock
        .folders
        .iter()
        .any(|folder| folder.path == media)
    {
        diagnoses.push(bad(
            "usb disks",
            format!(
                "are mounted below {}, which is not a folder of [dock]",
                media.display()
            ),
            "Add `{ path = \"/run/camdock/media\" }` to `folders` in [dock].",
        ));
    }
    let mut ports = Ports::new(&config.dock.bays, numbers)
        .unwrap_or_else(|_| Ports::unsaved(&config.dock.bays));
    for plug in plugs {
        let bay = ports.bay(&plug.port, plug.peer_port.as_deref());
        let place = match &plug.peer_port {
            Some(peer) => format!("{bay} ({} and {peer})", plug.port),
            None => format!("{bay} ({})", plug.port),
        };
        match &plug.state {
            PlugState::Unready => diagnoses.push(bad(
                "usb device",
                format!("{place}: the kernel has not configured what is plugged in"),
                "Give it more power (a powered hub), or authorise it (`authorized` in its sysfs folder).",
            )),
            PlugState::Absurd(reason) => diagnoses.push(bad(
                "usb device",
                format!("{place}: it describes itself in an absurd way: {reason}"),
                "Remove it.",
            )),
            PlugState::Own => diagnoses.push(fine(
                "usb disk",
                format!("{place}: the station's own, left alone"),
            )),
            PlugState::NoDisc => diagnoses.push(fine(
                "usb drive",
                format!("{place}: an optical drive without a disc"),
            )),
            PlugState::Device(device) => diagnoses.extend(camera(root, &place, device, profiles)),
        }
    }
    diagnoses
}

fn camera(root: &Path, place: &str, device: &UsbDevice, profiles: &Profiles) -> Option<Diagnosis> {
    let what = |profile: &str| {
        format!(
            "{place}: {} {} {}, profile {profile}",
            device.ids(),
            device
                .product_name
                .as_deref()
                .unwrap_or("(no name)")
                .escape_debug(),
            device
                .serial
                .as_deref()
                .unwrap_or("(no serial)")
                .escape_debug(),
        )
    };
    match judge(device, profiles) {
        UsbVerdict::Other => None,
        UsbVerdict::Refused(reason) => Some(bad(
            "usb camera",
            format!("{place}: {reason}"),
            "Remove it.",
        )),
        UsbVerdict::Camera { profile, locked } => {
            let name = if locked {
                format!("{} (locked)", profile.name)
            } else {
                profile.name.clone()
            };
            if profile.access == config::Access::MassStorage && !locked {
                return Some(fine("usb camera", what(&name)));
            }
            let node: PathBuf = root.join(format!(
                "dev/bus/usb/{:03}/{:03}",
                device.bus, device.address
            ));
            Some(
                if access(&node, Access::READ_OK | Access::WRITE_OK).is_ok() {
                    fine("usb camera", what(&name))
                } else {
                    bad(
                        "usb camera",
                        format!("{}; this user may not open {}", what(&name), node.display()),
                        &format!(
                            "Run this check as the user `camdock`. If it stays, put `SUBSYSTEM==\"usb\", ENV{{DEVTYPE}}==\"usb_device\", ATTR{{idVendor}}==\"{:04x}\", ATTR{{idProduct}}==\"{:04x}\", ENV{{CAMDOCK_CAMERA}}=\"1\"` into /etc/udev/rules.d/66-camdock-local.rules, run `udevadm control --reload`, and dock it again.",
                            device.vendor, device.product
                        ),
                    )
                },
            )
        }
    }
}

fn installed(root: &Path, what: &'static str, name: &str, dirs: &[&str], fix: &str) -> Diagnosis {
    match dirs
        .iter()
        .map(|dir| root.join(dir).join(name))
        .find(|path| path.exists())
    {
        Some(path) => fine(what, path.display().to_string()),
        None => bad(
            what,
            format!("{name} is not installed: cameras stay out of reach"),
            fix,
        ),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    struct Root(tempfile::TempDir);

    impl Root {
        fn put(&self, path: &str, bytes: impl AsRef<[u8]>) {
            let path = self.0.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }

        fn plug(&self, name: &str, address: u8, interfaces: &[[u8; 3]]) {
            let dir = format!("sys/devices/pci0000:00/0000:00:04.0/usb1/{name}");
            let mut bytes = vec![18, 1, 0, 2, 0, 0, 0, 64, 0xf4, 0x46, 4, 0, 0, 1, 1, 2, 3, 1];
            bytes.extend([9, 2, 0, 0, 1, 1, 0, 0x80, 50]);
            for [class, subclass, protocol] in interfaces {
                bytes.extend([9, 4, 0, 0, 0, *class, *subclass, *protocol, 0]);
            }
            self.put(&format!("{dir}/descriptors"), bytes);
            self.put(&format!("{dir}/busnum"), "1\n");
            self.put(&format!("{dir}/devnum"), format!("{address}\n"));
            self.put(&format!("{dir}/bConfigurationValue"), "1\n");
            self.put(&format!("{dir}/serial"), "X8\u{1b}[2J\n");
            let link = self.0.path().join("sys/bus/usb/devices").join(name);
            fs::create_dir_all(link.parent().unwrap()).unwrap();
            symlink(self.0.path().join(dir), link).unwrap();
        }

        fn diagnoses(&self, dock: &str) -> Vec<(bool, String)> {
            self.put(
                "etc/a.pem",
                "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
            );
            let text = format!(
                "[station]\nname = \"s\"\n[dock]\n{dock}\n[seal]\nrecipients = [\"a.pem\"]\n[store]\nbucket = \"evidence\"\nretention_days = 1\n"
            );
            self.put("etc/camdock.toml", text);
            let config = Config::load(&self.0.path().join("etc/camdock.toml"))
                .unwrap()
                .config;
            diagnoses(self.0.path(), &config, &Profiles::builtin(), None)
                .into_iter()
                .map(|f| {
                    (
                        f.ok,
                        format!("{}: {} {}", f.what, f.detail, f.fix.unwrap_or_default()),
                    )
                })
                .collect()
        }
    }

    const MEDIA: &str = "folders = [{ path = \"/run/camdock/media\" }]";

    #[track_caller]
    fn says(found: &[(bool, String)], ok: bool, text: &str) {
        assert!(
            found.iter().any(|(o, t)| *o == ok && t.contains(text)),
            "{text}: {found:#?}"
        );
    }

    #[test]
    fn a_machine_without_usb_is_told_what_to_load_or_to_switch_off() {
        let root = Root(tempfile::tempdir().unwrap());
        let found = root.diagnoses(MEDIA);
        assert_eq!(found.len(), 1);
        says(&found, false, "this kernel shows no USB");
        says(
            &root.diagnoses(&format!("{MEDIA}\nusb = false")),
            true,
            "not watched",
        );
    }

    #[test]
    fn missing_nodes_rules_rights_and_units_are_each_named_with_the_fix() {
        let root = Root(tempfile::tempdir().unwrap());
        root.plug("1-1", 3, &[[6, 1, 1]]);
        root.plug("1-2", 4, &[[8, 6, 0x50]]);
        root.plug("1-3", 5, &[[8, 6, 0x50], [3, 1, 1]]);
        root.plug("1-4", 6, &[[3, 1, 1]]);
        let found = root.diagnoses("folders = [{ path = \"docked\" }]");
        says(&found, true, "4 devices");
        says(&found, false, "/dev/bus/usb is missing");
        says(&found, false, "67-camdock.rules is not installed");
        says(&found, false, "camdock-mount@.service is not installed");
        says(&found, false, "are mounted below /run/camdock/media");
        says(&found, false, "dev/bus/usb/001/003");
        says(
            &found,
            false,
            "ATTR{idVendor}==\"46f4\", ATTR{idProduct}==\"0004\"",
        );
        says(&found, true, "bay-2 (pci-0000:00:04.0-usb-0:2): 46f4:0004");
        says(&found, false, "also presents a keyboard");
        assert!(
            !found.iter().any(|(_, text)| text.contains('\u{1b}')),
            "{found:?}"
        );
        root.put("dev/bus/usb/001/003", "");
        root.put("lib/udev/rules.d/67-camdock.rules", "");
        root.put("etc/systemd/system/camdock-mount@.service", "");
        let found = root.diagnoses(MEDIA);
        says(&found, true, "bay-1 (pci-0000:00:04.0-usb-0:1): 46f4:0004");
        says(&found, true, "67-camdock.rules");
        says(&found, true, "camdock-mount@.service");
        assert_eq!(found.iter().filter(|(ok, _)| !ok).count(), 1, "{found:#?}");
    }
}
