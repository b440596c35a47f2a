"""Checks a custody log with tlog-scales, an independent reader of C2SP logs.

Usage: audit_tlog.py LOG VKEY OLD_CHECKPOINT RECEIPTS

RECEIPTS holds files <index>.tlog-proof. Exit 0: everything holds.
"""

import hashlib
import json
import subprocess
import sys
from pathlib import Path

from tlog_scales.backend import LocalBackend
from tlog_scales.reader import TilesReader
from tlog_scales.signing import Vkey
from tlog_scales.tlog import Checkpoint


def main() -> None:
    log, vkey, old_note, receipts = sys.argv[1:]
    key = Vkey.from_string(vkey)
    assert key.serialize() == vkey, "verifier key"

    reader = TilesReader(LocalBackend(Path(log)))
    now = reader.get_checkpoint()
    now.verify(key)
    assert now.serialize() == Path(log, "checkpoint").read_text(), "checkpoint's form"
    assert reader.calculate_root_hash() == now.root_hash, "root out of the tiles"

    leaves = []
    for index in range(now.size):
        entry = reader.get_entry(index)
        assert json.loads(entry)["n"] == index, f"entry {index}"
        leaves.append(hashlib.sha256(b"\0" + entry).digest())
        assert reader.mth(index, index + 1) == leaves[-1], f"leaf {index}"

    old = Checkpoint.from_text(Path(old_note).read_text())
    old.verify(key)
    reader.get_consistency_proof(old.size, now.size).check(old.root_hash, now.root_hash)

    checked = 0
    for file in Path(receipts).iterdir():
        index = int(file.stem)
        reader.get_inclusion_proof(index, now.size).check(leaves[index], now.root_hash)
        theirs = subprocess.run(
            [Path(sys.executable).with_name("tlog-tiles"), "gen-proof", log, str(index)],
            check=True, capture_output=True, text=True,
        ).stdout
        assert theirs == file.read_text(), f"receipt of {index}"
        checked += 1
    print(f"{now.size} entries, {checked} receipts")


main()
