"""The race into a store that costs next to nothing (`sink/`): what is left of time and CPU seconds is each client's own.

All clients run in turn, and again, so that a change of the machine's speed meets every one of them."""

import shutil
import subprocess
from pathlib import Path

import footage
import measure
import rivals
import store

ROUNDS = 3


class Sink:
    """`with Sink(program) as sink:` gives an empty store on loopback; it ends with the block."""

    def __init__(self, program):
        self.program = program

    def __enter__(self):
        self.process = subprocess.Popen([self.program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        port = self.process.stdout.readline().strip()
        if not port:
            raise RuntimeError(f"the sink ended with {self.process.wait()}")
        self.endpoint = f"http://127.0.0.1:{port}"
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait(10)

    @property
    def pid(self):
        return self.process.pid

    def held(self):
        return store.held(store.client(self.endpoint))


def _clients(station, source, work):
    """Name → a function of the running sink that uploads everything and returns its cost."""
    files = footage.files(source)
    # What a runbook would use, without what needs a store that can be read back.
    others = rivals.Bench(source, work).variants().items()
    clients = {name: go for name, go in others if not name.startswith("restic")}

    def camdock(cameras, spool_in_memory=False):
        def go(sink):
            footage.dock(files, station.work / "dock", cameras)
            footage.warm(station.work / "dock")
            station.prepare(sink, spool_in_memory=spool_in_memory)
            return station.run(sink)

        return go

    def rival(go):
        return lambda sink: go(sink).as_json()

    return {name: rival(go) for name, go in clients.items()} | {
        "camdock, 1 camera": camdock(1),
        "camdock, 2 cameras": camdock(2),
        # Nobody else writes what is to be stored to the disk first: this shows what that costs.
        "camdock, 2 cameras, spool in memory": camdock(2, spool_in_memory=True),
    }


def race(station, program, source, folder, rounds, say):
    """Returns name → its fastest run, with the slowest run's time beside it as the noise."""
    results = {}
    work = Path(folder)
    clients = _clients(station, source, work)
    for number in range(rounds):
        for name, go in clients.items():
            shutil.rmtree(work, ignore_errors=True)
            work.mkdir(parents=True)
            with Sink(program) as sink:
                total = footage.warm(source)
                say(f"into the sink, round {number + 1} of {rounds}: {name} …")
                row = go(sink)
                objects, held = sink.held()
            if held < total:
                raise RuntimeError(f"{name}: {held} bytes came to the sink, {total} were to be stored")
            row |= {"bytes": total, "objects": objects, "stored_bytes": held}
            best = results.setdefault(name, row | {"slowest_wall_seconds": 0.0, "most_cpu_seconds": 0.0})
            slowest = max(best["slowest_wall_seconds"], row["wall_seconds"])
            most = max(best["most_cpu_seconds"], row["cpu_seconds"])
            if row["wall_seconds"] < best["wall_seconds"]:
                best = row
            results[name] = best | {"slowest_wall_seconds": slowest, "most_cpu_seconds": most}
    shutil.rmtree(work, ignore_errors=True)
    return results


def own_cost(row):
    """CPU seconds a GiB, of the client alone."""
    return row["cpu_seconds"] / row["bytes"] * measure.MIB * 1024
