#!/usr/bin/env bash
# fresh.sh: runs make targets as on a machine that was installed a minute ago. For each Debian in FRESH (bookworm trixie)
# it makes a minimal root file system with nothing but make, certificates and this machine's Rust, with an empty home
# and a clean clone of HEAD, and runs there each target in FRESH_TARGET (demo). It prints when each line came.
#
# It wants root, mmdebstrap, and a Debian machine: the package mirror is the one that this machine uses. Of the
# environment, only settings of proxies, certificates, pip and cargo go in. The minimal root file systems are kept for
# a week below the build folder; nothing else is shared and nothing else stays.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
top=$(cd "$here/../.." && pwd)

say() { printf 'fresh: %s\n' "$*"; }
fail() { printf 'fresh: error: %s\n' "$1" >&2; printf 'fresh: next step: %s\n' "$2" >&2; exit 1; }

# ---- Inside the new root file system: its own mounts and processes, gone when this ends -----------

if [ "${1:-}" = inside ]; then
    root=$2 rust=$3
    shift 3
    trap 'exit 130' INT TERM
    # The root has to be a mount of its own to become the root of everything in there.
    mount --bind "$root" "$root"
    mount -t proc proc "$root/proc"
    mount -t sysfs -o ro sysfs "$root/sys"
    mount -t tmpfs -o mode=0755 tmpfs "$root/dev"
    # Nodes of its own, as on a real machine: a device that is mounted there by itself is another file system.
    for device in null:1:3 zero:1:5 full:1:7 random:1:8 urandom:1:9 tty:5:0; do
        IFS=: read -r name major minor <<<"$device"
        mknod -m 0666 "$root/dev/$name" c "$major" "$minor"
    done
    mkdir "$root/dev/pts" "$root/dev/shm"
    mount -t devpts -o newinstance,ptmxmode=0666 devpts "$root/dev/pts"
    ln -s pts/ptmx "$root/dev/ptmx"
    ln -s /proc/self/fd "$root/dev/fd"
    mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"
    mkdir -p "$root/opt/rust"
    mount --bind "$rust" "$root/opt/rust"
    mount -o remount,bind,ro "$root/opt/rust"

    keep=()
    for name in http_proxy https_proxy no_proxy HTTP_PROXY HTTPS_PROXY NO_PROXY SSL_CERT_FILE SSL_CERT_DIR CI \
        RUSTUP_AUTO_INSTALL "${!PIP_@}" "${!CARGO_HTTP_@}" "${!CARGO_NET_@}" "${!CARGO_REGISTR@}"; do
        if [ -n "${!name:-}" ]; then keep+=("$name=${!name}"); fi
    done
    # The machine's Rust is all that the new machine has: with rustup's proxies where this machine has rustup.
    # Not a chroot: the kernel lets nothing in there make a namespace of its own users.
    cd "$root"
    mkdir .outside
    pivot_root . .outside
    umount --lazy /.outside
    rmdir /.outside
    exec env -i "${keep[@]}" HOME=/root TERM=dumb LANG=C.UTF-8 CARGO_TERM_COLOR=never RUSTUP_HOME=/opt/rust \
        PATH=/root/.cargo/bin:/opt/rust/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
        bash -c 'cd /root/camdock && exec make --no-print-directory "$@"' make "$@" </dev/null
fi

# ---- Outside ------------------------------------------------------------------------------------

target=${CARGO_TARGET_DIR:-$top/target}
read -ra debians <<<"${FRESH:-bookworm trixie}"
read -ra goals <<<"${FRESH_TARGET:-demo}"

[ "$(id -u)" -eq 0 ] || fail "a new root file system can be made by root only" "run this as root: sudo --preserve-env=PATH,HOME make fresh"
for command in mmdebstrap unshare git; do
    command -v "$command" >/dev/null || fail "$command was not found" "tests/tools/setup.sh vm"
done
command -v rustc >/dev/null || fail "rustc was not found" "install Rust (rustup), then run this again"
if [ -n "$(git -c safe.directory='*' -C "$top" status --porcelain)" ]; then
    say "note: what is not committed is not in the clone"
fi

# What apt uses here for a suite of this machine's own Debian.
codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
mirror() { # suffix of the suite
    apt-get indextargets --format '$(RELEASE) $(REPO_URI)' 2>/dev/null | awk -v suite="$codename$1" '$1 == suite { print $2; exit }'
}
[ -n "$(mirror '')" ] || fail "apt here has no sources for Debian '$codename'" "run this on a Debian machine"
sources() { # Debian
    local suffix uri
    for suffix in '' -updates -security; do
        uri=$(mirror "$suffix")
        if [ -n "$uri" ]; then printf 'deb %s %s%s main\n' "$uri" "$1" "$suffix"; fi
    done
}

mkdir -p "$target/fresh"
target=$(cd "$target" && pwd)
work=$(mktemp -d "$target/fresh/.work.XXXXXX")
child=
clean() {
    trap - EXIT INT TERM
    # Killing unshare kills everything in there; then no mount is left.
    if [ -n "$child" ]; then
        kill -KILL "$child" 2>/dev/null || true
        wait "$child" 2>/dev/null || true
    fi
    rm -rf --one-file-system "$work"
}
trap clean EXIT
trap 'clean; exit 130' INT
trap 'clean; exit 143' TERM

minimal() { # Debian: prints the path of its packed root file system
    local packed
    packed=$target/fresh/$1-$(cksum <"${BASH_SOURCE[0]}" | cut -d' ' -f1).tar
    if [ -z "$(find "$packed" -mtime -7 2>/dev/null)" ]; then
        rm -f "$target/fresh/$1"-*.tar
        mmdebstrap --quiet --format=tar --variant=minbase --include=ca-certificates,make "$1" "$packed.new" - >"$work/mmdebstrap.log" 2>&1 \
            < <(sources "$1") || { tail -n 20 "$work/mmdebstrap.log" >&2; return 1; }
        mv "$packed.new" "$packed"
    fi
    printf '%s\n' "$packed"
}

# Prints each line with the seconds since the target began, and keeps it.
timed() { # log
    local began=$SECONDS line
    while IFS= read -r line; do
        printf '%5d s  %s\n' $((SECONDS - began)) "$line"
    done | tee "$1"
}
# Seconds at which a line that matches came first.
reached() { # log, expression
    awk -v expression="$2" '$0 ~ expression { print $1; exit }' "$1"
}

status=0
summary=()
for debian in "${debians[@]}"; do
    began=$SECONDS
    say "$debian: a minimal root file system and a clean clone"
    packed=$(minimal "$debian") || fail "mmdebstrap could not make Debian '$debian'" "see the lines above; is the package mirror reachable?"
    root=$work/$debian
    mkdir "$root"
    tar -C "$root" -xf "$packed"
    for file in resolv.conf hosts ssl/certs/ca-certificates.crt; do
        if [ -e "/etc/$file" ]; then cp -L "/etc/$file" "$root/etc/$file"; fi
    done
    git -c safe.directory='*' -c advice.detachedHead=false -c init.defaultBranch=main clone -q "file://$top" "$root/root/camdock"
    rust=$(cd "$top" && rustc --print sysroot)
    if command -v rustup >/dev/null; then
        rust=$(rustup show home)
        mkdir -p "$root/root/.cargo/bin"
        cp -a "$(dirname "$(command -v rustup)")"/{rustup,cargo,cargo-fmt,cargo-clippy,clippy-driver,rustc,rustdoc,rustfmt} "$root/root/.cargo/bin/"
    fi
    summary+=("$debian: root file system and clone $((SECONDS - began)) s")
    for goal in "${goals[@]}"; do
        say "$debian: make $goal"
        log=$work/$debian-$goal.log
        began=$SECONDS
        failed=no
        exec {out}> >(timed "$log")
        printer=$!
        unshare --mount --propagation private --pid --fork --kill-child \
            "${BASH_SOURCE[0]}" inside "$root" "$rust" "$goal" >&"$out" 2>&1 {out}>&- &
        child=$!
        exec {out}>&-
        wait "$child" || failed=yes
        child=
        wait "$printer" || true
        total=$((SECONDS - began))
        phases=$(reached "$log" 'setup: ready') built=$(reached "$log" 'Finished `')
        if [ "$failed" = yes ]; then
            status=1
            summary+=("$debian: make $goal FAILED after $total s")
        else
            summary+=("$debian: make $goal passed in $total s (set up after ${phases:-?} s, built after ${built:-?} s)")
        fi
    done
    rm -rf --one-file-system "$root"
done
for line in "${summary[@]}"; do say "$line"; done
if [ "$status" -ne 0 ]; then fail "not everything passed on a fresh machine" "read the lines above; then again with FRESH=<the Debian that failed>"; fi
