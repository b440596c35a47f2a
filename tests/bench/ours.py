"""CamDock itself, the real program, driven as its service: `run --drain` over docked folders.

A hidden switch of `run` serves measuring: `--until-secured` ends the run when everything docked is sealed, synced and logged,
before anything of it is uploaded. When each camera was secured is read from the station's own log.
"""

import base64
import datetime
import hashlib
import json
import os
import shutil
import subprocess
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

import footage
import measure
from measure import MIB
from store import ACCESS_KEY, BUCKET, SECRET_KEY, Store

CONFIG = """\
[station]
name = "bench-1"
state_dir = {state}
runtime_dir = {runtime}

[dock]
folders = [{{ path = {dock}, profile = "folder" }}]
usb = false
settle_seconds = 0.0

[seal]
recipients = [{recipients}]

[spool]
dir = {spool}
reserve_bytes = 268435456

[store]
endpoint = {endpoint}
bucket = {bucket}
retention_days = 1
credentials_file = {credentials}

[ingest]
parallel_cameras = {cameras}

[preview]
enabled = false

[log]
format = "json"
level = "warn"
"""


def _private(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(content)


def _log_key(origin):
    """PKCS#8 version 2 (RFC 8410 with the public key), which every reader of such keys takes, and the public key as a note's."""
    key = ed25519.Ed25519PrivateKey.generate()
    public = key.public_key().public_bytes_raw()
    head = bytes.fromhex("3051020101300506032b657004220420")
    typed = b"\x01" + public
    number = hashlib.sha256(origin.encode() + b"\n" + typed).digest()[:4].hex()
    return head + key.private_bytes_raw() + bytes.fromhex("812100") + public, f"{origin}+{number}+{base64.b64encode(typed).decode()}"


class Station:
    """One station's folders, keys and configuration, fresh at each `prepare`."""

    def __init__(self, binary, work, tmpfs):
        self.binary, self.work, self.tmpfs = Path(binary), Path(work), Path(tmpfs)

    def prepare(self, store, *, spool_in_memory=False, cameras=0):
        shutil.rmtree(self.work / "station", ignore_errors=True)
        shutil.rmtree(self.tmpfs, ignore_errors=True)
        station = self.work / "station"
        state = station / "state"
        spool = self.tmpfs if spool_in_memory else station / "spool"
        for folder in (state, station / "run", spool):
            folder.mkdir(parents=True)
            folder.chmod(0o700)
        recipients = []
        for name in ("evidence", "escrow"):
            public = station / f"{name}.pem"
            key = ec.generate_private_key(ec.SECP384R1()).public_key()
            public.write_bytes(
                key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
            )
            recipients.append(public)
        private, public = _log_key("camdock/bench-1")
        _private(state / "keys" / "station.key", private)
        (state / "keys" / "log.pub").write_text(public + "\n")
        _private(state / "keys" / "wrap.key", os.urandom(32))
        (state / "keys").chmod(0o700)
        credentials = station / "store.toml"
        _private(
            credentials, f'access_key_id = "{ACCESS_KEY}"\nsecret_access_key = "{SECRET_KEY}"\n'.encode()
        )
        self.config = station / "camdock.toml"
        text = lambda value: json.dumps(str(value))  # noqa: E731 - TOML basic strings are JSON strings here
        self.config.write_text(
            CONFIG.format(
                state=text(state), runtime=text(station / "run"), dock=text(self.work / "dock"),
                recipients=", ".join(map(text, recipients)), spool=text(spool), endpoint=text(store.endpoint),
                bucket=text(BUCKET), credentials=text(credentials), cameras=cameras,
            )
        )  # fmt: skip
        (station / "roster.toml").write_text(
            "[cameras]\n" + "".join(f'"folder/BENCH{bay:04}" = {{ officer = "{bay}" }}\n' for bay in range(1, 65))
        )

    def run(self, store, *more, accept=(0,)):
        """One run to its end: its cost, and from its log how long it took to secure what was docked."""
        os.sync()
        command = [str(self.binary), "run", "--config", str(self.config), "--drain", *more]
        env = {
            "PATH": os.environ["PATH"], "LANG": "C.UTF-8", "HOME": str(self.work), "CAMDOCK_LOG": "warn,camdock::ingest::job=info",
        }  # fmt: skip
        errors = self.work / "run.log"
        cost = measure.run(command, env=env, server=store.pid, accept=accept, errors=errors)
        return cost.as_json() | _secured(errors)

    def clear(self):
        shutil.rmtree(self.tmpfs, ignore_errors=True)
        shutil.rmtree(self.work, ignore_errors=True)


def _secured(log):
    """Files, bytes, and seconds from the first camera's appearance until the last one was secured."""
    begun, ended, files, held = [], [], 0, 0
    for line in log.read_text().splitlines():
        entry = json.loads(line) if line.startswith("{") else {}
        if entry.get("message") == "everything on the camera is secured on this station":
            at = datetime.datetime.fromisoformat(entry["timestamp"]).timestamp()
            begun.append(at - entry["seconds"])
            ended.append(at)
            files, held = files + entry["files"], held + entry["bytes"]
    times = {"ingest_seconds": max(ended) - min(begun)} if ended else {}
    return times | {"files": files, "bytes": held}


def _fastest(rows, key):
    return min(rows, key=lambda row: row[key])


def _check(row, total, what):
    # The cards that name the cameras are taken too: a few bytes more than the footage.
    if row["bytes"] < total:
        raise RuntimeError(f"{what}: took {row['bytes']} of {total} bytes")


def ingest(station, source, repeat, store_for, say):
    """Camera→secured for each number of cameras and place of the spool, then spool→stored from what that left. `store_for()` gives
    the store to send to: one that costs next to nothing, so that it does not take the cores away."""
    results = {}
    files = footage.files(source)
    with store_for() as store:
        (station.work / "dock").mkdir(parents=True, exist_ok=True)
        station.prepare(store)
        results["nothing docked"] = station.run(store, "--until-secured") | {"bytes": 0}
    for cameras in (1, 2):
        for in_memory in (True, False):
            name = f"{cameras} camera{'s' * (cameras > 1)}, spool {'in memory' if in_memory else 'on disk'}"
            secured, stored = [], []
            for _ in range(repeat):
                with store_for() as store:
                    total = footage.dock(files, station.work / "dock", cameras)
                    footage.warm(station.work / "dock")
                    station.prepare(store, spool_in_memory=in_memory)
                    say(f"camera→secured, {name} …")
                    row = station.run(store, "--until-secured")
                    _check(row, total, name)
                    secured.append(row)
                    if cameras == 1:
                        say(f"spool→stored, {name} …")
                        shutil.rmtree(station.work / "dock")
                        (station.work / "dock").mkdir()
                        stored.append(station.run(store) | {"bytes": total})
                        _check({"bytes": store.held()[1]}, total, name)
            results[f"camera→secured, {name}"] = _fastest(secured, "ingest_seconds")
            if stored:
                results[f"spool→stored, {name}"] = _fastest(stored, "wall_seconds")
    return results


def full_way(station, source, repeat, say):
    """Docked to stored in one run, as the tools that people use instead are measured."""
    results = {}
    files = footage.files(source)
    for cameras in (1, 2):
        name = f"camdock, {cameras} camera{'s' * (cameras > 1)}"
        rows = []
        for _ in range(repeat):
            with Store(station.work / "store") as store:
                total = footage.dock(files, station.work / "dock", cameras)
                footage.warm(station.work / "dock")
                station.prepare(store)
                say(f"{name}, full way …")
                row = station.run(store)
                _check(row, total, name)
                objects, held = store.held()
                _check({"bytes": held}, total, name)
                rows.append(row | {"bytes": total, "objects": objects, "stored_bytes": held})
        results[name] = _fastest(rows, "wall_seconds")
    return results


def memory(station, source, say):
    """Peak memory with 1, 8 and 64 cameras that are all at work at the same time, the full way: one camera with all
    of the footage, more of them with the longest recording each that makes no more of it in all."""
    results = {}
    files = footage.files(source)
    everything = sum(path.stat().st_size for path in files)
    for cameras in (1, 8, 64):
        with Store(station.work / "store") as store:
            if cameras == 1:
                total = footage.dock(files, station.work / "dock", 1)
            else:
                recordings = sorted((path.stat().st_size, path) for path in files if path.suffix == ".MP4")
                fitting = [path for size, path in recordings if size * cameras <= everything * 1.1]
                total = footage.dock_same((fitting or [recordings[0][1]])[-1], station.work / "dock", cameras)
            footage.warm(station.work / "dock")
            station.prepare(store, cameras=cameras)
            say(f"memory with {cameras} camera{'s' * (cameras > 1)} …")
            row = station.run(store)
            _check(row, total, f"{cameras} cameras")
            results[str(cameras)] = row | {"limit_bytes": (64 + 6 * cameras) * MIB}
    return results


def bays(station, source, store_for, say, count=64):
    """So many cameras that are docked at once with one recording each, of which the page cache gives more than any camera does:
    until all is secured, and the full way into a store that costs next to nothing."""
    sizes = sorted((path.stat().st_size, path) for path in footage.files(source) if path.suffix == ".MP4")
    recording = next((path for size, path in sizes if size >= 32 * MIB), sizes[0][1])
    results = {"bays": count}
    for name, more in (("until secured", ["--until-secured"]), ("the full way", [])):
        with store_for() as store:
            total = footage.dock_same(recording, station.work / "dock", count)
            footage.warm(station.work / "dock")
            station.prepare(store)
            say(f"{count} bays, {name} …")
            row = station.run(store, *more)
            _check(row, total, f"{count} bays")
            results[name] = row | {"bytes": total}
    return results


def office(folder, program, size, say):
    """The office's index: entries followed a second, searches, memory and disk."""
    stations, items = size
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    say(f"the office's index: {stations} stations with {items} items …")
    command = [program, "--stations", str(stations), "--items", str(items), "--dir", str(folder)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=5400)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if done.returncode != 0:
        raise measure.CommandFailed(f"measuring the office ended with {done.returncode}: {done.stderr.strip()[:500]}")
    return json.loads(done.stdout)


def log(station, program, entries, say):
    """Custody log: entries appended a second in batches, and the time to verify them all."""
    folder = station.work / "log"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    say(f"custody log of {entries} entries …")
    command = [program, "log", "--entries", str(entries), "--dir", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=900)
    if done.returncode != 0:
        raise measure.CommandFailed(f"measuring the log ended with {done.returncode}: {done.stderr.strip()[:500]}")
    return json.loads(done.stdout) | {"entries": entries}
