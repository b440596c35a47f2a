"""Seeking in a large recording: the test of it, run with the release-built program and a recording of several GiB in real Chromium.

The test itself fails where too much is fetched or no picture comes. How long it takes is stated here and asserted nowhere.
"""

import os
import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TEST = "seeking::browser_seeking_anywhere_in_a_large_recording_shows_a_picture_and_fetches_little"
# Making, sealing and storing it takes longest.
LIMIT_SECONDS = 3600


def measure(size, say):
    """Milliseconds and bytes of each jump, and the bytes of two wild seconds."""
    say(f"seeking in a recording of {size} bytes …")
    command = ["cargo", "test", "--release", "--test", "office", "--", "--exact", "--nocapture", TEST]
    env = os.environ | {"CAMDOCK_SEEK_BYTES": str(size)}
    with open(os.environ["BENCH_LOG"], "a") as log:
        done = subprocess.run(
            command, cwd=ROOT, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, text=True, timeout=LIMIT_SECONDS
        )  # fmt: skip
        log.write(done.stdout)
    if done.returncode != 0:
        raise RuntimeError("the test of seeking failed; see the commands' log")
    length = re.search(r"a recording of (\d+) bytes, ([\d.]+) s$", done.stdout, re.MULTILINE)
    jumps = re.findall(r"^to (\d+) s: (\d+) bytes, (\d+) ms$", done.stdout, re.MULTILINE)
    wild = re.search(r"^two wild seconds: (\d+) bytes$", done.stdout, re.MULTILINE)
    if not (length and jumps and wild):
        raise RuntimeError("the test of seeking states no figures; see the commands' log")
    return {
        "bytes": int(length[1]), "seconds": float(length[2]),
        "jumps": [{"to_seconds": int(to), "bytes": int(fetched), "ms": int(ms)} for to, fetched, ms in jumps],
        "wild_bytes": int(wild[1]),
    }  # fmt: skip
