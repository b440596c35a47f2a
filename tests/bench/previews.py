"""Storyboards and preview videos: from sealed file to sealed preview, against the ffmpeg command line doing the same from
the plaintext file with the same settings, and against a full decode."""

import json
import subprocess
from pathlib import Path

import measure

SIZES = {"720p": "1280x720", "1080p": "1920x1080", "1440p": "2560x1440"}
MARK = "PREVIEW - not the original"
FONT = "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf"


def _ffmpeg(*args):
    return ["ffmpeg", "-nostdin", "-hide_banner", "-loglevel", "error", "-y", *map(str, args)]


def film(clip, folder, size, seconds):
    """Footage of `seconds` as a camera leaves it: H.264 with a key frame every two seconds, AAC, the index at the end."""
    path = Path(folder) / f"{size}-{seconds}.mp4"
    if path.exists():
        return path
    folder.mkdir(parents=True, exist_ok=True)
    # One minute is encoded, the rest repeats it without encoding again.
    minute = Path(folder) / f"{size}-minute.mp4"
    if not minute.exists():
        subprocess.run(
            _ffmpeg(
                "-stream_loop", -1, "-i", clip, "-f", "lavfi", "-i", "anoisesrc=r=48000:a=0.02:seed=7", "-map", "0:v",
                "-map", "1:a", "-t", 60, "-vf", f"scale={SIZES[size].replace('x', ':')}:flags=fast_bilinear,format=yuv420p",
                "-r", 25, "-c:v", "libx264", "-preset", "veryfast", "-crf", 23, "-g", 50, "-c:a", "aac", "-b:a", "96k", minute,
            ),
            check=True,
        )  # fmt: skip
    part = path.with_suffix(".part.mp4")
    subprocess.run(
        _ffmpeg("-stream_loop", -(-seconds // 60) - 1, "-i", minute, "-t", seconds, "-map", 0, "-c", "copy", part), check=True
    )
    part.rename(path)
    return path


def _camdock(programs, folder, path, part):
    folder.mkdir(parents=True, exist_ok=True)
    binary, parts = programs
    worker = binary.with_name("camdock-preview")
    done = subprocess.run(
        [parts, "preview", str(path), "--dir", str(folder), "--part", part, "--worker", str(worker)],
        check=True, stdout=subprocess.PIPE, text=True, timeout=3600,
    )  # fmt: skip
    return json.loads(done.stdout)


def _theirs(command):
    cost = measure.run(command, timeout=3600)
    return {"wall_seconds": cost.wall_seconds, "cpu_seconds": cost.cpu_seconds, "peak_rss_bytes": cost.peak_rss_bytes}


def _draw(text, x, y):
    return f"drawtext=fontfile={FONT}:text='{text}':x={x}:y={y}:fontsize=14:fontcolor=white:box=1:boxcolor=black"


def one(programs, clip, folder, size, seconds, say):
    path = film(clip, folder / "films", size, seconds)
    work = folder / "previews"
    work.mkdir(parents=True, exist_ok=True)
    row = {"seconds": seconds, "bytes": path.stat().st_size}
    say(f"previews of {seconds} s of {size} …")
    row["decode"] = _theirs(_ffmpeg("-i", path, "-map", "0:v", "-f", "null", "-"))
    row["storyboard"] = _camdock(programs, work, path, "storyboard")
    pictures = row["storyboard"]["pictures"]
    row["ffmpeg_storyboard"] = _theirs(
        _ffmpeg(
            "-skip_frame", "nokey", "-i", path, "-map", "0:v", "-vf",
            f"select='isnan(prev_selected_t)+gte(t-prev_selected_t\\,{seconds / pictures})',scale=240:-2,tile=8x8",
            "-vsync", "vfr", "-frames:v", 1, "-q:v", 5, work / "sheet.jpg",
        )
    )  # fmt: skip
    row["preview"] = _camdock(programs, work, path, "preview")
    if abs(row["preview"]["duration_ms"] - seconds * 1000) > 1000:
        raise RuntimeError(f"the preview of {seconds} s lasts {row['preview']['duration_ms']} ms")
    filters = "scale=-2:360:flags=bilinear"
    if Path(FONT).exists():
        filters += "," + _draw(MARK, 4, 4) + "," + _draw("%{pts\\:hms}", 4, "h-th-4")
    row["ffmpeg_preview"] = _theirs(
        _ffmpeg(
            "-i", path, "-vf", filters, "-c:v", "libx264", "-preset", "veryfast", "-profile:v", "baseline", "-crf", 28,
            "-g", 50, "-c:a", "aac", "-b:a", "64k", "-ac", 1, "-movflags", "+frag_keyframe+empty_moov+default_base_moof",
            work / "preview.mp4",
        )
    )  # fmt: skip
    row["ffmpeg_draws_text"] = Path(FONT).exists()
    return row


def measure_all(programs, clip, folder, quick, say):
    seconds = {"720p": 60, "1080p": 60, "1440p": 60} if quick else {"720p": 600, "1080p": 1800, "1440p": 600}
    return {size: one(programs, clip, folder, size, seconds[size], say) for size in SIZES}
