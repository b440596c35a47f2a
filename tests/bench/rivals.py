"""What people use instead, each with its defaults and tuned for this store: encrypt and upload a folder to S3."""

import os
import shutil
import subprocess
from pathlib import Path

import footage
import measure
from store import ACCESS_KEY, BUCKET, SECRET_KEY, Store

# Not a rival but the store's own limit: it seals nothing.
REFERENCE = "unsealed upload (for comparison)"

RCLONE = """\
[store]
type = s3
provider = Other
env_auth = false
access_key_id = {access}
secret_access_key = {secret}
endpoint = {endpoint}
region = us-east-1
force_path_style = true
no_check_bucket = true

[sealed]
type = crypt
remote = store:{bucket}
password = {password}
"""

# As it stands in many a runbook: digest to a list, encrypt to a public key, pipe to the store.
LOOP = """\
set -euo pipefail
cd "$FOOTAGE"
one() {
    sha256sum "$1" >>"$WORK/SHA256SUMS"
    age -r "$RECIPIENT" <"$1" | rclone --config "$WORK/rclone.conf" rcat "store:$BUCKET/$1.age"
}
export -f one
find . -type f ! -name .complete -printf '%P\\0' | xargs -0 -n 1 -P "$PARALLEL" bash -euo pipefail -c 'one "$1"' _
rclone --config "$WORK/rclone.conf" copyto "$WORK/SHA256SUMS" "store:$BUCKET/SHA256SUMS"
"""


def _output(command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def versions():
    return {
        "rclone": _output(["rclone", "version"]).splitlines()[0],
        "restic": _output(["restic", "version"]),
        "age": "age " + _output(["age", "--version"]),
    }


class Bench:
    def __init__(self, source, work):
        self.source, self.work = Path(source), Path(work)

    def environment(self, store, **more):
        home = self.work / "home"
        home.mkdir(exist_ok=True)
        own = {
            "PATH": os.environ["PATH"], "LANG": "C.UTF-8", "HOME": str(home), "FOOTAGE": str(self.source),
            "WORK": str(self.work), "BUCKET": BUCKET, "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY, "AWS_DEFAULT_REGION": "us-east-1",
            "RESTIC_PASSWORD": "bench", "RESTIC_REPOSITORY": f"s3:{store.endpoint}/{BUCKET}/restic",
            "RESTIC_CACHE_DIR": str(self.work / "restic-cache"),
        }  # fmt: skip
        return own | more

    def rclone_config(self, store):
        config = self.work / "rclone.conf"
        password = _output(["rclone", "obscure", "bench"])
        config.write_text(
            RCLONE.format(access=ACCESS_KEY, secret=SECRET_KEY, endpoint=store.endpoint, bucket=BUCKET, password=password)
        )
        return config

    def rclone_crypt(self, *options):
        def go(store):
            command = ["rclone", "--config", str(self.rclone_config(store)), "copy", "--exclude", ".complete", *options]
            return measure.run([*command, str(self.source), "sealed:"], env=self.environment(store), server=store.pid)

        return go

    def rclone_plain(self, *options):
        """Nothing hashed, nothing sealed: what the store itself takes on this machine."""

        def go(store):
            command = ["rclone", "--config", str(self.rclone_config(store)), "copy", "--exclude", ".complete"]
            fast = ["--no-traverse", "--no-check-dest", "--s3-no-head", "--s3-disable-checksum", *options]
            return measure.run(
                [*command, *fast, str(self.source), f"store:{BUCKET}"], env=self.environment(store), server=store.pid
            )

        return go

    def restic(self, init=(), *options):
        def go(store):
            env = self.environment(store)
            # Making the repository is done once in its life: not counted.
            measure.run(["restic", "init", *init], env=env)
            command = ["restic", *options, "backup", "--exclude", ".complete", str(self.source)]
            return measure.run(command, env=env, server=store.pid)

        return go

    def age_loop(self, parallel):
        def go(store):
            self.rclone_config(store)
            key = self.work / "age.key"
            _output(["age-keygen", "-o", str(key)])
            recipient = _output(["age-keygen", "-y", str(key)])
            env = self.environment(store, RECIPIENT=recipient, PARALLEL=str(parallel))
            return measure.run(["bash", "-c", LOOP], env=env, server=store.pid)

        return go

    def variants(self):
        cores = os.cpu_count() or 1
        large = ["--s3-chunk-size", "16M", "--s3-upload-cutoff", "0", "--s3-upload-concurrency", "4"]
        return {
            REFERENCE: self.rclone_plain(*large),
            "rclone crypt": self.rclone_crypt(),
            "rclone crypt, tuned": self.rclone_crypt(
                "--transfers", "4", "--no-traverse", "--no-check-dest", "--s3-no-head", "--s3-disable-checksum",
                "--buffer-size", "16M", *large,
            ),
            "restic": self.restic(),
            "restic, tuned": self.restic(
                ("--repository-version", "2"), "--compression", "off", "--pack-size", "64", "-o", "s3.connections=8"
            ),
            "sha256sum+age+rcat": self.age_loop(1),
            f"sha256sum+age+rcat, {cores} at once": self.age_loop(cores),
        }  # fmt: skip


def measure_all(source, folder, repeat, say, only=None):
    """Each variant on the same files and its own fresh store. Returns name → the fastest of `repeat` runs."""
    results = {}
    for name, go in Bench(source, folder).variants().items():
        if only and only not in name:
            continue
        for _ in range(repeat):
            work = Path(folder)
            shutil.rmtree(work, ignore_errors=True)
            work.mkdir(parents=True)
            with Store(work / "store") as store:
                total = footage.warm(source)
                os.sync()
                say(f"{name} …")
                cost = go(store)
                objects, held = store.held()
            if held < total:
                raise RuntimeError(f"{name}: {held} bytes in the store, {total} were to be stored")
            row = cost.as_json() | {"bytes": total, "objects": objects, "stored_bytes": held}
            if name not in results or row["wall_seconds"] < results[name]["wall_seconds"]:
                results[name] = row
    shutil.rmtree(folder, ignore_errors=True)
    return results
