//! The Debian packages on a running station: upgraded in the middle of a camera, removed, purged.

use std::path::Path;
use std::process::Command;

use camdock::model::Event;

use crate::bed::{Footage, Guest, Layout, Media};

/// The packages of a station.
const PACKAGES: [&str; 2] = ["camdock", "camdock-station"];

/// Builds the packages under this version from the programs that the tests were built with.
fn packages(guest: &Guest, version: &str) -> [Vec<u8>; 2] {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("systemd/deb/make.sh");
    let out = guest.path(&format!("package-{version}"));
    let made = Command::new(&script)
        .arg(Path::new(env!("CARGO_BIN_EXE_camdock")).parent().unwrap())
        .arg(&out)
        .arg(version)
        // Packing them well took longer than everything else that this case does.
        .env("DPKG_DEB_COMPRESSOR_TYPE", "zstd")
        .env("DPKG_DEB_COMPRESSOR_LEVEL", "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&made.stderr);
    assert!(made.status.success(), "{}: {said}", script.display());
    let made = String::from_utf8(made.stdout).unwrap();
    PACKAGES.map(|name| {
        let mut paths = made.lines();
        let path = paths.find(|path| path.contains(&format!("/{name}_")));
        std::fs::read(path.unwrap()).unwrap()
    })
}

/// Copies them into the guest.
fn bring(guest: &mut Guest, version: &str) {
    for (name, bytes) in PACKAGES.iter().zip(packages(guest, version)) {
        let place = format!("/dev/shm/{version}/{name}.deb");
        guest.agent.put(&place, 0o644, &bytes, None);
    }
}

/// Installs them as an operator who keeps an edited configuration.
#[track_caller]
fn install(guest: &mut Guest, version: &str) {
    let folder = format!("/dev/shm/{version}");
    guest
        .shell(&format!(
            "DEBIAN_FRONTEND=noninteractive dpkg --force-confold -i {folder}/*.deb && rm -r {folder}"
        ))
        .ends(0);
}

#[test]
fn vm_package_is_upgraded_with_work_in_flight_then_removed_and_purged_without_losing_evidence() {
    let mut guest = Guest::installed();
    guest.roster(&["QEMU/X81234567"]);
    bring(&mut guest, "1.0.0");
    bring(&mut guest, "1.0.1");
    install(&mut guest, "1.0.0");
    guest.shell("systemctl restart camdock").ends(0);
    let footage = Footage::new(&[
        ("DCIM/A0001.MP4", 51, 200_000),
        ("DCIM/A0002.MP4", 52, 20_000_000),
    ]);
    let medium = guest.medium("medium", Layout::Fat32, &footage);
    guest.plug(1, "X81234567", &medium, &Media::Slow(600_000));
    guest.bay("left 1", |view| {
        view["bytes_done"].as_u64() > Some(1_000_000)
    });
    install(&mut guest, "1.0.1");
    for name in PACKAGES {
        let shown = format!("dpkg-query -W -f '${{Version}} ${{db:Status-Abbrev}}' {name}");
        assert_eq!(guest.shell(&shown).ends(0).text().trim(), "1.0.1 ii");
    }
    guest.all_stored("left 1");
    let said = guest.shell("journalctl -u camdock -o cat").ends(0).text();
    assert!(said.contains("resumes an interrupted pull"), "{said}");
    guest.verify_against(&[("X81234567", &footage)]);
    // The service was stopped in order, not killed, and the interrupted session is logged as such.
    let log = guest.log();
    let stopped = log
        .iter()
        .filter(|entry| matches!(entry.event, Event::StationStopped(_)));
    assert_eq!(stopped.count(), 2, "{log:?}");
    guest
        .shell("systemctl show camdock -p NRestarts --value | grep -qx 0")
        .ends(0);

    guest.shell("dpkg -r camdock-station camdock").ends(0);
    guest
        .shell("! systemctl is-active camdock && test ! -e /usr/bin/camdock && test -s /var/lib/camdock/log/checkpoint")
        .ends(0);
    let purged = guest.shell("dpkg -P camdock-station").ends(0).text();
    assert!(purged.contains("Kept: /var/lib/camdock"), "{purged}");
    guest
        .shell("test ! -e /etc/camdock && test -s /var/lib/camdock/log/checkpoint && test -s /var/lib/camdock/keys/station.key")
        .ends(0);
}
