"""The first and the last moment at which a text was on the screen, from scenes, pictures and the footage itself."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import numpy as np
import pytest
from PIL import Image

from rtstream.config import EngineConfig
from rtstream.engine.engine import Engine
from rtstream.engine.search.text_edges import TextEdge, edge_of
from rtstream.errors import InvalidRequest, NotFound, Unavailable
from rtstream.rules.timeline import SceneWindow
from rtstream.testsource import read_barcode
from tests.rtstream.engine.recordings.test_footage import enter
from tests.rtstream.engine.search.test_timeline import START, add_index, add_stream, plant, scene_row
from tests.sources import record

pytestmark = pytest.mark.anyio

FPS = 30


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[Engine]:
    config = EngineConfig(data_dir=tmp_path / "data", api_key="sk-edges", local_vision=False, min_free_gb=0)
    async with Engine(config) as running:
        yield running


async def recorded(engine: Engine, clip: Path, data_dir: Path) -> str:
    """A stream with six seconds of footage, whose screen changes from Slack to a terminal after five."""
    stream_id = await add_stream(engine)
    folder = data_dir / "media" / stream_id
    folder.mkdir(parents=True)
    await engine.db.write(enter, stream_id, "rec-1", record(clip, folder / "rec-1", start=START), 2.0)
    return stream_id


async def picture(engine: Engine, stream_id: str, at: float) -> int:
    """The number of the picture that is shown at a moment."""
    shown = await engine.pictures.frame(stream_id, at)
    return read_barcode(np.asarray(Image.open(io.BytesIO(shown.jpeg)).convert("L")))


async def test_the_edge_between_two_screens_is_found_to_the_picture(engine: Engine, clip: Path, tmp_path: Path) -> None:
    stream_id = await recorded(engine, clip, tmp_path / "data")
    index_id = await add_index(engine, stream_id)
    shown = [
        scene_row(stream_id, index_id, START, ["Slack", "Ana: can you pay invoice 4711 today?"], 3.0),
        scene_row(stream_id, index_id, START + 3, ["Terminal"], 3.0),
    ]
    await plant(engine, stream_id, shown, [])
    bounds = {"start": START, "end": START + 6}
    first = await engine.text_edges.find(stream_id, "terminal", last=False, **bounds)
    last = await engine.text_edges.find(stream_id, "invoice 4711", last=True, **bounds)
    assert (first.within_s, first.already_there, last.within_s, last.still_there) == (0.0, False, 0.0, False)
    assert await picture(engine, stream_id, first.at) == 5 * FPS
    assert await picture(engine, stream_id, round(first.at, 3)) == 5 * FPS
    assert await picture(engine, stream_id, last.at) == 5 * FPS - 1
    assert await picture(engine, stream_id, round(last.at, 3)) == 5 * FPS - 1
    there = await engine.text_edges.find(stream_id, "Slack", last=False, **bounds)
    assert (there.already_there, there.at) == (True, pytest.approx(START + 2.4))
    still = await engine.text_edges.find(stream_id, "Terminal", last=True, **bounds)
    assert (still.still_there, still.at) == (True, pytest.approx(START + 5.4))
    with pytest.raises(NotFound, match="was not on the screen in this range"):
        await engine.text_edges.find(stream_id, "Invoice 4712", last=False, **bounds)


async def test_without_footage_the_moment_is_known_to_the_window(engine: Engine) -> None:
    stream_id = await add_stream(engine)
    index_id = await add_index(engine, stream_id)
    lines = [["Agenda"], ["Budget"], ["Budget"], ["Hiring"]]
    await plant(
        engine, stream_id, [scene_row(stream_id, index_id, START + 5 * n, one) for n, one in enumerate(lines)], []
    )
    bounds = {"start": START, "end": START + 20}
    first = await engine.text_edges.find(stream_id, "Budget", last=False, **bounds)
    last = await engine.text_edges.find(stream_id, "Budget", last=True, **bounds)
    assert (first.at, first.within_s) == (START + 9, 5.0)
    assert (last.at, last.within_s) == (START + 14, 5.0)


async def test_what_no_index_has_read_is_read_in_the_footage(clip: Path, tmp_path: Path) -> None:
    pytest.importorskip("rapidocr", reason='needs the extra "local"')
    async with Engine(EngineConfig(data_dir=tmp_path / "data", api_key="sk-edges", min_free_gb=0)) as engine:
        stream_id = await recorded(engine, clip, tmp_path / "data")
        bounds = {"start": START, "end": START + 6}
        first = await engine.text_edges.find(stream_id, "Terminal", last=False, **bounds)
        last = await engine.text_edges.find(stream_id, "Slack", last=True, **bounds)
        assert await picture(engine, stream_id, first.at) == 5 * FPS
        assert await picture(engine, stream_id, last.at) == 5 * FPS - 1
        with pytest.raises(NotFound, match="No index has read it"):
            await engine.text_edges.find(stream_id, "Quarterly", last=False, **bounds)


async def test_impossible_searches_are_refused_and_slow_ones_end(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream_id = await add_stream(engine)
    for start, end, text, words in (
        (START + 10, START, "Agenda", "a start before the end"),
        (START - 40 * 86400, START, "Agenda", "31 days"),
        (float("nan"), START, "Agenda", "Unix timestamps"),
        (START, START + 5, "—", "no letter or digit"),
    ):
        with pytest.raises(InvalidRequest, match=words):
            await engine.text_edges.find(stream_id, text, last=False, start=start, end=end)
    with pytest.raises(NotFound, match="no stream"):
        await engine.text_edges.find("rts-none", "Agenda", last=False)

    async def never(*_arguments: object) -> None:
        await anyio.sleep_forever()

    monkeypatch.setattr("rtstream.engine.search.text_edges.SEARCH_S", 0.05)
    monkeypatch.setattr(engine.text_edges._edges, "changed_at", never)
    index_id = await add_index(engine, stream_id)
    await plant(engine, stream_id, [scene_row(stream_id, index_id, START + 5 * n, [w]) for n, w in enumerate("ab")], [])
    with pytest.raises(Unavailable, match="Pass a shorter range"):
        await engine.text_edges.find(stream_id, "b", last=False, start=START, end=START + 10)


def window(number: int, *lines: str, unchanged: bool = False, text: str = "") -> SceneWindow:
    shown = "[" + ",".join(f'"{line}"' for line in lines) + "]" if lines else None
    return SceneWindow(
        number, 5.0 * number, 5.0 * number + 5, text, shown, unchanged=unchanged, last_frame=5.0 * number + 4
    )


@pytest.mark.parametrize(
    ("windows", "last", "edge"),
    [
        ([window(0, "a"), window(1, "Budget"), window(2, "Budget")], False, TextEdge(9.0, 4.0)),
        ([window(0, "a"), window(1, "Budget"), window(2, "Budget")], True, TextEdge(14.0, None)),
        ([window(0, "Budget"), window(1, "a"), window(2, "Budget"), window(3, "b")], True, TextEdge(14.0, 19.0)),
        ([window(0, "Budget"), window(1, "a"), window(2, "b")], True, TextEdge(4.0, 9.0)),
        ([window(0, "Budget"), window(1, unchanged=True), window(2, "a")], True, TextEdge(9.0, 14.0)),
        ([window(0, "Budget")], False, TextEdge(4.0, None)),
        ([window(0, text="A slide about the budget."), window(1, text="A door.")], True, TextEdge(4.0, 9.0)),
        ([window(0, "a"), window(1, "b")], False, None),
        ([], True, None),
    ],
)
def test_the_edges_of_stretches(windows: list[SceneWindow], last: bool, edge: TextEdge | None) -> None:
    assert edge_of(windows, "budget", last=last) == edge
