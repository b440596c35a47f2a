"""A station with a million items at rest, without cameras and with 64 stored ones: what rest costs, and what `/metrics` takes.

The items are copies of real rows that the station wrote for what was docked, in the journal that it reads itself.
"""

import http.client
import os
import shutil
import signal
import statistics
import subprocess
import time
from pathlib import Path

import footage
import measure
import old_station
from store import Store, _free_ports

BAYS = 64
READY_SECONDS = 120
# In seconds: until what came before is done, and how long rest is looked at.
SETTLE, REST = 15, 40


def _get(port, path):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        began = time.perf_counter()
        connection.request("GET", path)
        answer = connection.getresponse()
        body = answer.read()
        return answer.status, body, time.perf_counter() - began
    finally:
        connection.close()


def _wait_until_ready(process, port):
    until = time.monotonic() + READY_SECONDS
    while time.monotonic() < until and process.poll() is None:
        try:
            if _get(port, "/readyz")[0] == 200:
                return
        except OSError:
            pass
        time.sleep(0.2)
    raise RuntimeError("the station was not ready in time; see the commands' log")


def _times(port, path, count, mark):
    taken = []
    for _ in range(count):
        status, body, seconds = _get(port, path)
        if status != 200 or mark not in body:
            raise RuntimeError(f"{path} answered {status}: {body[:200]!r}")
        taken.append(seconds)
        # As somebody scrapes or clicks, not as a load.
        time.sleep(0.1)
    taken.sort()
    return {"median_seconds": statistics.median(taken), "worst_seconds": taken[-1], "count": count}


def _resident_bytes(pid):
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS:"))


def _rest(process, say, what):
    say(f"{SETTLE + REST} seconds of rest {what} …")
    time.sleep(SETTLE)
    used, since = measure.process_cpu_seconds(process.pid), time.monotonic()
    time.sleep(REST)
    share = (measure.process_cpu_seconds(process.pid) - used) / (time.monotonic() - since)
    return {"core_share": share, "resident_bytes": _resident_bytes(process.pid), "seconds": REST}


def _wait_until_docked(port):
    until = time.monotonic() + READY_SECONDS
    wanted = f'camdock_bays{{state="all_stored"}} {BAYS}'.encode()
    while wanted not in _get(port, "/metrics")[1]:
        if time.monotonic() > until:
            raise RuntimeError(f"not all of {BAYS} cameras came to rest in time")
        time.sleep(0.5)


def measure_all(station, source, items, say):
    """Times of requests, and memory and processor time at rest, of a station with so many items."""
    smallest = min((path for path in footage.files(source)), key=lambda path: path.stat().st_size)
    with Store(station.work / "store") as store:
        footage.dock_same(smallest, station.work / "dock", BAYS)
        station.prepare(store)
        say(f"{BAYS} cameras for the pages …")
        station.run(store)
        pages, figures = _free_ports(2)
        with open(station.config, "a") as config:
            config.write(f'\n[web]\nlisten = "127.0.0.1:{pages}"\n')
            config.write(f'\n[metrics]\nlisten = "127.0.0.1:{figures}"\n')
        old_station.more_items(station.work / "station" / "state" / "journal.db", items, say)
        dock, away = station.work / "dock", station.work / "away"
        shutil.rmtree(away, ignore_errors=True)
        dock.rename(away)
        dock.mkdir()
        command = [str(station.binary), "run", "--config", str(station.config)]
        env = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "HOME": str(station.work)}
        with open(os.environ["BENCH_LOG"], "a") as log:
            process = subprocess.Popen(command, env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            began = time.monotonic()
            _wait_until_ready(process, figures)
            started = time.monotonic() - began
            idle = _rest(process, say, "without cameras")
            for camera in sorted(away.iterdir()):
                camera.rename(dock / camera.name)
            _wait_until_docked(figures)
            docked = _rest(process, say, f"with {BAYS} cameras")
            say("requests …")
            held = f'camdock_items{{state="released"}} {items}'.encode()
            return {
                "items": items, "bays": BAYS, "ready_seconds": started,
                "metrics": _times(figures, "/metrics", 60, held),
                "idle": idle, "docked": docked,
            }  # fmt: skip
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            shutil.rmtree(station.work / "station", ignore_errors=True)
