#!/usr/bin/python3
"""Runs SeaweedFS, makes the bucket with Object Lock, and tells systemd when both are there."""

import datetime
import hashlib
import hmac
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
DATA = os.environ.get("STATE_DIRECTORY", "/var/lib/weed")
BUCKET = "evidence"
S3 = ("127.0.0.1", 8333)


def signed_put(path, extra):
    """One request with an empty body, signed as AWS Signature Version 4 says."""
    with open(f"{HERE}/s3.json", encoding="utf-8") as file:
        keys = json.load(file)["identities"][0]["credentials"][0]
    now = datetime.datetime.now(datetime.timezone.utc)
    stamp, day = now.strftime("%Y%m%dT%H%M%SZ"), now.strftime("%Y%m%d")
    body = hashlib.sha256(b"").hexdigest()
    headers = {"host": f"{S3[0]}:{S3[1]}", "x-amz-content-sha256": body, "x-amz-date": stamp, **extra}
    names = ";".join(sorted(headers))
    canonical = "\n".join(["PUT", path, "", *(f"{name}:{headers[name]}" for name in sorted(headers)), "", names, body])
    scope = f"{day}/us-east-1/s3/aws4_request"
    text = "\n".join(["AWS4-HMAC-SHA256", stamp, scope, hashlib.sha256(canonical.encode()).hexdigest()])
    key = ("AWS4" + keys["secretKey"]).encode()
    for part in (day, "us-east-1", "s3", "aws4_request", text):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    headers["authorization"] = (f"AWS4-HMAC-SHA256 Credential={keys['accessKey']}/{scope}, "
                                f"SignedHeaders={names}, Signature={key.hex()}")
    connection = http.client.HTTPConnection(*S3, timeout=20)
    connection.request("PUT", path, headers=headers)
    reply = connection.getresponse()
    return reply.status, reply.read()


def ready():
    """True if volumes can be assigned and the bucket exists; makes the bucket if needed."""
    master = http.client.HTTPConnection("127.0.0.1", 9333, timeout=5)
    master.request("GET", "/dir/assign?count=1")
    if b'"fid"' not in master.getresponse().read():
        return False
    code, text = signed_put(f"/{BUCKET}", {"x-amz-bucket-object-lock-enabled": "true"})
    return code == 200 or b"BucketAlready" in text


def notify_systemd(text):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as tell:
        tell.connect(os.environ["NOTIFY_SOCKET"])
        tell.send(text)


os.makedirs(f"{DATA}/data", exist_ok=True)
# After a power cut SeaweedFS may treat its volumes as read-only: new ones are needed.
server = subprocess.Popen([
    "/usr/local/bin/weed", "server", f"-dir={DATA}/data", "-ip=127.0.0.1", "-s3", f"-s3.config={HERE}/s3.json",
    "-s3.port.iceberg=0", "-s3.port.lance=0", "-s3.autoCreateBucket=false", "-s3.allowDeleteBucketNotEmpty=false",
    f"-s3.localSocket={DATA}/s3.sock", f"-filer.localSocket={DATA}/filer.sock", "-master.volumeSizeLimitMB=512",
    # Its only master elects itself: at a boot it waits for others as long as this (10 s unless told).
    "-master.electionTimeout=500ms", "-master.heartbeatInterval=100ms",
    "-volume.max=400", "-master.telemetry=false", "-volume.preStopSeconds=0", "-volume.minFreeSpace=1"],
    cwd=DATA)
signal.signal(signal.SIGTERM, lambda *_: server.terminate())
while server.poll() is None:
    try:
        if ready():
            notify_systemd(b"READY=1")
            break
    except OSError:
        pass
    time.sleep(0.2)
sys.exit(server.wait())
