#!/usr/bin/env python3
"""notices.py TOP: prints the package's copyright file: our licence, what the program links, and the licence texts of the
crates that are compiled into it. The texts come from the crates themselves, as cargo has unpacked them."""

import json
import pathlib
import subprocess
import sys

top = pathlib.Path(sys.argv[1])


def cargo(*arguments):
    done = subprocess.run(["cargo", *arguments, "--locked", "--offline"], cwd=top, check=True, stdout=subprocess.PIPE)
    return done.stdout.decode()


host = next(
    line.split()[1]
    for line in subprocess.run(["rustc", "-vV"], check=True, stdout=subprocess.PIPE).stdout.decode().splitlines()
    if line.startswith("host:")
)
packages = {
    (package["name"], package["version"]): package
    for package in json.loads(cargo("metadata", "--format-version", "1", "--filter-platform", host))["packages"]
}
linked = set()
for line in cargo("tree", "--edges", "normal", "--prefix", "none", "--target", host, "--format", "{p}").splitlines():
    name, version = line.split()[:2]
    if name != "camdock":
        linked.add((name, version.removeprefix("v")))

print("CamDock is under the MIT licence or the Apache License 2.0, as you choose.\n")
print((top / "LICENSE-MIT").read_text())
print("The Apache License 2.0 is in /usr/share/common-licenses/Apache-2.0.\n")
print(
    "The program links Debian's libavcodec, libavformat, libavutil and libswscale. Debian builds them with libx264, so they\n"
    "are under the GNU General Public License 2 or later. Some of the crates below are under the Apache License 2.0 alone,\n"
    "which does not go with version 2: whoever passes this program on does so under version 3 of the GPL or later\n"
    "(/usr/share/common-licenses/GPL-3). libusb is under the GNU Lesser General Public License 2.1.\n"
)
print("The program contains these crates:\n")
texts = {}
without = []
for name, version in sorted(linked):
    package = packages[(name, version)]
    folder = pathlib.Path(package["manifest_path"]).parent
    print(f"  {name} {version}  {package['license'] or 'see its text'}  {package['repository'] or ''}".rstrip())
    found = [
        path
        for path in sorted(folder.iterdir())
        if path.is_file() and path.name.upper().startswith(("LICENSE", "LICENCE", "COPYING", "NOTICE", "COPYRIGHT", "UNLICENSE"))
    ]
    for path in found:
        text = path.read_text(encoding="utf-8", errors="replace").strip()
        texts.setdefault(text, []).append(f"{name} {version}")
    if not found:
        without.append(f"{name} {version} ({package['license']})")
print("\nTheir licence texts follow, each once.")
for text, names in texts.items():
    print(f"\n{'-' * 100}\n{', '.join(names)}\n\n{text}")
if without:
    print(f"\n{'-' * 100}\nThese crates come without a text of their own and are under the licences named: {', '.join(without)}")
