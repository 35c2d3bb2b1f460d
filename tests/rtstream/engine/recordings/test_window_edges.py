"""A window is cut to its fragments at both edges."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from rtstream.engine.engine import Engine
from tests.rtstream.engine.recordings.test_exports import START, STREAM, add_recording, add_stream
from tests.rtstream.engine.recordings.test_links import by_download, by_page, by_playlist, window_link

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("start", "end", "served"),
    [
        (2.5, 2.7, range(60, 90)),
        (1.5, 4.5, range(30, 150)),
        (2.0, 4.0, range(60, 120)),
        (3.9, 4.1, range(90, 150)),
        (0.0, 8.0, range(240)),
        (7.2, 30.0, range(210, 240)),
        (-5.0, 0.4, range(30)),
    ],
)
async def test_every_route_serves_the_fragments_of_the_window_and_nothing_else(
    engine: Engine, holder: httpx.AsyncClient, source: Path, start: float, end: float, served: range
) -> None:
    await add_stream(engine)
    await add_recording(engine, source, 1, START)
    link_id = await window_link(engine, START + start, START + end)
    assert await by_playlist(holder, link_id) == list(served)
    assert await by_playlist(holder, link_id, whole_files=True) == list(served)
    assert await by_page(holder, link_id) == list(served)
    downloaded = await by_download(holder, link_id)
    assert set(downloaded) <= set(served)
    assert set(downloaded) >= {number for number in served if start <= number / 30 < end - 0.04}


async def test_a_segment_that_cannot_be_read_at_the_end_of_a_window_is_not_served_at_all(
    engine: Engine, holder: httpx.AsyncClient, source: Path
) -> None:
    await add_stream(engine)
    await add_recording(engine, source, 1, START)
    file = Path(engine.config.data_dir) / "media" / STREAM / "rec-1" / "recording.m4s"
    damaged = bytearray(file.read_bytes())
    damaged[:8] = b"\xff" * 8
    file.write_bytes(damaged)
    link_id = await window_link(engine, START + 0.5, START + 3)
    assert await by_playlist(holder, link_id) == list(range(60, 90))
