"""Links to parts of streams and videos, and the parts that are refused."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from rtstream.engine.engine import Engine
from tests.rtstream.engine.recordings.test_exports import START, STREAM, add_recording, add_stream, export

pytestmark = pytest.mark.anyio


async def test_a_single_part_of_a_stream_has_the_link_of_that_window(
    engine: Engine, api: httpx.AsyncClient, source: Path
) -> None:
    await add_stream(engine)
    await add_recording(engine, source, 1, START)
    window = (await api.get(f"/rtstream/{STREAM}/stream", params={"start": START + 1, "end": START + 2})).json()["data"]
    part = {"rtstream_id": STREAM, "shots": [[START + 1, START + 2]]}
    made = (await api.post("/compile", json=[part])).json()["data"]
    assert made == {name: window[name] for name in ("stream_url", "player_url")}


async def test_a_part_of_a_running_stream_ends_at_the_present(
    engine: Engine, api: httpx.AsyncClient, source: Path
) -> None:
    await add_stream(engine)
    now = time.time()
    await add_recording(engine, source, 1, now - 20)
    parts = {"rtstream_id": STREAM, "shots": [[now - 20, now - 19], [now - 15, now + 3600]]}
    assert (await api.post("/compile", json=[parts])).json()["success"]
    [link] = (await api.get("/rtstream/links", params={"stream_id": STREAM})).json()["data"]["links"]
    assert link["ranges"][0] == [STREAM, pytest.approx(now - 20), pytest.approx(now - 19)]
    assert now <= link["ranges"][1][2] <= time.time() + 0.1


async def test_parts_that_cannot_be_played_are_refused(engine: Engine, api: httpx.AsyncClient, source: Path) -> None:
    await add_stream(engine)
    await add_recording(engine, source, 1, START)
    video_id = (await export(api, start=START, end=START + 8))["video_id"]

    async def refusal(*entries: dict[str, Any]) -> tuple[int, str]:
        answer = await api.post("/compile", json=list(entries))
        return answer.status_code, answer.json()["message"]

    def part(start: float, end: float, **source: str) -> dict[str, Any]:
        return {**(source or {"rtstream_id": STREAM}), "shots": [[start, end]]}

    assert await refusal(part(START + 900, START + 901), part(1.0, 2.0)) == (
        404,
        "Nothing is recorded in these ranges. Their recordings may have been deleted, or the streams not stored.",
    )
    assert "future" in (await refusal(part(time.time() + 60, time.time() + 90)))[1]
    assert "Swap" in (await refusal(part(START + 2, START + 1)))[1]
    assert "6 h" in (await refusal(part(START, START + 4 * 3600), part(START, START + 3 * 3600)))[1]
    assert "either" in (await refusal({"shots": [[1, 2]]}))[1]
    assert "either" in (await refusal(part(1, 2, video_id=video_id, rtstream_id=STREAM)))[1]
    for unknown in ({"rtstream_id": "rts-0"}, {"rtstream_id": video_id}, {"video_id": STREAM}, {"video_id": "m-0"}):
        status, message = await refusal(part(1, 2, **unknown))
        assert (status, next(iter(unknown.values())) in message) == (404, True), message
    assert (await refusal(*[part(START, START + 1)] * 101))[0] == 400
