#!/usr/bin/env bash
# make.sh PROGRAMS OUT-FOLDER [VERSION]: builds camdock_VERSION_ARCH.deb and camdock-dbgsym_VERSION_ARCH.deb from the folder
# of built programs (camdock, camdock-preview, camdock-mount, camdock-wipe), and prints their paths, a line each.
# It uses dpkg-deb alone and not cargo-deb: the layout below is all that there is, and nothing needs to be compiled.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
top=$(cd "$here/../.." && pwd)
programs=${1:?the folder with the built programs}
binary=$programs/camdock
out=${2:?a folder for the package}
version=${3:-$(sed -n 's/^version = "\(.*\)"/\1/p' "$top/Cargo.toml" | head -n 1)}
arch=$(dpkg --print-architecture)
stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT
root=$stage/root
symbols=$stage/symbols
chmod 0755 "$stage"

put() { install -D -m "$1" "$2" "$root/$3"; }

# Programs are stripped; their symbols go into a package of their own, where gdb and perf look for them.
program() { # name, folder
    local debug=usr/lib/debug/$2/$1.debug
    put 0755 "$programs/$1" "$2/$1"
    install -d -m 0755 "$symbols/$(dirname "$debug")"
    objcopy --only-keep-debug "$programs/$1" "$symbols/$debug"
    chmod 0644 "$symbols/$debug"
    strip --strip-unneeded "$root/$2/$1"
    (cd "$symbols/$(dirname "$debug")" && objcopy --add-gnu-debuglink="$1.debug" "$root/$2/$1")
}
program camdock usr/bin
program camdock-preview usr/lib/camdock
program camdock-mount usr/lib/camdock
program camdock-wipe usr/lib/camdock
for unit in "$top"/systemd/*.service "$top"/systemd/*.timer "$top"/systemd/*.socket; do
    put 0644 "$unit" "usr/lib/systemd/system/$(basename "$unit")"
done
put 0644 "$top/systemd/camdock.sysusers" usr/lib/sysusers.d/camdock.conf
put 0644 "$top/systemd/camdock.tmpfiles" usr/lib/tmpfiles.d/camdock.conf
for rules in "$top"/systemd/*.rules; do
    if [ -e "$rules" ]; then put 0644 "$rules" "usr/lib/udev/rules.d/$(basename "$rules")"; fi
done

# Files that the administrator edits: dpkg keeps edits on an upgrade.
put 0640 "$top/config/camdock.toml" etc/camdock/camdock.toml
put 0640 "$top/config/roster.toml" etc/camdock/roster.toml
for profile in "$top"/config/profiles/*.toml; do
    put 0640 "$profile" "etc/camdock/profiles/$(basename "$profile")"
done
for example in alerts.yml dashboard.json station-policy.json verify-policy.json confirm-policy.json office-policy.json store-credentials.toml wipe.toml office.toml; do
    put 0644 "$top/config/$example" "usr/share/doc/camdock/examples/$example"
done
for text in README.md CHANGELOG.md LICENSE-MIT LICENSE-APACHE; do
    put 0644 "$top/$text" "usr/share/doc/camdock/$text"
done
# Beside README.md as in the repository, so that its links lead somewhere.
for paper in "$top"/docs/*.md "$top"/docs/pictures/*; do
    put 0644 "$paper" "usr/share/doc/camdock/docs/${paper#"$top"/docs/}"
done
# Their licences ask that their texts go along with the program.
"${PYTHON:-python3}" "$here/notices.py" "$top" >"$stage/copyright"
put 0644 "$stage/copyright" usr/share/doc/camdock/copyright

"$binary" generate "$stage/made"
for page in "$stage"/made/man/*.[17]; do
    gzip -9n "$page"
    put 0644 "$page.gz" "usr/share/man/man${page##*.}/$(basename "$page").gz"
done
put 0644 "$stage/made/completions/camdock.bash" usr/share/bash-completion/completions/camdock
put 0644 "$stage/made/completions/_camdock" usr/share/zsh/vendor-completions/_camdock
put 0644 "$stage/made/completions/camdock.fish" usr/share/fish/vendor_completions.d/camdock.fish

# The packages of the libraries that the programs name themselves, by the system that it was built on.
libraries=
for built in "$binary" "$programs/camdock-preview"; do
    for file in $(ldd "$built" | awk '$2 == "=>" && $3 ~ /^\// { print $1 "=" $3 }'); do
        if objdump -p "$built" | grep -qE "^ *NEEDED +${file%%=*}\$"; then
            owner=$(dpkg -S "$(realpath "${file#*=}")" 2>/dev/null | head -n 1 | cut -d: -f1 || true)
            case "$owner $libraries" in " "* | libc6\ * | libgcc-s1\ * | *", $owner"*) ;; *) libraries+=", $owner" ;; esac
        fi
    done
done

install -d -m 0755 "$root/DEBIAN"
sed -e "s/@VERSION@/$version/" -e "s/@ARCH@/$arch/" -e "s/@LIBRARIES@/$libraries/" \
    -e "s/@SIZE@/$(du -sk --exclude=DEBIAN "$root" | cut -f1)/" "$here/control" >"$root/DEBIAN/control"
(cd "$root" && find etc -type f -printf '/%p\n' | sort) >"$root/DEBIAN/conffiles"
for script in postinst prerm postrm; do install -m 0755 "$here/$script" "$root/DEBIAN/$script"; done
install -d -m 0755 "$symbols/DEBIAN"
cat >"$symbols/DEBIAN/control" <<CONTROL
Package: camdock-dbgsym
Version: $version
Architecture: $arch
Maintainer: $(sed -n 's/^Maintainer: //p' "$here/control")
Section: debug
Priority: optional
Depends: camdock (= $version)
Description: debug symbols for camdock
CONTROL
mkdir -p "$out"
for package in camdock:"$root" camdock-dbgsym:"$symbols"; do
    made=$out/${package%%:*}_${version}_$arch.deb
    dpkg-deb --root-owner-group --build "${package#*:}" "$made" >&2
    printf '%s\n' "$made"
done
