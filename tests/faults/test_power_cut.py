"""After a power cut at any moment, synced footage is there, and removed footage is not."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rtstream.ipc.sockets import SUPPORTED
from rtstream.testsource import LiveSource, make_clip
from tests.faults.disk_model import Disk
from tests.faults.footage import reading
from tests.faults.power_cut import Seen, check, settings
from tests.faults.rig import CLIP
from tests.faults.shim import unavailable
from tests.faults.trace import Trace
from tests.integration.recorder_processes import nothing_left, program, until
from tests.rtstream.recorder.test_writer import picture_file

pytestmark = pytest.mark.skipif(bool(unavailable()), reason=unavailable())

SEED = 15
LIVE_S = 20.0


@pytest.fixture
def trace(tmp_path: Path) -> Trace:
    data_dir = tmp_path / "data"
    data_dir.mkdir()
    return Trace(tmp_path, data_dir)


def recorded(trace: Trace, folder: Path) -> list[Seen]:
    """Run the workload. Returns what its clients were told."""
    seen, source = folder / "seen.json", picture_file(folder / "eight.mkv", [n * 100 for n in range(80)], 10)
    command = [sys.executable, "-m", "tests.faults.power_workload", *map(str, (trace.data_dir, source, seen))]
    subprocess.run(command, check=True, timeout=60, env=os.environ | {"LD_PRELOAD": trace.library})
    return [Seen(*one) for one in json.loads(seen.read_text())]


def cut_power(trace: Trace, seen: list[Seen], folder: Path, count: int, seed: int) -> list[str]:
    """Cut the power at random moments of a trace. Returns the broken promises."""
    records = list(trace.records())
    disk, done, flaws = Disk(trace.root_inode), 0, []
    for at in sorted(random.Random(seed).sample(range(1, len(records) + 1), count)):
        for record in records[done:at]:
            disk.apply(record)
        done, data_dir = at, folder / f"cut-{at}"
        disk.write(data_dir, random.Random(f"{seed} {at}"))
        told = [one for one in seen if one.at < records[at - 1].at]
        flaws += [f"cut {at} of {len(records)}: {flaw}" for flaw in check(data_dir, disk, told, settings(data_dir))]
    return flaws


def test_a_power_cut_costs_nothing_that_was_synced(trace: Trace, tmp_path: Path) -> None:
    assert cut_power(trace, recorded(trace, tmp_path), tmp_path, 8, SEED) == []


@pytest.mark.long
@pytest.mark.timeout(900)
def test_power_cuts_at_many_moments_cost_nothing_that_was_synced(trace: Trace, tmp_path: Path) -> None:
    assert cut_power(trace, recorded(trace, tmp_path), tmp_path, 300, SEED + 1) == []


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.skipif(not SUPPORTED, reason="recorders end with the engine here")
def test_power_cuts_while_recorders_run_cost_nothing_that_was_synced(
    trace: Trace, tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    assert pytestconfig.cache is not None
    seen: list[Seen] = []

    def recorded_long_enough() -> bool:
        with reading(trace.data_dir) as db:
            (newest,) = db.execute("select coalesce(max(seq), 0) from journal").fetchone()
            (seconds,) = db.execute("select coalesce(sum(duration), 0) from segments").fetchone()
        seen.extend([Seen(time.time(), "entry", str(newest))] if newest else [])
        return seconds > 2 * LIVE_S

    clip = make_clip(CLIP, pytestconfig.cache.mkdir("clips"))
    with (
        LiveSource(clip) as source,
        nothing_left(trace.data_dir),
        program(trace.data_dir, tmp_path / "log", RTSTREAM_SEGMENT_S="1", LD_PRELOAD=trace.library) as engine,
    ):
        for url in (source.http_url, source.rtsp_url):
            engine.connect(url)
        until(recorded_long_enough, "the streams are recorded", 3 * LIVE_S)
        engine.kill()
    assert cut_power(trace, seen, tmp_path, 100, SEED + 2) == []
