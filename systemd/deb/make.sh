#!/usr/bin/env bash
# make.sh PROGRAMS OUT-FOLDER [VERSION]: builds four packages from the folder of built programs (camdock, camdock-preview,
# camdock-mount, camdock-wipe), and prints their paths, a line each: camdock (the program and its papers), camdock-station and
# camdock-office (a role each: units, user, configuration), camdock-dbgsym (the debug symbols of all programs).
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
symbols=$stage/camdock-dbgsym
chmod 0755 "$stage"

put() { install -D -m "$2" "$3" "$stage/$1/$4"; } # package, mode, file, place

# Programs are stripped; their symbols go into a package of their own, where gdb and perf look for them.
program() { # name, folder, package
    local debug=usr/lib/debug/$2/$1.debug
    put "$3" 0755 "$programs/$1" "$2/$1"
    install -d -m 0755 "$symbols/$(dirname "$debug")"
    objcopy --only-keep-debug "$programs/$1" "$symbols/$debug"
    chmod 0644 "$symbols/$debug"
    strip --strip-unneeded "$stage/$3/$2/$1"
    (cd "$symbols/$(dirname "$debug")" && objcopy --add-gnu-debuglink="$1.debug" "$stage/$3/$2/$1")
}
program camdock usr/bin camdock
for helper in camdock-preview camdock-mount camdock-wipe; do program "$helper" usr/lib/camdock camdock-station; done
for unit in "$top"/systemd/*.service "$top"/systemd/*.timer "$top"/systemd/*.socket; do
    case $(basename "$unit") in camdock-office* | camdock-keydesk* | camdock-disposer* | camdock-sharereader*) role=camdock-office ;; *) role=camdock-station ;; esac
    put "$role" 0644 "$unit" "usr/lib/systemd/system/$(basename "$unit")"
done
for user in camdock:camdock-station camdock-office:camdock-office camdock-keydesk:camdock-office camdock-disposer:camdock-office camdock-sharereader:camdock-office; do
    put "${user#*:}" 0644 "$top/systemd/${user%%:*}.sysusers" "usr/lib/sysusers.d/${user%%:*}.conf"
    put "${user#*:}" 0644 "$top/systemd/${user%%:*}.tmpfiles" "usr/lib/tmpfiles.d/${user%%:*}.conf"
done
for rules in "$top"/systemd/*.rules; do
    if [ -e "$rules" ]; then put camdock-station 0644 "$rules" "usr/lib/udev/rules.d/$(basename "$rules")"; fi
done

# Files that the administrator edits: dpkg keeps edits on an upgrade.
put camdock-station 0640 "$top/config/camdock.toml" etc/camdock/camdock.toml
put camdock-station 0640 "$top/config/roster.toml" etc/camdock/roster.toml
for profile in "$top"/config/profiles/*.toml; do
    put camdock-station 0640 "$profile" "etc/camdock/profiles/$(basename "$profile")"
done
put camdock-office 0640 "$top/config/office.toml" etc/camdock-office/office.toml
for example in alerts.yml dashboard.json station-policy.json verify-policy.json open-policy.json confirm-policy.json office-policy.json keydesk-policy.json disposer-policy.json sharereader-policy.json store-credentials.toml wipe.toml office.toml keydesk.toml disposer.toml sharereader.toml; do
    put camdock 0644 "$top/config/$example" "usr/share/doc/camdock/examples/$example"
done
for example in "$top"/config/retention/*.toml; do
    put camdock 0644 "$example" "usr/share/doc/camdock/examples/retention/$(basename "$example")"
done
for text in README.md CHANGELOG.md LICENSE-MIT LICENSE-APACHE; do
    put camdock 0644 "$top/$text" "usr/share/doc/camdock/$text"
done
# Beside README.md as in the repository, so that its links lead somewhere.
for paper in "$top"/docs/*.md "$top"/docs/*.py "$top"/docs/pictures/*; do
    put camdock 0644 "$paper" "usr/share/doc/camdock/docs/${paper#"$top"/docs/}"
done
# Their licences ask that their texts go along with the program.
"${PYTHON:-python3}" "$here/notices.py" "$top" >"$stage/copyright"
put camdock 0644 "$stage/copyright" usr/share/doc/camdock/copyright

"$binary" generate "$stage/made"
for page in "$stage"/made/man/*.[17]; do
    gzip -9n "$page"
    put camdock 0644 "$page.gz" "usr/share/man/man${page##*.}/$(basename "$page").gz"
done
put camdock 0644 "$stage/made/completions/camdock.bash" usr/share/bash-completion/completions/camdock
put camdock 0644 "$stage/made/completions/_camdock" usr/share/zsh/vendor-completions/_camdock
put camdock 0644 "$stage/made/completions/camdock.fish" usr/share/fish/vendor_completions.d/camdock.fish

# The packages of the libraries that these programs name themselves, by the system that they were built on.
libraries() { # program…
    local built file owner found=
    for built in "$@"; do
        for file in $(ldd "$built" | awk '$2 == "=>" && $3 ~ /^\// { print $1 "=" $3 }'); do
            if objdump -p "$built" | grep -qE "^ *NEEDED +${file%%=*}\$"; then
                owner=$(dpkg -S "$(realpath "${file#*=}")" 2>/dev/null | head -n 1 | cut -d: -f1 || true)
                case "$owner $found" in " "* | libc6\ * | libgcc-s1\ * | *", $owner"*) ;; *) found+=", $owner" ;; esac
            fi
        done
    done
    printf '%s' "$found"
}

control() { # package, libraries
    local root=$stage/$1
    install -d -m 0755 "$root/DEBIAN"
    sed -e "s/@VERSION@/$version/" -e "s/@ARCH@/$arch/" -e "s/@LIBRARIES@/$2/" \
        -e "s/@SIZE@/$(du -sk --exclude=DEBIAN "$root" | cut -f1)/" "$here/${1#camdock-}.control" >"$root/DEBIAN/control"
}
control camdock "$(libraries "$binary")"
control camdock-station "$(libraries "$programs/camdock-preview" "$programs/camdock-mount" "$programs/camdock-wipe")"
control camdock-office ""
for role in station office; do
    root=$stage/camdock-$role
    (cd "$root" && find etc -type f -printf '/%p\n' | sort) >"$root/DEBIAN/conffiles"
    for script in postinst prerm postrm; do install -m 0755 "$here/$role/$script" "$root/DEBIAN/$script"; done
done
install -d -m 0755 "$symbols/DEBIAN"
cat >"$symbols/DEBIAN/control" <<CONTROL
Package: camdock-dbgsym
Version: $version
Architecture: $arch
Maintainer: $(sed -n 's/^Maintainer: //p' "$here/camdock.control")
Section: debug
Priority: optional
Depends: camdock (= $version)
Description: debug symbols for camdock
CONTROL
mkdir -p "$out"
for package in camdock camdock-station camdock-office camdock-dbgsym; do
    made=$out/${package}_${version}_$arch.deb
    dpkg-deb --root-owner-group --build "$stage/$package" "$made" >&2
    printf '%s\n' "$made"
done
