"""Checks the custody in a court pack with tlog-scales, an independent implementation of C2SP logs.

Usage: pack_tlog.py PACK; prints the number of entries. Exit 0: every signature, cosignature and proof holds.
"""

import hashlib
import sys
from base64 import b64decode
from pathlib import Path

from tlog_scales.signing import Vkey
from tlog_scales.tlog import Checkpoint, InclusionProof


def main() -> None:
    data = Path(sys.argv[1], "data")
    witness = Vkey.from_string((data / "keys/witness.pub").read_text().strip())
    checked = 0
    for proof in sorted((data / "custody").glob("*/*.tlog-proof")):
        key = Vkey.from_string((data / f"keys/log/{proof.parent.name}.pub").read_text().strip())
        head, note = proof.read_text().split("\n\n", 1)
        first, index, *hashes = head.split("\n")
        assert first == "c2sp.org/tlog-proof@v1" and index.startswith("index "), proof
        checkpoint = Checkpoint.from_text(note)
        assert note == (proof.parent / "checkpoint").read_text() == checkpoint.serialize(), proof
        assert checkpoint.origin == key.name, proof
        checkpoint.verify(key)
        checkpoint.verify(witness)
        entry = proof.with_suffix(".json").read_bytes()
        leaf = hashlib.sha256(b"\0" + entry).digest()
        path = InclusionProof(int(index[6:]), checkpoint.size, [b64decode(h) for h in hashes])
        path.check(leaf, checkpoint.root_hash)
        checked += 1
    print(checked)


main()
