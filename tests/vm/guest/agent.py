#!/usr/bin/python3
"""Carries out what the tests ask, over the virtio port `camdock.agent`.

Both ways: one line of JSON, then as many raw bytes as its "bytes" says (a reply's "bytes" is a list, one number a stream).
A request has an "id", an "op" and its arguments; replies come in any order. On opening, the boot's id is sent as reply 0.
"""

import json
import os
import socket
import subprocess
import threading
import time
import traceback

PORT = "/dev/virtio-ports/camdock.agent"
STATUS = "/run/camdock/status.sock"


class Port:
    def __init__(self, path):
        self.fd = os.open(path, os.O_RDWR)
        self.buffer = b""
        self.lock = threading.Lock()

    def fill(self):
        data = os.read(self.fd, 1 << 20)
        if not data:
            # The other side is not connected at the moment.
            time.sleep(0.05)
        self.buffer += data

    def line(self):
        while b"\n" not in self.buffer:
            self.fill()
        line, self.buffer = self.buffer.split(b"\n", 1)
        return line

    def bytes(self, count):
        data = bytearray(self.buffer[:count])
        self.buffer = self.buffer[count:]
        while len(data) < count:
            # One read gives a few kilobytes: the cost must not grow with the data already received.
            read = os.read(self.fd, min(1 << 20, count - len(data)))
            if not read:
                time.sleep(0.05)
            data += read
        return data

    def send(self, head, *streams):
        head["bytes"] = [len(stream) for stream in streams]
        with self.lock:
            for part in (json.dumps(head).encode() + b"\n", *streams):
                view = memoryview(part)
                while view:
                    view = view[os.write(self.fd, view):]


def boot_id():
    with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
        return file.read().strip()


def run(request, data):
    environment = dict(os.environ, LC_ALL="C.UTF-8", NO_COLOR="1", PATH="/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/bin")
    environment.update(request.get("env", {}))
    try:
        done = subprocess.run(request["argv"], input=data, capture_output=True, env=environment, cwd="/",
                              timeout=request["timeout"], check=False)
        return {"code": done.returncode}, done.stdout, done.stderr
    except subprocess.TimeoutExpired as late:
        return {"code": None, "timeout": True}, late.stdout or b"", late.stderr or b""


def put(request, data):
    os.makedirs(os.path.dirname(request["path"]), exist_ok=True)
    fd = os.open(request["path"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, request["mode"])
    with os.fdopen(fd, "wb") as file:
        os.fchmod(fd, request["mode"])
        file.write(data)
    if "modified" in request:
        os.utime(request["path"], (request["modified"], request["modified"]))
    return ({},)


def get(request, _):
    with open(request["path"], "rb") as file:
        return {}, file.read()


def clock(request, _):
    """Sets the clock if a time is given; returns the clock and the boot's id."""
    if "time" in request:
        time.clock_settime(time.CLOCK_REALTIME, request["time"])
    return ({"time": time.time(), "boot": boot_id()},)


class Status:
    """Follows the station's status socket and keeps its last line; empty while the station does not run."""

    def __init__(self):
        self.line = b""
        threading.Thread(target=self.follow, daemon=True).start()

    def follow(self):
        while True:
            try:
                with socket.socket(socket.AF_UNIX) as asked:
                    asked.connect(STATUS)
                    for line in asked.makefile("rb"):
                        self.line = line
            except OSError:
                pass
            self.line = b""
            time.sleep(0.2)

    def tell(self, _, __):
        return {"time": time.time()}, self.line


OPS = {"run": run, "put": put, "get": get, "clock": clock, "status": Status().tell}


def answer(port, request, data):
    try:
        head, *streams = OPS[request["op"]](request, data)
    except Exception:  # pylint: disable=broad-except
        head, streams = {"failed": traceback.format_exc()}, []
    head["id"] = request["id"]
    port.send(head, *streams)


def main():
    while not os.path.exists(PORT):
        time.sleep(0.1)
    port = Port(PORT)
    port.send({"id": 0, "boot": boot_id()})
    while True:
        request = json.loads(port.line())
        data = port.bytes(request.get("bytes", 0))
        threading.Thread(target=answer, args=(port, request, data), daemon=True).start()


main()
