//! The unit under systemd: credentials, reload, drop-ins.

use crate::bed::{Footage, Guest, Layout, Media};

/// The lines that the shipped unit has for it, but for the pages' key, which this station has not.
const CREDENTIALS: &str = r#"
systemctl stop camdock
unit=/usr/lib/systemd/system/camdock.service
folder=/etc/camdock/credentials
install -d -m 0700 $folder
printf camdockadmin >$folder/store-access-key-id
printf camdockadminsecret >$folder/store-secret-access-key
mv /var/lib/camdock/keys/station.key /var/lib/camdock/keys/wrap.key $folder/
chown -R root:root $folder
chmod 0600 $folder/*
install -d /etc/systemd/system/camdock.service.d
{ echo '[Service]'; sed -n 's/^#\(LoadCredential=\)/\1/p' $unit | grep -v web-tls; } >/etc/systemd/system/camdock.service.d/credentials.conf
test "$(grep -c '^LoadCredential=' /etc/systemd/system/camdock.service.d/credentials.conf)" = 4
mv /etc/camdock/store-credentials.toml /etc/camdock/verify.toml
chown root /etc/camdock/verify.toml
sed -i 's/^credentials_file = .*/verify_credentials_file = "verify.toml"/' /etc/camdock/camdock.toml
systemctl daemon-reload
systemctl start camdock
"#;

#[test]
fn vm_service_takes_its_secrets_from_systemd_and_reloads_and_stops_when_asked() {
    let mut guest = Guest::installed();
    guest.shell(CREDENTIALS).ends(0);
    guest.shell("systemctl is-active camdock").ends(0);
    // Only root can read the files; the service has its own copies in memory.
    guest
        .shell("! runuser -u camdock -- cat /etc/camdock/credentials/station.key")
        .ends(0);
    guest.roster(&["QEMU/X81234567"]);
    let footage = Footage::new(&[("DCIM/A0001.MP4", 61, 200_000)]);
    let medium = guest.medium("medium", Layout::Fat16, &footage);
    guest.plug(1, "X81234567", &medium, &Media::Good);
    guest.all_stored("left 1");
    guest.verify_against(&[("X81234567", &footage)]);

    // A reload returns when it is complete, and interrupts nothing.
    let number = "systemctl show camdock -p MainPID --value";
    let before = guest.shell(number).ends(0).text();
    guest
        .shell("timeout 60 systemctl reload camdock && systemctl is-active camdock")
        .ends(0);
    assert_eq!(guest.shell(number).ends(0).text(), before);
    let said = guest.shell("journalctl -u camdock -o cat").ends(0).text();
    assert!(said.contains("camdock.toml was read again"), "{said}");

    // If one is missing, the error names it and the next step.
    guest
        .shell("systemctl stop camdock && rm /etc/systemd/system/camdock.service.d/credentials.conf && systemctl daemon-reload")
        .ends(0);
    guest
        .shell("systemctl show camdock -p Result --value | grep -qx success")
        .ends(0);
    guest.shell("systemctl start camdock").ends(1);
    let said = guest
        .shell("journalctl -u camdock -o cat -n 40")
        .ends(0)
        .text();
    assert!(
        said.contains("station.key") && said.contains("systemd credential"),
        "{said}"
    );
}
