"""Runs a command and says what it cost: wall time, CPU time and memory of its whole process tree."""

import contextlib
import dataclasses
import os
import subprocess
import threading
import time
from pathlib import Path

MIB = 1 << 20
TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")


class CommandFailed(Exception):
    """A command that ended badly, with the end of what it said."""


@dataclasses.dataclass
class Cost:
    wall_seconds: float
    cpu_seconds: float  # user + system, of the command and every descendant it waited for
    peak_rss_bytes: int  # highest sum over the process tree, as sampled; at least the largest process' own mark
    server_cpu_seconds: float = 0.0

    def as_json(self):
        return dataclasses.asdict(self)


def process_cpu_seconds(pid):
    """User and system time of one process with all its threads."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def _tree(pid):
    found, waiting = [], [pid]
    while waiting:
        pid = waiting.pop()
        found.append(pid)
        try:
            for task in os.listdir(f"/proc/{pid}/task"):
                waiting += map(int, Path(f"/proc/{pid}/task/{task}/children").read_text().split())
        except OSError:
            pass  # ended meanwhile
    return found


def _memory(pid):
    """Resident bytes now, and the most this process ever had."""
    now = peak = 0
    try:
        now = int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                peak = int(line.split()[1]) * 1024
    except OSError:
        pass
    return now, peak


class _Watch(threading.Thread):
    """Samples the memory of a process tree. The kernel's own figure for children would count the forking parent."""

    def __init__(self, pid):
        super().__init__(daemon=True)
        self.pid, self.peak, self.done = pid, 0, threading.Event()

    def run(self):
        while not self.done.wait(0.05):
            total = largest = 0
            for pid in _tree(self.pid):
                now, peak = _memory(pid)
                total, largest = total + now, max(largest, peak)
            self.peak = max(self.peak, total, largest)


def run(command, *, env=None, cwd=None, server=None, timeout=1800, accept=(0,), errors=None):
    """Runs `command` (a list) to its end. `server`: the process id of the store, whose CPU time is counted separately.
    `errors`: a file that gets the standard error instead of the log."""
    log = Path(os.environ.get("BENCH_LOG", os.devnull))
    before = process_cpu_seconds(server) if server else 0.0
    with open(log, "ab") as output:
        output.write(("\n$ " + " ".join(map(str, command)) + "\n").encode())
        output.flush()
        start_of_output = output.tell()
        start = time.monotonic()
        with open(errors, "wb") if errors else contextlib.nullcontext(output) as stderr:
            process = subprocess.Popen(
                command, env=env, cwd=cwd, stdin=subprocess.DEVNULL, stdout=output, stderr=stderr, start_new_session=True
            )
    watch = _Watch(process.pid)
    watch.start()
    limit = threading.Timer(timeout, lambda: os.killpg(process.pid, 9))
    limit.start()
    try:
        _, status, usage = os.wait4(process.pid, 0)
    except BaseException:
        os.killpg(process.pid, 9)
        process.wait()
        raise
    finally:
        wall = time.monotonic() - start
        limit.cancel()
        watch.done.set()
        watch.join()
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in accept:
        said = ""
        if log != Path(os.devnull):
            with open(log, "rb") as output:
                output.seek(start_of_output)
                said = output.read()[-2000:].decode(errors="replace").strip()
        raise CommandFailed(f"{Path(str(command[0])).name} ended with {process.returncode}: {said}")
    after = process_cpu_seconds(server) if server else 0.0
    return Cost(wall, usage.ru_utime + usage.ru_stime, watch.peak, after - before)
