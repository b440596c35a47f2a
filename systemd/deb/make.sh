#!/usr/bin/env bash
# make.sh BINARY OUT-FOLDER [VERSION]: builds camdock_VERSION_ARCH.deb with dpkg-deb alone; prints its path.
# No cargo-deb: the layout below is all there is to it, and nothing needs to be compiled to make a package.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
top=$(cd "$here/../.." && pwd)
binary=${1:?the camdock program}
out=${2:?a folder for the package}
version=${3:-$(sed -n 's/^version = "\(.*\)"/\1/p' "$top/Cargo.toml" | head -n 1)}
arch=$(dpkg --print-architecture)
stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT
root=$stage/root
chmod 0755 "$stage"

put() { install -D -m "$1" "$2" "$root/$3"; }

put 0755 "$binary" usr/bin/camdock
strip --strip-unneeded "$root/usr/bin/camdock" 2>/dev/null || true
for unit in "$top"/systemd/*.service "$top"/systemd/*.timer "$top"/systemd/*.socket; do
    put 0644 "$unit" "usr/lib/systemd/system/$(basename "$unit")"
done
put 0644 "$top/systemd/camdock.sysusers" usr/lib/sysusers.d/camdock.conf
put 0644 "$top/systemd/camdock.tmpfiles" usr/lib/tmpfiles.d/camdock.conf
for rules in "$top"/systemd/*.rules; do
    if [ -e "$rules" ]; then put 0644 "$rules" "usr/lib/udev/rules.d/$(basename "$rules")"; fi
done
for helper in "$top"/systemd/camdock-mount "$top"/systemd/*.helper; do
    if [ -e "$helper" ]; then put 0755 "$helper" "usr/lib/camdock/$(basename "$helper" .helper)"; fi
done

# What the administrator edits: dpkg keeps edits on an upgrade.
put 0640 "$top/config/camdock.toml" etc/camdock/camdock.toml
put 0640 "$top/config/roster.toml" etc/camdock/roster.toml
for profile in "$top"/config/profiles/*.toml; do
    put 0640 "$profile" "etc/camdock/profiles/$(basename "$profile")"
done
for example in alerts.yml dashboard.json bucket-policy.json verify-policy.json confirm-policy.json store-credentials.toml wipe.toml; do
    put 0644 "$top/config/$example" "usr/share/doc/camdock/examples/$example"
done
put 0644 "$top/systemd/hardware-encoder.conf" usr/share/doc/camdock/examples/hardware-encoder.conf
for text in README.md CHANGELOG.md LICENSE-MIT LICENSE-APACHE; do
    put 0644 "$top/$text" "usr/share/doc/camdock/$text"
done
install -D -m 0644 "$top/LICENSE-MIT" "$root/usr/share/doc/camdock/copyright"

"$binary" generate "$stage/made"
for page in "$stage"/made/man/*.1; do
    gzip -9n "$page"
    put 0644 "$page.gz" "usr/share/man/man1/$(basename "$page").gz"
done
put 0644 "$stage/made/completions/camdock.bash" usr/share/bash-completion/completions/camdock
put 0644 "$stage/made/completions/_camdock" usr/share/zsh/vendor-completions/_camdock
put 0644 "$stage/made/completions/camdock.fish" usr/share/fish/vendor_completions.d/camdock.fish

# The packages of the libraries that the program names itself, by the system that it was built on.
libraries=
for file in $(ldd "$binary" | awk '$2 == "=>" && $3 ~ /^\// { print $1 "=" $3 }'); do
    if objdump -p "$binary" | grep -qE "^ *NEEDED +${file%%=*}\$"; then
        owner=$(dpkg -S "$(realpath "${file#*=}")" 2>/dev/null | head -n 1 | cut -d: -f1 || true)
        case "$owner $libraries" in " "* | libc6\ * | libgcc-s1\ * | *", $owner"*) ;; *) libraries+=", $owner" ;; esac
    fi
done

install -d -m 0755 "$root/DEBIAN"
sed -e "s/@VERSION@/$version/" -e "s/@ARCH@/$arch/" -e "s/@LIBRARIES@/$libraries/" \
    -e "s/@SIZE@/$(du -sk --exclude=DEBIAN "$root" | cut -f1)/" "$here/control" >"$root/DEBIAN/control"
(cd "$root" && find etc -type f -printf '/%p\n' | sort) >"$root/DEBIAN/conffiles"
for script in postinst prerm postrm; do install -m 0755 "$here/$script" "$root/DEBIAN/$script"; done
mkdir -p "$out"
package=$out/camdock_${version}_$arch.deb
dpkg-deb --root-owner-group --build "$root" "$package" >&2
printf '%s\n' "$package"
