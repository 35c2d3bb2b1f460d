"""The cost of syncing media and rows to the disk, for many streams at once.

``python -m benchmarks.disk_sync [--streams 64] [--seconds 20] [--rounds 3] [--mbit 2]`` prints two tables. Media is
appended in fragments of a second and synced by ``DiskSync``, as recorders do: never, per segment of 4 s, or per second.
The rows of segments are committed ten times a second, as the engine does, with ``synchronous`` FULL or NORMAL, while
media is synced per segment. ``--folder`` chooses the disk.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import event

from benchmarks._options import parse
from rtstream import disk
from rtstream.recorder.disk_sync import DiskSync
from rtstream.rules.recording_log import RecordingOpened, SegmentWritten
from rtstream.store import recording_logs, streams
from rtstream.store.database import Database
from rtstream.store.recording_logs import LogPiece

SEGMENT_S = 4
GATHER_S = 0.1
MEDIA = {"never": 0, f"per segment of {SEGMENT_S} s": SEGMENT_S, "per second": 1}
ROWS = ("FULL", "NORMAL")


@dataclass
class Cost:
    """The cost of one round. Times are in milliseconds."""

    syncs: list[float] = field(default_factory=list)
    writes: list[float] = field(default_factory=list)
    commits: list[float] = field(default_factory=list)
    cpu: float = 0.0
    """Percent of a core."""
    written: float = 0.0
    """MB per second that reached the device."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--streams", type=int, default=64)
    parser.add_argument("--seconds", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--mbit", type=float, default=2.0)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()))
    options = parse(parser, streams=4, seconds=2, rounds=1)
    media: dict[str, list[Cost]] = {name: [] for name in MEDIA}
    rows: dict[str, list[Cost]] = {name: [] for name in ROWS}
    for _ in range(options.rounds):
        for name, every in MEDIA.items():
            media[name].append(measured(options, every, ""))
        for name in ROWS:
            rows[name].append(measured(options, SEGMENT_S, name))
    print(f"\n{options.streams} streams of {options.mbit:g} Mbit/s, {options.rounds} rounds of {options.seconds} s\n")
    print(
        "| media is synced | syncs per s | sync, ms: median, p95, worst | write, worst ms | MB/s to the disk | CPU, % |"
    )
    print("|---|---|---|---|---|---|")
    for name, costs in media.items():
        syncs = [one for cost in costs for one in cost.syncs]
        rate = len(syncs) / options.rounds / options.seconds
        worst = max(max(cost.writes) for cost in costs)
        print(
            f"| {name} | {rate:.0f} | {spread(syncs)} | {worst:.0f} | {mid(costs, 'written')} | {mid(costs, 'cpu')} |"
        )
    print("\n| `synchronous` | commits per s | commit, ms: median, p95, worst | CPU, % |")
    print("|---|---|---|---|")
    for name, costs in rows.items():
        commits = [one for cost in costs for one in cost.commits]
        rate = len(commits) / options.rounds / options.seconds
        print(f"| {name} | {rate:.0f} | {spread(commits)} | {mid(costs, 'cpu')} |")
    print(f"\nLoad of the machine: {os.getloadavg()[0]:.1f}.")


def mid(costs: list[Cost], name: str) -> str:
    """The median of the rounds."""
    return f"{statistics.median(getattr(cost, name) for cost in costs):.1f}"


def spread(times: list[float]) -> str:
    """Median, 95th percentile and maximum."""
    if not times:
        return ""
    ordered = sorted(times)
    return f"{statistics.median(ordered):.1f}, {ordered[int(0.95 * (len(ordered) - 1))]:.1f}, {ordered[-1]:.1f}"


def measured(options: argparse.Namespace, every: int, synchronous: str) -> Cost:
    """Record for some seconds. ``every`` is the interval of syncs in seconds; 0 for none."""
    cost = Cost()
    sync_file = disk.sync_file
    disk.sync_file = timed(sync_file, cost.syncs)
    try:
        with tempfile.TemporaryDirectory(dir=options.folder) as folder:
            before, cpu, began = sectors(Path(folder)), time.process_time(), time.monotonic()
            closed: list[tuple[int, int]] = []
            stop = threading.Event()
            rows = threading.Thread(
                target=commit, args=(Path(folder), options.streams, synchronous, closed, stop, cost)
            )
            if synchronous:
                rows.start()
            record(Path(folder), options, every, closed, cost)
            stop.set()
            if synchronous:
                rows.join()
            took = time.monotonic() - began
            cost.cpu = 100 * (time.process_time() - cpu) / took
            cost.written = (sectors(Path(folder)) - before) * 512 / took / 1e6
    finally:
        disk.sync_file = sync_file
    return cost


def timed(call: Callable[[int], None], times: list[float]) -> Callable[[int], None]:
    """Wrap a call so that its duration is noted."""

    def run(file: int) -> None:
        began = time.perf_counter()
        call(file)
        times.append(1000 * (time.perf_counter() - began))

    return run


def record(folder: Path, options: argparse.Namespace, every: int, closed: list[tuple[int, int]], cost: Cost) -> None:
    """Append a fragment of a second to each file in turn, in real time."""
    fragment = os.urandom(int(options.mbit * 125_000))
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    files = [os.open(folder / str(number), flags) for number in range(options.streams)]
    syncs = [DiskSync() for _ in files]
    began = time.monotonic()
    for second in range(options.seconds):
        for number, (file, sync) in enumerate(zip(files, syncs, strict=True)):
            time.sleep(max(0.0, began + second + number / len(files) - time.monotonic()))
            at = time.perf_counter()
            os.write(file, fragment)
            cost.writes.append(1000 * (time.perf_counter() - at))
            if every and (second + number) % every == 0:
                sync.soon(file)
            if (second + number) % SEGMENT_S == 0:
                closed.append((number, second))
    for file, sync in zip(files, syncs, strict=True):
        sync.drain(10)
        os.close(file)


def commit(
    folder: Path, count: int, synchronous: str, closed: list[tuple[int, int]], stop: threading.Event, cost: Cost
) -> None:
    """Enter the closed segments into a database, as the projection does."""
    db = Database.below(folder / "data")
    engine = db._engine  # pyright: ignore[reportPrivateUsage] - the pragma is not a setting
    event.listen(engine, "connect", lambda raw, _: raw.execute(f"PRAGMA synchronous={synchronous}"))
    engine.dispose()
    ids = [f"rts-{number:016x}" for number in range(count)]
    with engine.begin() as conn:
        streams.ensure_default_collection(conn, 0.0)
        for one in ids:
            opened = RecordingOpened(one, one, 0.0, "avc1", b"", media_start=0.0)
            recording_logs.add_found_stream(conn, one, opened)
            recording_logs.apply(conn, [LogPiece(one, one, [opened], 100)])
    while not stop.wait(GATHER_S):
        due, closed[:] = list(closed), []
        pieces = [
            LogPiece(ids[number], ids[number], [SegmentWritten(float(at), 1.0, f"{at}", 0, 1)], 200)
            for number, at in due
        ]
        if pieces:
            began = time.perf_counter()
            with engine.begin() as conn:
                recording_logs.apply(conn, pieces)
            cost.commits.append(1000 * (time.perf_counter() - began))
    db.close()


def sectors(folder: Path) -> int:
    """Sectors of 512 bytes written to the device of a folder so far; 0 if it is unknown."""
    device = folder.stat().st_dev
    for line in Path("/proc/diskstats").read_text().splitlines() if Path("/proc/diskstats").exists() else []:
        fields = line.split()
        if (int(fields[0]), int(fields[1])) == (os.major(device), os.minor(device)):
            return int(fields[9])
    return 0


if __name__ == "__main__":
    main()
