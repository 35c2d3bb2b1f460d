"""Pictures of streams: bounded, and refused with the reason."""

from __future__ import annotations

from typing import Any

import pytest

from rtstream.engine.engine import Engine
from rtstream.errors import InvalidRequest, NotFound
from rtstream.perception.protocols import Picture
from tests.rtstream.api.conftest import add_stream, engine, engine_settings

__all__ = ["add_stream", "engine", "engine_settings"]

pytestmark = pytest.mark.anyio


async def test_a_stopped_stream_without_recordings_has_no_picture(engine: Engine, add_stream: Any) -> None:
    stream_id = await add_stream()
    with pytest.raises(InvalidRequest, match="Start it first"):
        await engine.pictures.frame(stream_id, None)
    with pytest.raises(NotFound):
        await engine.pictures.frame(stream_id, 1000.0)
    with pytest.raises(NotFound, match="rts-none"):
        await engine.pictures.frame("rts-none", None)


async def test_the_longest_side_is_bounded(engine: Engine, add_stream: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    sides: list[int] = []

    async def frame(stream_id: str, at: float, side: int) -> Picture:
        sides.append(side)
        return Picture(at, b"", side, side)

    monkeypatch.setattr(engine.playback, "frame", frame)
    for side in (None, 1, 100_000):
        await engine.pictures.frame(await add_stream(), 1000.0, side)
    assert sides == [engine.config.max_image_side, 16, 4096]
