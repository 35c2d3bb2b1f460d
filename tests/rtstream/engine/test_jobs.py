"""Jobs outlast the request that started them, and can be cancelled."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest

from rtstream.engine.engine import Engine
from tests.rtstream.engine.recordings.conftest import api, engine, source
from tests.rtstream.engine.recordings.test_exports import START, STREAM, add_recording, add_stream, relative
from tests.waiting import eventually

__all__ = ["api", "engine", "source"]

pytestmark = pytest.mark.anyio


async def test_a_long_export_is_asked_after_and_can_be_cancelled(
    engine: Engine, api: httpx.AsyncClient, source: Path
) -> None:
    await add_stream(engine)
    await add_recording(engine, source, 1, START)
    answer = (await api.post(f"/rtstream/{STREAM}/export", json={"wait_s": 0})).json()
    assert (answer["status"], answer["request_type"]) == ("processing", "sync")
    url = answer["data"]["output_url"]
    assert url == f"http://api.test/async-response/{answer['data']['id']}"

    async def poll() -> dict[str, Any]:
        return (await api.get(relative(url))).json()

    polled = await eventually(poll, lambda polled: polled["status"] != "processing")
    assert (polled["status"], polled["data"]["name"]) == ("done", "Door - Recording")
    await api.delete(f"/video/{polled['data']['video_id']}")

    job = (await api.post(f"/rtstream/{STREAM}/export", json={"wait_s": 0})).json()["data"]["id"]
    assert (await api.delete(f"/async-response/{job}")).json()["success"]
    cancelled = (await api.get(f"/async-response/{job}")).json()
    assert (cancelled["success"], cancelled["message"]) == (False, "The job was cancelled.")
    assert list((Path(engine.config.data_dir) / "videos").iterdir()) == []
    assert (await api.get("/video")).json()["data"]["videos"] == []
    assert (await api.get("/async-response/job-nothing")).status_code == 404
