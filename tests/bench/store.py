"""A SeaweedFS of our own on loopback, with a fresh Object Lock bucket; gone with all its data afterwards."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import boto3
import botocore.config
import botocore.exceptions

ACCESS_KEY = "bench-access"
SECRET_KEY = "bench-secret-bench-secret"
BUCKET = "evidence"
START_SECONDS = 60


def _free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()


def client(endpoint):
    return boto3.client(
        "s3", endpoint_url=endpoint, region_name="us-east-1",
        aws_access_key_id=ACCESS_KEY, aws_secret_access_key=SECRET_KEY,
        config=botocore.config.Config(
            s3={"addressing_style": "path"}, retries={"total_max_attempts": 1}, connect_timeout=2, read_timeout=10
        ),
    )  # fmt: skip


def listed(client, prefix=""):
    """The objects in the bucket, without the warm-up's."""
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=prefix)
    return [one for page in pages for one in page.get("Contents", []) if one["Key"] != "warm-up"]


def held(client):
    """Objects and bytes in the bucket, without the warm-up's."""
    objects = listed(client)
    return len(objects), sum(one["Size"] for one in objects)


class Store:
    """`with Store(folder) as store:` gives a running store with an empty bucket."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.process = None

    def __enter__(self):
        shutil.rmtree(self.folder, ignore_errors=True)
        data = self.folder / "data"
        data.mkdir(parents=True)
        identity = {
            "name": "bench",
            "credentials": [{"accessKey": ACCESS_KEY, "secretKey": SECRET_KEY}],
            "actions": ["Admin", "Read", "Write", "List", "Tagging"],
        }
        config = self.folder / "s3.json"
        config.write_text(json.dumps({"identities": [identity]}))
        ports = iter(_free_ports(9))
        s3 = next(ports)
        self.endpoint = f"http://127.0.0.1:{s3}"
        metrics = next(ports)
        self.metrics = f"http://127.0.0.1:{metrics}/metrics"
        command = [
            str(Path(sys.prefix) / "bin" / "weed"), "-logdir", str(self.folder), "server",
            "-dir", str(data), "-ip", "127.0.0.1", "-ip.bind", "127.0.0.1",
            "-master.port", str(next(ports)), "-master.port.grpc", str(next(ports)),
            "-master.telemetry=false", "-metricsPort", str(metrics), "-master.volumeSizeLimitMB", "4096",
            "-volume.port", str(next(ports)), "-volume.port.grpc", str(next(ports)), "-volume.max", "100",
            "-filer", "-filer.port", str(next(ports)), "-filer.port.grpc", str(next(ports)),
            "-filer.localSocket", str(self.folder / "filer.sock"),
            "-s3", "-s3.port", str(s3), "-s3.port.grpc", str(next(ports)), "-s3.config", str(config),
            "-s3.localSocket", str(self.folder / "s3.sock"), "-s3.port.iceberg", "0", "-s3.port.lance", "0",
        ]  # fmt: skip
        with open(self.folder / "weed.log", "wb") as log:
            self.process = subprocess.Popen(
                command, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        try:
            self._wait_until_it_stores()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(self, *_):
        if self.process and self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGTERM)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def pid(self):
        return self.process.pid

    def _wait_until_it_stores(self):
        """Not just until the port answers: the first write needs a volume, which comes seconds later."""
        self.client = client(self.endpoint)
        until = time.monotonic() + START_SECONDS
        while True:
            try:
                buckets = [one["Name"] for one in self.client.list_buckets()["Buckets"]]
                if BUCKET not in buckets:
                    self.client.create_bucket(Bucket=BUCKET, ObjectLockEnabledForBucket=True)
                self.client.put_object(Bucket=BUCKET, Key="warm-up", Body=b"warm")
                return
            except (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError) as error:
                if self.process.poll() is not None or time.monotonic() > until:
                    said = (self.folder / "weed.log").read_text(errors="replace")[-2000:]
                    raise RuntimeError(f"SeaweedFS did not start: {error}\n{said}") from error
                time.sleep(0.2)

    def held(self):
        return held(self.client)
