"""Windows that were not looked at live are looked at in the recorded footage, in order and once."""

from __future__ import annotations

import time
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from rtstream.engine.engine import Engine
from rtstream.engine.indexes.visual import VisualIndexes
from rtstream.messages import FrameTaken
from rtstream.models import ConnectStream, Page, Scene, SceneIndex
from rtstream.rules.sample_grid import grid_cell
from rtstream.store.journal import Filter
from tests.modelserver import Answer, Call, ModelServer, chat_completion
from tests.rtstream.engine.vision_engine import index_when, scenes_when, seeing, until, watch

if TYPE_CHECKING:
    from rtstream.testsource import LiveSource

pytestmark = pytest.mark.anyio


class Model:
    """A model that takes a while for each window, and remembers the order of the windows."""

    def __init__(self, server: ModelServer) -> None:
        self.delay_s = 0.0
        server.reply = self.look

    def look(self, call: Call) -> Answer:
        return Answer(chat_completion("seen"), delay_s=self.delay_s)


async def all_scenes(engine: Engine, index: SceneIndex) -> list[Scene]:
    """All scenes of an index, oldest first."""
    found, _ = await engine.indexes.list_scenes(index.rtstream_id, index.rtstream_index_id, Page(page_size=1000))
    return found[::-1]


async def late_starts(engine: Engine) -> list[float]:
    """The starts of the windows that were looked at later, in the order of the journal."""
    page = await engine.journal.read(0, Filter(channels=["scene_index"]), limit=500)
    return [entry.data["start"] for entry in page.entries if entry.data.get("late")]


def holes(scenes: Sequence[Scene], length: float) -> int:
    """The number of windows without a scene between the first and the last one."""
    return sum(round((later.start - scene.start) / length) - 1 for scene, later in pairwise(scenes))


async def test_windows_that_a_slow_model_leaves_are_looked_at_once_it_has_time(
    seeing_engine: Engine, vision_server: ModelServer, live_source: LiveSource
) -> None:
    model = Model(vision_server)
    model.delay_s = 1.4
    stream = await seeing_engine.connect_stream(ConnectStream(url=live_source.http_url, store=True))
    index = await watch(seeing_engine, stream.id, 0.5, 2)
    await index_when(seeing_engine, index, lambda index: index.windows_waiting >= 4)
    model.delay_s = 0.0
    caught_up = await index_when(seeing_engine, index, lambda index: index.windows_waiting == 0 < index.windows_late)
    assert (caught_up.windows_skipped, caught_up.skipped) == (0, {})
    scenes = await all_scenes(seeing_engine, index)
    assert holes(scenes, 0.5) == 0
    assert len({scene.start for scene in scenes}) == len(scenes)
    late = await late_starts(seeing_engine)
    assert late == sorted(late)
    assert len(late) == caught_up.windows_late >= 4


async def test_a_window_whose_pictures_were_lost_on_the_way_is_looked_at_in_the_footage(
    seeing_engine: Engine, vision_server: ModelServer, live_source: LiveSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    Model(vision_server)
    numbers: set[int] = set()
    receive = VisualIndexes.frame

    async def all_but_those_of_one_window(self: VisualIndexes, stream_id: str, frame: FrameTaken) -> None:
        numbers.add(grid_cell(frame.time, 0.5))
        if len(numbers) != 9:
            await receive(self, stream_id, frame)

    monkeypatch.setattr(VisualIndexes, "frame", all_but_those_of_one_window)
    stream = await seeing_engine.connect_stream(ConnectStream(url=live_source.http_url, store=True))
    index = await watch(seeing_engine, stream.id, 0.5, 2)
    await index_when(seeing_engine, index, lambda index: index.windows_late == 1)
    scenes = await all_scenes(seeing_engine, index)
    assert holes(scenes, 0.5) == 0
    assert await late_starts(seeing_engine) == [sorted(numbers)[8] * 0.5]


async def test_a_stream_that_is_not_recorded_loses_its_windows_and_says_why(
    seeing_engine: Engine, vision_server: ModelServer, live_source: LiveSource
) -> None:
    Model(vision_server).delay_s = 1.6
    stream = await seeing_engine.connect_stream(ConnectStream(url=live_source.http_url))
    index = await watch(seeing_engine, stream.id)
    known = await index_when(seeing_engine, index, lambda index: index.windows_skipped >= 2)
    assert known.skipped == {"not_recorded": known.windows_skipped}
    assert known.windows_waiting == 0


async def test_an_engine_that_starts_again_looks_at_what_the_last_one_left_and_what_is_stopped_is_counted(
    tmp_path: Path, vision_server: ModelServer, live_source: LiveSource
) -> None:
    model = Model(vision_server)
    async with seeing(tmp_path, vision_server) as engine:
        stream = await engine.connect_stream(ConnectStream(url=live_source.http_url, store=True))
        index = await watch(engine, stream.id, 0.5, 2)
        await scenes_when(engine, index, 2)
        model.delay_s = 30  # the windows from here on are recorded, and nothing comes of them
        left = len(await all_scenes(engine, index))
        ended = time.time()

        async def recorded() -> bool:
            return (await engine.streams.get(stream.id)).recorded[-1][1] > ended + 2

        await until(recorded)
    model.delay_s = 0.0
    async with seeing(tmp_path, vision_server) as engine:
        await index_when(engine, index, lambda index: not index.windows_waiting and index.windows_late >= 3)
        scenes = await all_scenes(engine, index)
        assert len({scene.start for scene in scenes}) == len(scenes) > left + 3
        kept = [scene for scene in scenes if scene.start < ended + 1.5]
        assert holes(kept, 0.5) == 0
        model.delay_s = 1.4
        await index_when(engine, index, lambda index: index.windows_waiting >= 2)
        await engine.indexes.stop(stream.id, index.rtstream_index_id)
        stopped = await engine.indexes.get(stream.id, index.rtstream_index_id)
        assert stopped.windows_waiting == 0
        assert stopped.skipped["stopped"] >= 1
        # The first pictures of a source arrive before its recording begins.
        assert set(stopped.skipped) <= {"stopped", "not_recorded"}
