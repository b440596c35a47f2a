use super::Check;
use crate::config::raw::{Merged, RawFolder};
use crate::config::settings::{Bay, DockFolder, DockSettings};
use crate::model::BayName;

const FOLDERS_MAX: usize = 64;
const BAYS_MAX: usize = 1024;

pub(super) fn section(check: &mut Check<'_>, merged: &Merged) -> DockSettings {
    let raw = &merged.dock;
    if raw.folders.value.is_empty() {
        check.missing(
            "folders",
            "Name at least one folder in [dock] whose sub-folders are docked cameras: `folders = [{ path = \"/run/camdock/media\" }]`.",
        );
    }
    let mut folders: Vec<DockFolder> = Vec::new();
    for entry in raw.folders.value.iter().take(FOLDERS_MAX) {
        let span = entry.span();
        let RawFolder { path, profile } = entry.get_ref();
        let path = check.path(path);
        let nested = folders
            .iter()
            .any(|other| other.path.starts_with(&path) || path.starts_with(&other.path));
        check.ensure(
            !nested && path.parent().is_some(),
            Some(&span),
            "folders",
            "names a folder twice, one inside another, or the root of the disk",
            "Name separate folders: each camera must be found in one place only.",
        );
        folders.push(DockFolder {
            path,
            profile: profile.clone(),
        });
    }
    check.ensure(
        raw.folders.value.len() <= FOLDERS_MAX,
        raw.folders.at.as_ref(),
        "folders",
        "has too many entries",
        "Name at most 64 folders; each of them holds any number of bays.",
    );
    DockSettings {
        folders,
        usb: raw.usb.value,
        bays: bays(check, merged),
        settle: check.seconds(&raw.settle_seconds, "settle_seconds", 0.0),
        scan_interval: check.seconds(&raw.scan_interval_seconds, "scan_interval_seconds", 0.05),
    }
}

fn bays(check: &mut Check<'_>, merged: &Merged) -> Vec<Bay> {
    let given = &merged.dock.bays;
    check.ensure(
        given.value.len() <= BAYS_MAX,
        given.at.as_ref(),
        "bays",
        "has too many entries",
        "Name at most 1024 bays.",
    );
    let mut bays: Vec<Bay> = Vec::new();
    for entry in given.value.iter().take(BAYS_MAX) {
        let (span, raw) = (entry.span(), entry.get_ref());
        let name = BayName::new(&raw.name);
        check.ensure(
            name.as_str() == raw.name && !raw.name.trim().is_empty(),
            Some(&span),
            "bays",
            "has an entry with a name that can't be shown",
            "Use 1 to 64 letters, digits and common signs, for example `name = \"left 1\"`.",
        );
        let port = |port: &String| {
            port.contains("-usb-0:")
                && port.len() <= 256
                && port.bytes().all(|b| b.is_ascii_graphic())
        };
        check.ensure(
            !raw.ports.is_empty() && raw.ports.len() <= 8 && raw.ports.iter().all(port),
            Some(&span),
            "bays",
            "has an entry without ports, or with one that is not a port path",
            "Give one or two paths, for example `ports = [\"pci-0000:00:14.0-usb-0:3\"]`; `camdock check` shows those of what is plugged in.",
        );
        let bay = Bay {
            name,
            ports: raw.ports.clone(),
            import: raw.import,
        };
        let twice = bays.iter().any(|other| {
            other.name == bay.name || other.ports.iter().any(|port| bay.ports.contains(port))
        });
        check.ensure(
            !twice,
            Some(&span),
            "bays",
            "names a bay or a port twice",
            "Let each bay have its own name and its own ports.",
        );
        bays.push(bay);
    }
    bays
}
