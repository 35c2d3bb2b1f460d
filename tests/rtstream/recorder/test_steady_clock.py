"""A recorder loses nothing when the clock of the computer is set, and when the computer wakes up."""

from __future__ import annotations

import multiprocessing
import time
from itertools import pairwise
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest

from rtstream.messages import RecorderHealth, RecorderSpec, RecordingStarted, SegmentClosed
from rtstream.recorder import process
from rtstream.recorder.steady_clock import SteadyClock
from rtstream.testsource import LiveSource
from tests.rtstream.recorder import recorder_client
from tests.rtstream.recorder.recorder_client import recorder

CLIP_FRAMES = 180


class Clocks:
    def __init__(self) -> None:
        self.wall, self.monotonic = 1000.0, 5.0

    def pass_s(self, seconds: float) -> None:
        self.wall += seconds
        self.monotonic += seconds

    def steady(self) -> SteadyClock:
        return SteadyClock(lambda: self.wall, lambda: self.monotonic)


@pytest.mark.parametrize("step", [-3600.0, -300.0, -0.6, 0.6, 28_800.0])
def test_a_step_of_the_clock_is_noticed_and_not_followed_until_it_is_adopted(step: float) -> None:
    clocks = Clocks()
    steady = clocks.steady()
    clocks.pass_s(10)
    clocks.wall += step
    assert steady.now() == pytest.approx(1010.0)
    assert steady.step_s == pytest.approx(step)
    clocks.pass_s(5)
    assert steady.now() == pytest.approx(1015.0)
    steady.adopt()
    assert (steady.now(), steady.step_s) == (pytest.approx(1015.0 + step), 0.0)


def test_small_corrections_of_the_clock_are_followed() -> None:
    clocks = Clocks()
    steady = clocks.steady()
    for _ in range(100):
        clocks.pass_s(1)
        clocks.wall += 0.2
        assert (steady.now(), steady.step_s) == (pytest.approx(clocks.wall), 0.0)


def test_a_step_that_is_taken_back_is_forgotten() -> None:
    clocks = Clocks()
    steady = clocks.steady()
    clocks.wall += 60
    assert steady.now() == pytest.approx(1000.0)
    clocks.wall -= 60
    clocks.pass_s(0.1)
    assert (steady.now(), steady.step_s) == (pytest.approx(1000.1), 0.0)


def run_with_offset(connection: Connection, job: tuple[RecorderSpec, Path]) -> None:
    """Run a recorder whose wall clock is ahead by the number in a file."""
    spec, offset = job
    process.SteadyClock = lambda: SteadyClock(lambda: time.time() + float(offset.read_text()))  # pyright: ignore
    process.main(connection, spec)


def started(spec: RecorderSpec, offset: Path) -> tuple[BaseProcess, Connection]:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    child = context.Process(target=run_with_offset, args=(theirs, (spec, offset)), daemon=True)
    child.start()
    theirs.close()
    return child, ours


def stepped(health: RecorderHealth) -> bool:
    return any(note.code == "clock_stepped" and "clock of this computer" in note.text for note in health.reasons)


@pytest.mark.parametrize(
    ("url", "step"),
    [
        ("rtsp_url", -300.0),
        ("http_url", -3600.0),
        pytest.param("http_url", 28_800.0, marks=pytest.mark.long),
        pytest.param("http_url", -300.0, marks=pytest.mark.long),
        pytest.param("rtsp_url", -3600.0, marks=pytest.mark.long),
        pytest.param("rtsp_url", 28_800.0, marks=pytest.mark.long),
    ],
)
def test_every_picture_is_recorded_while_the_clock_is_set(
    url: str, step: float, clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    offset, folder = tmp_path / "offset", tmp_path / "media"
    folder.mkdir()
    offset.write_text("0")
    monkeypatch.syspath_prepend(Path(__file__).parents[3])  # the child imports this module
    monkeypatch.setattr(recorder_client, "start_recorder", lambda spec: started(spec, offset))
    with LiveSource(clip) as source, recorder(getattr(source, url), folder, segment_s=0.5) as client:
        client.wait_for(SegmentClosed, 4)
        set_clock(offset, step)
        client.wait_for(RecorderHealth, where=stepped)
        client.wait_for(RecordingStarted, 2)
        client.wait_for(SegmentClosed, len(client.of(SegmentClosed)) + 4)
        client.wait_for(RecorderHealth, 2, where=lambda health: health.state == "connected" and not health.reason)
        client.stop()
    first, second = client.of(RecordingStarted)
    numbers = [
        shown.number
        for recording in (first, second)
        for segment in client.segments(recording)
        for shown in client.shown(segment)
    ]
    assert [pair for pair in pairwise(numbers) if pair[1] != (pair[0] + 1) % CLIP_FRAMES] == []
    ended = client.segments(first)[-1]
    assert second.started_at == pytest.approx(ended.start + ended.duration + step, abs=0.2)


def set_clock(offset: Path, step: float) -> None:
    draft = offset.with_suffix(".new")
    draft.write_text(str(step))
    draft.replace(offset)
