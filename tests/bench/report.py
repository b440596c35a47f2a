"""The table: figures, their ratios, and which of the targets they reach."""

import sink
from rivals import REFERENCE

MB = 1e6
GIB = 1 << 30
MIB = 1 << 20


def _rate(row, seconds):
    return row["bytes"] / row[seconds]


class Table:
    def __init__(self):
        self.lines, self.targets = [], []

    def head(self, title, *columns):
        self.lines += ["", title, "  " + f"{'':44}" + "".join(f"{column:>16}" for column in columns)]

    def row(self, name, *cells):
        self.lines.append(f"  {name:44}" + "".join(f"{cell:>16}" for cell in cells))

    def target(self, name, reached_value, limit, at_least, unit=""):
        good = reached_value >= limit if at_least else reached_value <= limit
        self.targets.append(
            {"target": name, "measured": round(reached_value, 3), "limit": round(limit, 3),
             "wanted": "at least" if at_least else "at most", "unit": unit, "reached": bool(good)}
        )  # fmt: skip


def build(result):
    """Fills result["targets"] and returns the table's text."""
    table = Table()
    floor, rivals, ours = result.get("floor"), result.get("rivals") or {}, result.get("camdock") or {}
    if floor:
        _floor(table, floor)
        _unavoidable(table, floor)
    if ours.get("ingest"):
        _ingest(table, ours["ingest"], floor)
    if ours.get("bays"):
        _bays(table, ours["bays"], floor)
    if result.get("old_station"):
        _old_station(table, result["old_station"])
    if result.get("sink"):
        _sink(table, result["sink"])
    if rivals or ours.get("full_way"):
        _full_way(table, rivals, ours.get("full_way") or {})
    if ours.get("memory"):
        table.head("Peak memory, all cameras at work", "MiB", "target MiB")
        for cameras, row in ours["memory"].items():
            table.row(f"{cameras} camera" + "s" * (cameras != "1"), f"{row['peak_rss_bytes'] / MIB:.1f}", f"{row['limit_bytes'] / MIB:.0f}")
            table.target(f"memory with {cameras} camera" + "s" * (cameras != "1"), row["peak_rss_bytes"] / MIB, row["limit_bytes"] / MIB, False, "MiB")
    if ours.get("log"):
        log = ours["log"]
        table.head("Custody log", "appended/s", "verified in s")
        table.row(f"{log['entries']} entries", f"{log['append_per_second']:.0f}", f"{log['verify_seconds']:.2f}")
        table.target("log entries appended a second", log["append_per_second"], 20_000, True)
        table.target("a million entries verified", log["verify_seconds"] * 1e6 / log["entries"], 5, False, "s")
    if result.get("pages"):
        _pages(table, result["pages"])
    if result.get("previews"):
        _previews(table, result["previews"])
    if result.get("office"):
        _office(table, result["office"])
    if result.get("retention"):
        _retention(table, result["retention"])
    if result.get("seek"):
        _seek(table, result["seek"])
    if table.targets:
        table.lines += ["", "Targets"]
        for one in table.targets:
            mark = "reached" if one["reached"] else "MISSED"
            table.lines.append(
                f"  {one['target']:64} {one['measured']:>10} {one['unit']:5}({one['wanted']} {one['limit']}) {mark}"
            )
    if result["problems"]:
        table.lines += ["", "Not measured"] + [f"  {name}: {why.splitlines()[0]}" for name, why in result["problems"].items()]
    result["targets"] = table.targets
    return "\n".join(table.lines)


def _pages(table, pages):
    table.head(f"Requests with {pages['bays']} stored cameras and {pages['items']} items", "median ms", "worst ms")
    row = pages["metrics"]
    table.row("/metrics", f"{row['median_seconds'] * 1000:.1f}", f"{row['worst_seconds'] * 1000:.1f}")
    table.head(f"At rest (ready {pages['ready_seconds']:.1f} s after the start)", "MiB", "% of a core")
    for name, what in (("idle", "no camera docked"), ("docked", f"{pages['bays']} stored cameras docked")):
        share, resident = pages[name]["core_share"] * 100, pages[name]["resident_bytes"] / MIB
        table.row(what, f"{resident:.1f}", f"{share:.2f}")
    table.target("/metrics, median", pages["metrics"]["median_seconds"] * 1000, 20, False, "ms")
    table.target("memory of an idle service", pages["idle"]["resident_bytes"] / MIB, 40, False, "MiB")
    table.target("share of one core, idle", pages["idle"]["core_share"] * 100, 1, False, "%")


def _office(table, office):
    table.head(f"The office's index: {office['stations']} stations, {office['items']} items", "median ms", "99th ms", "in parts")
    for name, row in office["searches"].items():
        table.row(name, f"{row['median_ms']:.1f}", f"{row['p99_ms']:.1f}", f"{row['in_parts']}")
    worst = max(row["p99_ms"] for row in office["searches"].values())
    table.target("the slowest search, 99th percentile", worst, 50, False, "ms")
    table.target("the first page, 99th percentile", office["first_page"]["p99_ms"], 20, False, "ms")
    table.target("entries followed a second", office["entries_per_second"], 50_000, True)
    table.target("memory of following and searching", office["peak_rss_bytes"] / MIB, 300, False, "MiB")
    table.target("disk for an item", office["bytes_per_item"], 1024, False, "B")


def _retention(table, retention):
    table.head(f"{retention['items']} items at SeaweedFS with Object Lock", "seconds", "requests", "requests/s", "peak MiB")
    for name, what in (("extended", "locks made longer (office)"), ("deleted", "deleted by rule (disposer)")):
        row = retention[name]
        table.row(
            what, f"{row['seconds']:.1f}", f"{row['requests']:.0f}", f"{row['requests_per_second']:.0f}",
            f"{row['peak_rss_bytes'] / MIB:.0f}",
        )  # fmt: skip


def _seek(table, seek):
    table.head(f"Seeking in a recording of {seek['bytes'] / GIB:.1f} GiB in Chromium", "picture in ms", "fetched MiB")
    for jump in seek["jumps"]:
        table.row(f"to {jump['to_seconds']} s of {seek['seconds']:.0f} s", f"{jump['ms']}", f"{jump['bytes'] / MIB:.1f}")
    table.row("two seconds of wild seeking", "", f"{seek['wild_bytes'] / MIB:.1f}")
    table.target("a picture after a jump, the slowest", max(jump["ms"] for jump in seek["jumps"]), 500, False, "ms")
    table.target("fetched for a jump, the most", max(jump["bytes"] for jump in seek["jumps"]) / MIB, 24, False, "MiB")
    table.target("fetched by two seconds of wild seeking", seek["wild_bytes"] / MIB, 100, False, "MiB")


def _previews(table, previews):
    table.head("Previews, from sealed to sealed", "seconds", "of a decode", "ffmpeg's time", "CPU s/hour", "peak MiB")
    for size, row in previews.items():
        decode = row["decode"]["wall_seconds"]
        table.row(f"{size}, {row['seconds']} s: full decode (ffmpeg)", f"{decode:.2f}", "1.00", "", "", "")
        for part in ("storyboard", "preview"):
            own, theirs = row[part], row[f"ffmpeg_{part}"]
            table.row(
                f"{size}: {part}", f"{own['wall_seconds']:.2f}", f"{own['wall_seconds'] / decode:.3f}",
                f"{own['wall_seconds'] / theirs['wall_seconds']:.2f}", f"{own['cpu_seconds'] / row['seconds'] * 3600:.0f}",
                f"{own['peak_rss_bytes'] / MIB:.0f}",
            )  # fmt: skip
            table.row(
                "  ffmpeg command line, from plaintext", f"{theirs['wall_seconds']:.2f}",
                f"{theirs['wall_seconds'] / decode:.3f}", "1.00", f"{theirs['cpu_seconds'] / row['seconds'] * 3600:.0f}",
                f"{theirs['peak_rss_bytes'] / MIB:.0f}",
            )  # fmt: skip
        if size == "1080p":
            share = row["storyboard"]["wall_seconds"] / decode
            table.target("storyboard of 1080p: share of a full decode", share, 0.03, False)
        times = row["preview"]["wall_seconds"] / row["ffmpeg_preview"]["wall_seconds"]
        table.target(f"preview of {size}: times the ffmpeg command line", times, 1, False, "×")
        if size == "1440p":
            peak = max(row[part]["peak_rss_bytes"] for part in ("storyboard", "preview")) / MIB
            table.target("memory of a worker, 1440p", peak, 300, False, "MiB")


def _floor(table, floor):
    table.head("This machine, each alone", "MB/s", "of SHA-256")
    names = {
        "sha256": "SHA-256, one core", "sha256_all_cores": f"SHA-256, {floor['cores']} cores",
        "aes_256_gcm": "AES-256-GCM seal, one core", "sha256_then_aes_256_gcm": "SHA-256, then sealing, one core",
        "sha256_beside_aes_256_gcm": "SHA-256 beside sealing, two cores", "memcpy": "copy in memory",
        "disk_write_direct": "disk write, direct, synced", "disk_write_buffered_synced": "disk write, buffered, synced",
        "tmpfs_write": "tmpfs write", "page_cache_read": "page cache read",
    }  # fmt: skip
    for key, name in names.items():
        table.row(name, f"{floor[key] / MB:.0f}", f"{floor[key] / floor['sha256']:.2f}")


# What each stage cannot do without, by the names of the floor's pieces.
STAGES = {
    "camera→secured": ("camera_read", "sha256", "aes_256_gcm_seal", "spool_write"),
    "spool→stored": ("spool_read", "aes_256_gcm_tag_check", "sha256", "loopback_send"),
}
CPU_TARGETS = {"camera→secured": 1.10, "spool→stored": 1.25}
SPEED_TARGETS = {"in memory": 0.93, "on disk": 0.85}


def stage_floor(floor, name):
    """CPU seconds a GiB of the work that the stage of this row cannot do without."""
    place = "in_memory" if "in memory" in name else "on_disk"
    pieces = floor["cpu_seconds_per_gib"]
    work = STAGES[name.split(",")[0]]
    return sum(pieces[piece if piece in pieces else f"{piece}_{place}"] for piece in work)


def _unavoidable(table, floor):
    table.head("Work that no station can do without, each piece alone", "CPU s/GiB")
    for piece, seconds in floor["cpu_seconds_per_gib"].items():
        table.row(piece.replace("_", " ").replace("aes 256 gcm", "AES-256-GCM").replace("sha256", "SHA-256"), f"{seconds:.3f}")


def _ingest(table, ingest, floor):
    columns = ["MB/s", "seconds", "CPU s/GiB"] + (["of its limit", "CPU floor", "above floor"] if floor else [])
    table.head("CamDock by stages", *columns)
    rates, rest = {}, ingest.get("nothing docked")
    for name, row in ingest.items():
        if row is rest:
            continue
        stage, cameras, place = name.split(", ")
        place = place.removeprefix("spool ")
        rate = rates[name] = _rate(row, "ingest_seconds" if stage == "camera→secured" else "wall_seconds")
        cpu = row["cpu_seconds"] / row["bytes"] * GIB
        cells = [f"{rate / MB:.0f}", f"{row['bytes'] / rate:.2f}", f"{cpu:.2f}"]
        if floor:
            limit = floor["sha256"] if place == "in memory" else min(floor["sha256"], floor["disk_write_direct"])
            least = stage_floor(floor, name)
            cells += [f"{rate / limit:.2f}", f"{least:.2f}", f"{cpu / least:.2f}"]
            if cameras == "1 camera":
                table.target(f"{stage}, spool {place}: CPU against its floor", cpu / least, CPU_TARGETS[stage], False, "×")
                if stage == "camera→secured":
                    what = "SHA-256 rate" if place == "in memory" else "lower of SHA-256 and disk rate"
                    table.target(f"spool {place}: share of {what}", rate / limit, SPEED_TARGETS[place], True)
        table.row(name, *cells)
        if floor and rest and cameras == "2 cameras" and place == "in memory":
            used = (row["cpu_seconds"] - rest["cpu_seconds"]) / row["ingest_seconds"] / min(floor["cores"], 2)
            table.target("two cameras at once: share of two cores in use", used, 0.95, True)


def _bays(table, bays, floor):
    table.head(f"{bays['bays']} bays at once", "MB/s", "CPU s/GiB", "peak MiB", "last one safe, s", "of the floor")
    for name in ("until secured", "the full way"):
        row = bays[name]
        gib = row["bytes"] / GIB
        cells = [f"{row['bytes'] / row['ingest_seconds'] / MB:.0f}", f"{row['cpu_seconds'] / gib:.2f}",
                 f"{row['peak_rss_bytes'] / MIB:.0f}", f"{row['ingest_seconds']:.2f}"]  # fmt: skip
        if floor:
            # All cores at work without a pause, or the disk, whichever takes longer.
            on_cores = stage_floor(floor, "camera→secured, on disk") * gib / floor["cores"]
            least = max(on_cores, row["bytes"] / floor["disk_write_direct"])
            cells.append(f"{row['ingest_seconds'] / least:.2f}")
        table.row(name, *cells)
    limit = 64 + 6 * bays["bays"]
    table.target(f"memory of {bays['bays']} bays", bays["the full way"]["peak_rss_bytes"] / MIB, limit, False, "MiB")


def _old_station(table, old):
    table.head(f"A station with {old['items']} items and {old['entries']} entries", "seconds", "CPU s", "peak MiB")
    for name, row in old["rows"].items():
        memory = f"{row['peak_rss_bytes'] / MIB:.0f}" if "peak_rss_bytes" in row else ""
        cpu = f"{row['cpu_seconds']:.2f}" if "cpu_seconds" in row else ""
        table.row(name, f"{row['wall_seconds']:.2f}", cpu, memory)
    table.row("objects verified a second", f"{old['objects'] / old['rows']['verify']['wall_seconds']:.0f}")
    young, aged = (old["rows"][f"a camera with {old['held']} held files, {age}"]["wall_seconds"] for age in ("young", "old"))
    table.target("docking held files: old station against a young one", aged / young, 1.2, False, "×")


def _sink(table, rows):
    """Speed and CPU of each client as ratios to rclone crypt, the fastest that seals with stock tools alone."""
    rivals = {name: row for name, row in rows.items() if not name.startswith("camdock") and name != REFERENCE}
    base = min(rivals.values(), key=lambda row: row["wall_seconds"])
    table.head("Full way into a store that costs next to nothing", "s/GiB", "slowest run", "CPU s/GiB", "the sink's", "speed", "CPU")
    for name, row in rows.items():
        gib = row["bytes"] / GIB
        table.row(
            name, f"{row['wall_seconds'] / gib:.2f}", f"{row['slowest_wall_seconds'] / gib:.2f}", f"{sink.own_cost(row):.2f}",
            f"{row['server_cpu_seconds'] / gib:.2f}", f"{base['wall_seconds'] / row['wall_seconds']:.2f}",
            f"{row['cpu_seconds'] / base['cpu_seconds']:.2f}",
        )  # fmt: skip
    fastest = next(name for name, row in rivals.items() if row is base)
    for name, row in rows.items():
        if name.startswith("camdock"):
            table.target(f"{name}, into the sink: speed of {fastest}", base["wall_seconds"] / row["wall_seconds"], 2.5, True, "×")
            table.target(f"{name}, into the sink: its CPU seconds", row["cpu_seconds"] / base["cpu_seconds"], 0.4, False, "×")


def _full_way(table, rivals, ours):
    base = min((row["wall_seconds"] / row["bytes"] for row in ours.values()), default=None)
    table.head("Full way, files to stored objects", "s/GiB", "CPU s/GiB", "server CPU", "peak MiB", "times camdock")
    for name, row in (rivals | ours).items():
        gib = row["bytes"] / GIB
        times = f"{row['wall_seconds'] / row['bytes'] / base:.2f}" if base else "-"
        table.row(
            name, f"{row['wall_seconds'] / gib:.2f}", f"{row['cpu_seconds'] / gib:.2f}",
            f"{row['server_cpu_seconds'] / gib:.2f}", f"{row['peak_rss_bytes'] / MIB:.0f}", times,
        )  # fmt: skip
    rivals = {name: row for name, row in rivals.items() if name != REFERENCE}
    if rivals and ours:
        per_byte = lambda row, key: row[key] / row["bytes"]  # noqa: E731
        name, fastest = min(rivals.items(), key=lambda pair: per_byte(pair[1], "wall_seconds"))
        for own, row in ours.items():
            speed = per_byte(fastest, "wall_seconds") / per_byte(row, "wall_seconds")
            cpu = per_byte(row, "cpu_seconds") / per_byte(fastest, "cpu_seconds")
            table.target(f"{own}: times as fast as {name}", speed, 2, True, "×")
            table.target(f"{own}: share of its CPU seconds", cpu, 1 / 3, False, "×")
