"""Footage that was recorded while no engine could look at it is looked at afterwards, once."""

from __future__ import annotations

import itertools
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rtstream.ipc.sockets import SUPPORTED
from rtstream.testsource import LiveSource
from tests.integration.recorder_processes import Program, nothing_left, program, until

pytestmark = pytest.mark.skipif(not SUPPORTED, reason="recorders end with the engine here")

WINDOW_S = 0.5
FRAMES = 2


def watch(running: Program, stream_id: str, window_s: float = WINDOW_S) -> str:
    """A new visual index; returns its id."""
    config = {"time": window_s, "frame_count": FRAMES}
    body = {"extraction_type": "time", "extraction_config": config}
    response = running.client.post(f"/rtstream/{stream_id}/index/scene", json=body).json()
    assert response["success"], response
    return response["data"]["rtstream_index_id"]


def scenes(running: Program, stream_id: str, index_id: str) -> list[dict[str, Any]]:
    """All scenes of an index, oldest first."""
    found: list[dict[str, Any]] = []
    for page in itertools.count(1):
        params = {"page": page, "page_size": 100}
        data = running.client.get(f"/rtstream/{stream_id}/index/scene/{index_id}", params=params).json()["data"]
        found += data["scene_index_records"]
        if not data["next_page"]:
            return found[::-1]
    raise AssertionError


def entries(running: Program, channel: str) -> list[dict[str, Any]]:
    """The data of all journal entries of a channel."""
    page = running.client.get("/rtstream/journal", params={"since": 0, "channels": channel, "limit": 500}).json()
    return [entry["data"] for entry in page["data"]["entries"]]


def numbers(found: list[dict[str, Any]], window_s: float = WINDOW_S) -> list[int]:
    """The numbers of the windows of scenes, in the order of the scenes."""
    return [round(scene["start"] / window_s) for scene in found]


def whole(found: list[dict[str, Any]], window_s: float = WINDOW_S) -> bool:
    """Whether every window from the first to the last one has a scene."""
    seen = numbers(found, window_s)
    return bool(seen) and len(set(seen)) == max(seen) - min(seen) + 1


def wait_s(seconds: float) -> Callable[[], bool]:
    """A check that becomes true after some time, in which a recorder is the only process that works."""
    end = time.monotonic() + seconds
    return lambda: time.monotonic() > end


def test_every_window_around_the_end_of_an_engine_is_looked_at_once(live_source: LiveSource, tmp_path: Path) -> None:
    with nothing_left(tmp_path):
        with program(tmp_path) as first:
            stream_id = first.connect(live_source.http_url)
            index_id = watch(first, stream_id)
            until(lambda: len(scenes(first, stream_id, index_id)) >= 3, "three windows are looked at")
            first.kill()
        until(wait_s(2), "the recorder works alone")
        with program(tmp_path) as second:
            before = max(numbers(scenes(second, stream_id, index_id)))
            until(
                lambda: whole(found := scenes(second, stream_id, index_id)) and max(numbers(found)) > before + 8,
                "no window is missing",
            )
            found = scenes(second, stream_id, index_id)
            assert numbers(found) == sorted(set(numbers(found)))
            told = entries(second, "scene_index")
            late = [round(entry["start"] / WINDOW_S) for entry in told if entry.get("late")]
            assert set(range(before + 1, before + 5)) <= set(late)
            assert sorted(numbers(told)) == numbers(found)
            assert all(scene["status"] == "ok" and len(scene["frame_times"]) == FRAMES for scene in found[1:-1])
            for scene in found[1:-1]:
                # A frame of each cell; that of a window in which an engine began may be from the middle of its cell.
                step = WINDOW_S / FRAMES
                cells = [scene["start"] + cell * step for cell in range(FRAMES)]
                for taken, cell in zip(scene["frame_times"], cells, strict=True):
                    assert cell - 0.06 < taken < cell + step
            second.end(signal.SIGINT)


def test_a_range_of_the_past_is_looked_at_once_although_the_engine_is_killed(
    live_source: LiveSource, tmp_path: Path
) -> None:
    config = {"time": WINDOW_S, "frame_count": FRAMES}
    with nothing_left(tmp_path):
        with program(tmp_path) as first:
            stream_id = first.connect(live_source.http_url)
            until(lambda: first.recorded_s(stream_id) > 8, "eight seconds are recorded")
            start, end = first.recorded(stream_id)[0]
            body = {"extraction_type": "time", "extraction_config": config, "start": start, "end": end}
            made = first.client.post(f"/rtstream/{stream_id}/index/scene", json=body).json()["data"]
            index_id, job_id = made["rtstream_index_id"], made["backfill"]["job_id"]
            until(lambda: len(scenes(first, stream_id, index_id)) >= 3, "three windows are looked at")
            first.kill()
        with program(tmp_path) as second:
            job = until(
                lambda: (found := second.client.get(f"/jobs/{job_id}").json()["data"])["state"] == "done" and found,
                "the job is done",
            )
            found = scenes(second, stream_id, index_id)
            assert numbers(found) == list(range(int(start // WINDOW_S), numbers(found)[-1] + 1))
            # The last window may have no picture if the recording ends milliseconds after it begins.
            assert numbers(found)[-1] in (int((end - 0.01) // WINDOW_S), int(end // WINDOW_S))
            assert job["backfill"]["done"] == len(found)
            assert job["backfill"]["skipped"] == {}
            assert sorted(round(one["start"] / WINDOW_S) for one in entries(second, "scene_index")) == numbers(found)
            second.end(signal.SIGINT)
