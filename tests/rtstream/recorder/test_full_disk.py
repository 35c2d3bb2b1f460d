"""A full disk pauses the recording, is reported, and damages nothing. Recording resumes when there is room."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from rtstream.messages import RecorderHealth, RecordingEnded, RecordingStarted, SegmentClosed
from rtstream.testsource import LiveSource
from tests.rtstream.recorder.recorder_client import RecorderClient, recorder

MARGIN = 2_000_000_000
"""Bytes that other tests may write or remove meanwhile."""


def paused(health: RecorderHealth) -> bool:
    return health.state == "connected" and health.reason.startswith("recording is paused")


def all_recorded_is_whole(client: RecorderClient, folder: Path) -> bool:
    """Every segment that was reported has its bytes, and no file has others behind them."""
    ends: dict[str, int] = {}
    for segment in client.of(SegmentClosed):
        ends[segment.path] = max(ends.get(segment.path, 0), segment.offset + segment.length)
    return ends == {str(path.relative_to(folder)): path.stat().st_size for path in folder.rglob("*.m4s")}


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 200 kB: four seconds of the small clip."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=200k", "none", str(folder)]
    if os.name != "posix" or os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("mounting a small disk needs root")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_pauses_the_recording_until_there_is_room(live_source: LiveSource, small_disk: Path) -> None:
    with recorder(live_source.http_url, small_disk, segment_s=0.5) as client:
        health = client.wait_for(RecorderHealth, where=paused)
        assert health.reason == "recording is paused: No space left on device"
        client.wait_for(RecordingEnded)
        assert client.of(SegmentClosed)
        assert all_recorded_is_whole(client, small_disk)
        subprocess.run(["mount", "-o", "remount,size=16m", str(small_disk)], check=True)
        client.wait_for(RecordingStarted, 2)
        client.wait_for(RecorderHealth, 2, where=lambda h: h.state == "connected" and not h.reason)
        client.stop()
    assert all_recorded_is_whole(client, small_disk)


@pytest.mark.long
def test_recording_pauses_before_the_disk_is_full(live_source: LiveSource, tmp_path: Path) -> None:
    folder, ballast = tmp_path / "media", tmp_path / "ballast"
    folder.mkdir()
    free = shutil.disk_usage(folder).free
    if free < 4 * MARGIN:
        pytest.skip("the disk of the tests has too little room")
    with recorder(live_source.http_url, folder, segment_s=0.5, min_free_bytes=free - MARGIN) as client:
        client.wait_for(SegmentClosed, 2)
        try:
            with open(ballast, "wb") as file:
                os.posix_fallocate(file.fileno(), 0, 2 * MARGIN)
            health = client.wait_for(RecorderHealth, where=paused)
        finally:
            ballast.unlink()
        assert health.reason.startswith("recording is paused: less than ")
        assert health.reason.endswith(" GB are free on the disk")
        client.wait_for(RecordingStarted, 2)
        client.stop()
    assert all_recorded_is_whole(client, folder)
