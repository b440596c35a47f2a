//! Wiping a USB disk at the level `confirmed`: nothing goes before an independent reader has confirmed it.

use std::fs;
use std::path::Path;
use std::time::Duration;

use camdock::model::Event;
use serde_json::{Value, json};

use super::storage::footage;
use super::wipe::{change_sector, done, files_on, results};
use crate::bed::{Guest, Layout, Media};

const PROFILE: &str =
    "access = \"mass-storage\"\nusb = [{ class = \"08\" }]\nwipe = \"confirmed\"\n";
/// Another place with another key and other rights in the store. The private key is out of the service's reach, as if on
/// another machine.
const READER: &str = "install -d -m 0700 /root/reader; cp -r /etc/camdock/. /root/reader/; cd /root/reader
    printf 'access_key_id = \"readerkey\"\\nsecret_access_key = \"readersecret\"\\n' >reader.toml; chmod 0600 reader.toml
    sed -i 's/^#verify_credentials_file = .*/verify_credentials_file = \"reader.toml\"/' camdock.toml
    camdock keygen confirmer --name reader.example.org --out reader";
const ALLOW: &str = "printf 'level = \"confirmed\"\\nlog_keys = [\"%s\"]\\nconfirmer_keys = [\"%s\"]\\n' \
        \"$(cat /var/lib/camdock/keys/log.pub)\" \"$(cat /root/reader/reader.pub)\" >/etc/camdock/wipe.toml
    chmod 0644 /etc/camdock/wipe.toml
    systemctl enable --now camdock-wipe.socket";
const CONFIRM: &str = "camdock --config /root/reader/camdock.toml confirm --json --key /root/reader/reader.key \
    --log-key \"$(cat /var/lib/camdock/keys/log.pub)\"";
/// The same with the station's own rights.
const CONFIRM_AS_STATION: &str =
    "cd /root/reader; sed 's/^verify_credentials_file/#&/' camdock.toml >station.toml
    camdock --config station.toml confirm --key reader.key --log-key \"$(cat /var/lib/camdock/keys/log.pub)\"";

/// The station and the reader each with the rights of the shipped policies, and no more.
fn two_identities() -> Vec<u8> {
    let mut identities = vec![
        json!({"name": "admin", "actions": ["Admin", "Read", "Write", "List", "Tagging"],
        "credentials": [{"accessKey": "camdockadmin", "secretKey": "camdockadminsecret"}]}),
    ];
    let mut policies = Vec::new();
    for (name, file) in [
        ("station", "station-policy.json"),
        ("reader", "confirm-policy.json"),
    ] {
        identities.push(json!({"name": name, "actions": [], "policyNames": [name],
            "credentials": [{"accessKey": format!("{name}key"), "secretKey": format!("{name}secret")}]}));
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("config")
            .join(file);
        let text = fs::read_to_string(path).unwrap();
        let text = text
            .replace("BUCKET", "evidence")
            .replace("STATION", "vm-1");
        policies.push(json!({"name": name, "content": text}));
    }
    serde_json::to_vec(&json!({"identities": identities, "policies": policies})).unwrap()
}

#[test]
fn vm_wipe_at_level_confirmed_waits_for_another_reader_and_takes_only_what_is_proven() {
    let mut guest = Guest::installed();
    guest.roster(&["QEMU/X81234567"]);
    let identities = two_identities();
    guest
        .agent
        .put("/usr/local/lib/vm/s3.json", 0o644, &identities, None);
    guest.shell("systemctl restart weed").ends(0);
    let own = b"access_key_id = \"stationkey\"\nsecret_access_key = \"stationsecret\"\n";
    let path = "/etc/camdock/store-credentials.toml";
    guest.agent.put(path, 0o600, own, None);
    guest.shell(&format!("chown camdock {path}")).ends(0);
    guest.shell(READER).ends(0);
    guest.shell(ALLOW).ends(0);
    let profile = "/etc/camdock/profiles/mass-storage.toml";
    guest.agent.put(profile, 0o644, PROFILE.as_bytes(), None);
    guest.shell("systemctl restart camdock").ends(0);
    let footage = footage(500);
    let medium = guest.medium("medium", Layout::Fat32, &footage);

    // Everything is stored and the station has all its receipts; it checks more than once, and nothing is deleted.
    guest.plug(2, "X81234567", &medium, &Media::Good);
    guest.all_stored("left 2");
    std::thread::sleep(Duration::from_secs(40));
    guest.all_stored("left 2");
    let begun = |guest: &mut Guest| {
        let entries = guest.log().into_iter();
        entries
            .filter(|entry| matches!(entry.event, Event::CameraWiped(_)))
            .count()
    };
    assert_eq!(begun(&mut guest), 0);
    assert_eq!(guest.writes(2), 0);
    medium.is_unchanged();
    // The station has no right to write where confirmations are kept.
    let refused = guest.shell(CONFIRM_AS_STATION);
    assert_ne!(refused.code, Some(0), "{}", refused.text());
    std::thread::sleep(Duration::from_secs(35));
    assert_eq!((begun(&mut guest), guest.writes(2)), (0, 0));

    // While it is docked one file changes, with the same size and the same time; then the reader comes.
    let changed = "DCIM/100MEDIA/X8123_20250314_221003_0001.MP4";
    let sector = medium.sector_of(&footage.bytes(changed));
    change_sector(&medium, sector);
    let confirmed: Value = serde_json::from_slice(&guest.shell(CONFIRM).ends(0).out).unwrap();
    assert_eq!(confirmed["confirmed"], footage.files.len(), "{confirmed}");
    guest.until("one file is left", |view| {
        view["wiping"]["left 2"]["code"] == "wipe_left"
    });
    guest.all_stored("left 2");
    let results = results(&mut guest);
    assert_eq!(results.len(), footage.files.len(), "{results:?}");
    for (path, code) in &results {
        let expected = path.ends_with(changed).then_some("file_changed");
        assert_eq!(code.as_deref(), expected, "{path}");
    }
    let level = done(&mut guest)
        .into_iter()
        .all(|wiped| wiped.level == camdock::model::WipeLevel::Confirmed && wiped.failed.is_none());
    assert!(level);
    guest.pull(2);
    guest.bay_clears("left 2");
    assert_eq!(files_on(&medium), [changed]);
    // Everything deleted from the camera is in the store, byte for byte.
    let admin = b"access_key_id = \"camdockadmin\"\nsecret_access_key = \"camdockadminsecret\"\n";
    guest.agent.put(path, 0o600, admin, None);
    let taken = guest.as_taken(&footage);
    guest.verify_against(&[("X81234567", &taken)]);
}
