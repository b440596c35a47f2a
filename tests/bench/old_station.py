"""A station with a million items in its journal and its log: what docking, listing and checking cost there.

Journal and log are filled with copies of what the station itself wrote for two thousand small files of one camera.
"""

import json
import os
import shutil
import sqlite3
import subprocess
import time
import uuid

import footage
import measure
from store import Store, listed

HELD = 2000


def more_items(journal, items, say, copies=None):
    """Fills the journal with copies of its released items, a minute apart, until it holds so many. `copies`: a file that gets
    a line for each, with the item's id, the copy's, and both paths."""
    say(f"filling the journal with {items} items …")
    with sqlite3.connect(journal) as db, open(copies or os.devnull, "w") as names:
        columns = [row[1] for row in db.execute("PRAGMA table_info(items)")]
        rows = [dict(zip(columns, row)) for row in db.execute("SELECT * FROM items WHERE state = 'released'")]
        if not rows:
            raise RuntimeError("the journal holds no item that is done with")

        def made():
            now = int(time.time() * 1000)
            for number in range(items - len(rows)):
                at = now - (number + 1) * 60_000
                # UUID version 7: its first 48 bits are the time.
                random = bytearray(os.urandom(10))
                random[0] = 0x70 | random[0] & 0x0F
                random[2] = 0x80 | random[2] & 0x3F
                row = rows[number % len(rows)]
                copy = row | {"id": uuid.UUID(bytes=at.to_bytes(6, "big") + bytes(random)).bytes}
                copy["path"] = b"DCIM/%03dMEDIA/C%07d.MP4" % (number // 9999 % 900 + 100, number)
                ids = (str(uuid.UUID(bytes=one["id"])) for one in (row, copy))
                names.write("\t".join([*ids, row["path"].decode(), copy["path"].decode()]) + "\n")
                yield [copy[column] for column in columns]

        marks = ", ".join("?" * len(columns))
        db.executemany(f"INSERT INTO items VALUES ({marks})", made())
        held = db.execute("SELECT COUNT(*) FROM items").fetchone()[0]
    db.close()
    if held != items:
        raise RuntimeError(f"the journal holds {held} of {items} items")


def _more_entries(program, state, copies):
    command = [program, "grow", str(copies), "--state", str(state)]
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=1800)
    if done.returncode != 0:
        raise measure.CommandFailed(f"filling the log ended with {done.returncode}: {done.stderr.strip()[:500]}")
    return json.loads(done.stdout)["entries"]


def _dock(folder, count):
    """One camera with so many small files, no two of them alike."""
    shutil.rmtree(folder, ignore_errors=True)
    media = folder / "bay-1" / "DCIM" / "100MEDIA"
    media.mkdir(parents=True)
    card = folder / "bay-1" / "CAMERA.TXT"
    card.write_text("serial=BENCH0001\n")
    for number in range(count - 1):
        (media / f"X8123456_20250314_{number:06}.MP4").write_bytes(os.urandom(4096))
    for path in footage.files(folder):
        os.utime(path, (footage.SHIFT, footage.SHIFT))


def measure_all(station, program, items, say):
    held = min(HELD, items // 10)
    dock, state = station.work / "dock", station.work / "station" / "state"
    rows = {}

    def command(name, *words, accept=(0,)):
        say(f"{name} …")
        environment = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "HOME": str(station.work)}
        line = [str(station.binary), "--config", str(station.config), *words]
        rows[name] = measure.run(line, env=environment, accept=accept).as_json()

    def docked(age):
        """Seconds from the camera's appearance until the station knows that it holds everything."""
        name = f"a camera with {held} held files, {age}"
        say(f"{name} …")
        row = station.run(store, "--until-secured")
        rows[f"start to end of that run, {age}"] = row
        rows[name] = {"wall_seconds": row["ingest_seconds"]}

    with Store(station.work / "store") as store:
        _dock(dock, held)
        station.prepare(store)
        say(f"{held} small files, the full way …")
        rows[f"{held} small files, docked to stored"] = station.run(store)
        docked("young")
        objects = len(listed(store.client, "evidence/"))
        command("verify", "verify")
        copies = station.work / "copies"
        more_items(state / "journal.db", items, say, copies)
        say("filling the log …")
        entries = _more_entries(program, state, copies)
        with open(copies) as names:
            some_copy = names.readline().split("\t")[1]
        say("publishing the log …")
        rows["publishing what the log gained"] = station.run(store, "--until-secured")
        docked("old")
        command("items, the first hundred", "items", "--limit", "100")
        command("items, all as CSV", "items", "--csv")
        command("items of one officer's day", "items", "--officer", "1", "--date", "2025-03-14", "--limit", "100")
        command("show", "show", some_copy)
        command("audit gaps, the log alone", "audit", "gaps", "--no-store", accept=(0, 3))
        command("verify, the log alone", "verify", "--log", str(state / "log"), "--log-key", (state / "keys" / "log.pub").read_text().strip())
    shutil.rmtree(station.work / "station", ignore_errors=True)
    return {"items": items, "entries": entries, "held": held, "objects": objects, "rows": rows}
