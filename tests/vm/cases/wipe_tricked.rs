//! Somebody who has taken the service over asks root's helper to wipe: with genuine receipts, but for another camera.

use std::fs;
use std::time::Duration;

use camdock::audit::{LogHandle, LogKey};
use camdock::model::{Entry, Event, WipeAnswer, WipeLevel, WipeProof, WipeRequest};

use super::storage::{footage, unmounted};
use crate::bed::{Footage, Guest, Layout, Media, Medium};

const ALLOW: &str = "printf 'level = \"stored\"\\nlog_keys = [\"%s\"]\\n' \"$(cat /var/lib/camdock/keys/log.pub)\" >/etc/camdock/wipe.toml
    chmod 0644 /etc/camdock/wipe.toml
    systemctl enable --now camdock-wipe.socket";
const ASK: &str = "import socket, sys
s = socket.socket(socket.AF_UNIX); s.connect('/run/camdock/wipe.sock')
s.sendall(sys.stdin.buffer.read() + b'\\n')
answer = b''
while not answer.endswith(b'\\n'):
    part = s.recv(65536)
    if not part: break
    answer += part
sys.stdout.buffer.write(answer)";

/// The genuine proof of every item, made with the service's own log and key.
fn proofs(guest: &mut Guest) -> Vec<WipeProof> {
    let pack = "systemctl stop camdock; cd /var/lib/camdock; tar -cf - log keys";
    let packed = guest.shell(pack).ends(0).out;
    guest.shell("systemctl start camdock").ends(0);
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("all.tar"), packed).unwrap();
    let unpacked = std::process::Command::new("tar")
        .args(["-xf", "all.tar"])
        .current_dir(dir.path())
        .status();
    assert!(unpacked.unwrap().success());
    let key = fs::read(dir.path().join("keys/station.key")).unwrap();
    let key = LogKey::from_pkcs8(&key).unwrap();
    let public = fs::read_to_string(dir.path().join("keys/log.pub")).unwrap();
    let origin = public.split('+').next().unwrap();
    let log = LogHandle::open(&dir.path().join("log"), key, origin).unwrap();
    let entries: Vec<Vec<u8>> = log.entries_from(0).unwrap();
    let parsed: Vec<Entry> = entries
        .iter()
        .map(|bytes| serde_json::from_slice(bytes).unwrap())
        .collect();
    let text = |at: usize| String::from_utf8(entries[at].clone()).unwrap();
    let mut proofs = Vec::new();
    for (at, entry) in parsed.iter().enumerate() {
        let Event::ItemSealed(sealed) = &entry.event else {
            continue;
        };
        let stored = parsed.iter().position(
            |entry| matches!(&entry.event, Event::ItemStored(s) if s.evidence == sealed.evidence),
        );
        let stored = stored.unwrap();
        proofs.push(WipeProof {
            sealed: text(at),
            sealed_receipt: log.proof(at as u64).unwrap(),
            stored: text(stored),
            stored_receipt: log.proof(stored as u64).unwrap(),
            confirmation: None,
        });
    }
    proofs
}

/// Asks as the service's user, over the service's own socket.
fn asked(guest: &mut Guest, files: &[WipeProof]) -> Vec<Option<String>> {
    let request = WipeRequest {
        v: 1,
        port: "pci-0000:00:04.0-usb-0:2".into(),
        level: WipeLevel::Stored,
        rehash: true,
        files: files.to_vec(),
    };
    let request = serde_json::to_vec(&request).unwrap();
    let ask = ["runuser", "-u", "camdock", "--", "python3", "-c", ASK];
    let ran = guest
        .agent
        .run(&ask, &request, Duration::from_mins(2))
        .ends(0);
    let answer: WipeAnswer = serde_json::from_slice(&ran.out).unwrap();
    assert_eq!((answer.refused, answer.warnings.len()), (None, 0));
    assert_eq!(answer.files.len(), files.len());
    answer
        .files
        .into_iter()
        .map(|file| {
            assert_eq!(file.wiped, file.code.is_none());
            file.code
        })
        .collect()
}

#[test]
fn vm_wipe_leaves_a_camera_that_bears_another_cameras_serial() {
    let mut guest = Guest::installed();
    guest.roster(&["QEMU/X80000001", "QEMU/X80000002"]);
    let footage = footage(600);
    let medium = guest.medium("medium", Layout::Fat32, &footage);
    guest.plug(2, "X80000001", &medium, &Media::Good);
    guest.all_stored("left 2");
    guest.pull(2);
    guest.bay_clears("left 2");
    unmounted(&mut guest);
    guest.shell(ALLOW).ends(0);
    let proofs = proofs(&mut guest);
    assert_eq!(proofs.len(), footage.files.len());
    let all = |code: Option<&str>| vec![code.map(str::to_owned); footage.files.len()];

    let kept = |guest: &mut Guest, serial: &str, medium: &Medium, code: &str| {
        guest.plug(2, serial, medium, &Media::Good);
        guest.all_stored("left 2");
        assert_eq!(asked(guest, &proofs), all(Some(code)), "{serial}");
        assert_eq!(guest.writes(2), 0);
        guest.pull(2);
        guest.bay_clears("left 2");
        unmounted(guest);
        medium.is_unchanged();
    };
    // Another camera with an identical card is recognised by its own serial.
    kept(&mut guest, "X80000002", &medium, "camera_differs");
    // Another camera claims the first one's serial and has files of the same paths, sizes and times: their bytes differ.
    let mut others = Footage::default();
    for (path, (seed, len)) in &footage.files {
        let len = *len.max(&1);
        others.files.insert(path.clone(), (seed + 50, len));
    }
    let clone = guest.medium("clone", Layout::Fat32, &others);
    kept(&mut guest, "X80000001", &clone, "file_changed");

    // The same request for the camera that the receipts belong to.
    guest.plug(2, "X80000001", &medium, &Media::Good);
    guest.all_stored("left 2");
    assert_eq!(asked(&mut guest, &proofs), all(None));
    guest.pull(2);
    assert!(super::wipe::files_on(&medium).is_empty());
}
