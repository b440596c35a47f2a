"""Locks of many items that an office makes longer, and many items that the disposer deletes, against SeaweedFS with Object Lock: requests a second as
the store counts them, and the peak memory of each program."""

import json
import os
import shutil
import signal
import subprocess
import time
import urllib.request
from pathlib import Path

import measure
from store import ACCESS_KEY, BUCKET, SECRET_KEY, Store

OFFICE = "bench-office"
LIMIT_SECONDS = 7200
CLOCK = Path(__file__).with_name("clock.c")


def _requests(store):
    """S3 requests that the store has answered so far."""
    text = urllib.request.urlopen(store.metrics, timeout=30).read().decode()
    lines = [line for line in text.splitlines() if line.startswith("SeaweedFS_s3_request_total{")]
    return sum(float(line.rpartition(" ")[2]) for line in lines)


def _log_size(store):
    """Entries of the office's log in the bucket."""
    try:
        note = store.client.get_object(Bucket=BUCKET, Key=f"log/{OFFICE}/checkpoint")["Body"].read()
    except store.client.exceptions.NoSuchKey:
        return 0
    return int(note.splitlines()[1])


def _private(path, text):
    path.write_text(text)
    path.chmod(0o600)


class _Program:
    """A program of ours that runs until it is told to end."""

    def __init__(self, binary, config, verb, preload=None):
        env = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "HOME": str(config.parent)}
        if preload:
            env["LD_PRELOAD"] = str(preload)
        command = [str(binary), "--config", str(config), "office", *verb, "run"]
        with open(os.environ["BENCH_LOG"], "a") as log:
            self.process = subprocess.Popen(command, env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def __enter__(self):
        return self

    def peak(self):
        return measure._memory(self.process.pid)[1]

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def until(self, what, so, pause=0.05):
        until = time.monotonic() + LIMIT_SECONDS
        while not so():
            if self.process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"this never came: {what}; see the commands' log")
            time.sleep(pause)


def _timed(program, store, first, last):
    """From the first of it that is seen to the last. Looking is a request, too, so the last is looked for seldom."""
    program.until("the first", first)
    began, requests = time.monotonic(), _requests(store)
    program.until("the last", last, pause=1)
    seconds = time.monotonic() - began
    return {
        "seconds": seconds, "requests": _requests(store) - requests,
        "requests_per_second": (_requests(store) - requests) / seconds, "peak_rss_bytes": program.peak(),
    }  # fmt: skip


def _configure(folder, store, keys):
    credentials = folder / "credentials.toml"
    _private(credentials, f'access_key_id = "{ACCESS_KEY}"\nsecret_access_key = "{SECRET_KEY}"\n')
    at = f'[store]\nendpoint = "{store.endpoint}"\nbucket = "{BUCKET}"\nretention_days = 1\ncredentials_file = "{credentials}"\n'
    stations = "".join(f'[[stations]]\nname = "{name}"\nlog_key = "{key}"\n' for name, key in keys.items())
    office = folder / "office.toml"
    office.write_text(
        f'[office]\nname = "{OFFICE}"\nstate_dir = "{folder / "office"}"\nfollow_seconds = 1\n[reconcile]\nlist_seconds = 5\n'
        '[witness]\nlisten = ""\n[retention]\nunclassified = "month"\nflagged = "years"\n[class.month]\ndays = 31\nreview = false\n'
        f"[class.years]\ndays = 3650\n{at}{stations}"
    )
    return office, at


def _disposer(folder, at, key, approved):
    """As if it had first seen the approvals when they were made: the released program waits for a day otherwise."""
    state = folder / "disposer"
    state.mkdir()
    seen = {str(index): approved["seen"] for index in range(approved["first"] + 1, approved["size"], 2)}
    _private(state / "office-log.json", json.dumps({"office": key, "size": 0, "prefix": [], "seen": seen}))
    config = folder / "disposer.toml"
    config.write_text(f'[disposer]\noffice = "{OFFICE}"\noffice_log_key = "{key}"\nstate_dir = "{state}"\nevery_seconds = 1\n{at}')
    return config


def _objects(store, prefix):
    pages = store.client.get_paginator("list_object_versions").paginate(Bucket=BUCKET, Prefix=prefix)
    return sum(len(page.get("Versions", [])) for page in pages)


def measure_all(binary, program, folder, items, say):
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        with Store(folder / "store") as store:
            return _measure(binary, program, folder, items, say, store)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _measure(binary, program, folder, items, say, store):
    def made(*arguments):
        done = subprocess.run([program, *arguments, "--dir", str(folder)], capture_output=True, text=True, timeout=3600)
        if done.returncode != 0:
            raise measure.CommandFailed(f"{arguments[0]} ended with {done.returncode}: {done.stderr.strip()[:500]}")
        return json.loads(done.stdout)

    say(f"the objects of 2 * {items} items …")
    keys = made("make", "--items", str(items), "--endpoint", store.endpoint, "--access", ACCESS_KEY, "--secret", SECRET_KEY)
    office, at = _configure(folder, store, keys)
    measure.run([str(binary), "--config", str(office), "office", "keygen"])
    say(f"the locks of {items} items …")
    with _Program(binary, office, []) as running:
        begun = 20
        extended = _timed(running, store, lambda: _log_size(store) > begun, lambda: _log_size(store) >= items + 1)
    locked = store.client.get_object_retention(Bucket=BUCKET, Key=_original(store, "kept"))["Retention"]
    if locked["Mode"] != "COMPLIANCE":
        raise RuntimeError(f"the locks were not made longer: {locked}")

    approved = made("approve", "--office", str(folder / "office"))
    key = (folder / "office" / "keys" / "log.pub").read_text().strip()
    shim = folder / "clock.so"
    measure.run(["cc", "-shared", "-fPIC", "-o", str(shim), str(CLOCK)])
    config = _disposer(folder, at, key, approved)
    say(f"deleting {items} items …")
    with _Program(binary, office, []) as running:
        running.until("the acts in the bucket", lambda: _log_size(store) >= approved["size"])
    # Alone, so that the requests are its own.
    folder_of = f"disposals/{OFFICE}-"
    with _Program(binary, config, ["disposer"], shim) as running:
        deleted = _timed(running, store, lambda: _objects(store, folder_of) > 0, lambda: _gone(store, items))
    left = _objects(store, "evidence/over/")
    if left != 2 * items:
        raise RuntimeError(f"{left} objects are left of {items} items: manifest and receipt of each were to stay")
    return {"items": items, "extended": extended, "deleted": deleted}


def _original(store, station):
    listed = store.client.list_objects_v2(Bucket=BUCKET, Prefix=f"evidence/{station}/", MaxKeys=10)["Contents"]
    return next(one["Key"] for one in listed if one["Key"].endswith("/original"))


def _gone(store, items):
    """Each item has its plan and its record."""
    return _objects(store, f"disposals/{OFFICE}-") >= 2 * items
