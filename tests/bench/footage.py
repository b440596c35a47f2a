"""The files that everybody is measured on: what two cameras hold after a shift, incompressible as video is."""

import os
import random
import shutil
from pathlib import Path

from measure import MIB

SHIFT = 1741990203  # 2025-03-14 22:10:03 UTC: nothing that is still being written

# Per camera, in MiB. The quick set only shows that the measuring works.
TAKES = {"full": [192, 192, 192, 192, 192, 40, 24], "quick": [48, 48, 24, 8]}


def make(folder, kind):
    """Makes folder/bay-1 and folder/bay-2 once; the same bytes on every machine. Returns the folder."""
    folder = Path(folder) / kind
    done = folder / ".complete"
    if done.exists():
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    for bay in (1, 2):
        noise = random.Random(f"{kind} {bay}")
        media = folder / f"bay-{bay}" / "DCIM" / "100MEDIA"
        media.mkdir(parents=True)
        for number, mib in enumerate(TAKES[kind]):
            stem = f"X8123456{bay}_20250314_22{number:02}03_{number:04}"
            parts = {"MP4": mib * MIB, "THM": 11_000 + number, "GPS": 6_000 + 70 * number, "LOG": 700 + number}
            for suffix, size in parts.items():
                with open(media / f"{stem}.{suffix}", "wb") as file:
                    for start in range(0, size, MIB):
                        file.write(noise.randbytes(min(MIB, size - start)))
                os.utime(file.name, (SHIFT + 60 * number,) * 2)
    os.sync()
    done.touch()
    return folder


def files(folder):
    return sorted(path for path in Path(folder).rglob("*") if path.is_file() and path.name != ".complete")


def warm(folder):
    """Reads everything once, so that the page cache holds it for whoever comes next. Returns the bytes."""
    total = 0
    for path in files(folder):
        with open(path, "rb", buffering=0) as file:
            while block := file.read(4 * MIB):
                total += len(block)
    return total


def dock(source_files, folder, cameras, identity=True):
    """Makes `folder` with `cameras` docked cameras among which the files are dealt out, largest first to whoever
    has least; hard links, so nothing is copied. Returns the bytes of all."""
    shutil.rmtree(folder, ignore_errors=True)
    loads = {bay: 0 for bay in range(1, cameras + 1)}
    for bay in loads:
        media = Path(folder) / f"bay-{bay}" / "DCIM" / "100MEDIA"
        media.mkdir(parents=True)
        if identity:
            card = Path(folder) / f"bay-{bay}" / "CAMERA.TXT"
            card.write_text(f"serial=BENCH{bay:04}\n")
            os.utime(card, (SHIFT, SHIFT))
    for path in sorted(source_files, key=lambda one: (-one.stat().st_size, one.name)):
        bay = min(loads, key=loads.get)
        loads[bay] += path.stat().st_size
        os.link(path, Path(folder) / f"bay-{bay}" / "DCIM" / "100MEDIA" / path.name)
    return sum(loads.values())


def dock_same(source_file, folder, cameras):
    """`cameras` docked cameras with one and the same recording each."""
    shutil.rmtree(folder, ignore_errors=True)
    for bay in range(1, cameras + 1):
        media = Path(folder) / f"bay-{bay}" / "DCIM" / "100MEDIA"
        media.mkdir(parents=True)
        card = Path(folder) / f"bay-{bay}" / "CAMERA.TXT"
        card.write_text(f"serial=BENCH{bay:04}\n")
        os.utime(card, (SHIFT, SHIFT))
        os.link(source_file, media / source_file.name)
    return cameras * source_file.stat().st_size
