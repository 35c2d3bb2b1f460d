"""A recorded window is downloaded without an export."""

from __future__ import annotations

import hashlib
from pathlib import Path

import httpx
import pytest

from rtstream.engine.engine import Engine
from tests.rtstream.engine.recordings.test_exports import START, STREAM, add_recording, add_stream, pictures

pytestmark = pytest.mark.anyio


async def test_a_recorded_window_is_downloaded_without_an_export(
    engine: Engine, api: httpx.AsyncClient, source: Path
) -> None:
    await add_stream(engine)
    await add_recording(engine, source, 1, START)
    playback = await engine.generate_stream(STREAM, START + 2, START + 3)
    token = playback.player_url.partition("v=")[2]
    page = (await api.get("/playback.json", params={"v": token})).json()
    head = await api.head(page["download_url"])
    file = await api.get(page["download_url"])
    assert file.headers["content-length"] == head.headers["content-length"] == str(len(file.content))
    assert file.headers["content-disposition"] == "attachment; filename*=utf-8''Door.mp4"
    assert pictures(file.content) == list(range(60, 90))
    assert (
        hashlib.sha256((await api.get(page["download_url"])).content).digest() == hashlib.sha256(file.content).digest()
    )
    assert list((Path(engine.config.data_dir) / "videos").iterdir()) == []
