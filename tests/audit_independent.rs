//! An independent reader of C2SP logs (PyPI tlog-scales) agrees with what is written here, byte for byte.

#[path = "support/tools.rs"]
mod tools;

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use camdock::audit::{Log, LogKey};
use tools::tool;

const ORIGIN: &str = "example.org/leeds-1";

fn check(log: &Path, key: &str, old: &Path, receipts: &Path) -> Output {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/py/audit_tlog.py");
    let arguments = [script.as_path(), log, Path::new(key), old, receipts];
    Command::new(tool("python"))
        .args(arguments)
        .output()
        .unwrap()
}

#[test]
fn an_independent_reader_agrees_with_log_proofs_and_receipts() {
    let outer = tempfile::tempdir().unwrap();
    let (key, _) = LogKey::generate().unwrap();
    let verifier = key.verifier(ORIGIN).unwrap().to_string();
    let dir = outer.path().join("log");
    let mut log = Log::open(&dir, key, ORIGIN).unwrap();
    let mut size = 0;
    for (to, old) in [(1, 1), (256, 1), (700, 256), (70_001, 700)] {
        let old_note = outer.path().join(format!("checkpoint-{old}"));
        let entries: Vec<_> = (size..to)
            .map(|n| format!("{{\"n\":{n}}}").into_bytes())
            .collect();
        log.append(&entries).unwrap();
        size = to;
        fs::write(outer.path().join(format!("checkpoint-{size}")), log.note()).unwrap();
        let receipts = outer.path().join(format!("receipts-{size}"));
        fs::create_dir(&receipts).unwrap();
        for index in [0, size / 3, size - 1] {
            let receipt = log.proof(index).unwrap();
            fs::write(receipts.join(format!("{index}.tlog-proof")), receipt).unwrap();
        }
        let agreed = check(&dir, &verifier, &old_note, &receipts);
        let said = String::from_utf8_lossy(&agreed.stderr).into_owned();
        assert!(agreed.status.success(), "{size}: {said}");
        let told = String::from_utf8(agreed.stdout).unwrap();
        let receipts_checked = if size == 1 { 1 } else { 3 };
        assert_eq!(
            told,
            format!("{size} entries, {receipts_checked} receipts\n")
        );

        // It also notices a wrong log.
        if size == 700 {
            let file = dir.join("tile/entries/001");
            let good = fs::read(&file).unwrap();
            fs::write(
                &file,
                String::from_utf8_lossy(&good).replace(":300}", ":301}"),
            )
            .unwrap();
            assert!(
                !check(&dir, &verifier, &old_note, &receipts)
                    .status
                    .success()
            );
            fs::write(&file, good).unwrap();
        }
    }
}
