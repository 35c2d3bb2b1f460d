"""The runner of indexes: late, failing and unchanged windows."""

from __future__ import annotations

import json
import re
import time
from itertools import pairwise
from pathlib import Path

import pytest

from rtstream.engine.engine import Engine
from rtstream.models import ConnectStream
from rtstream.testsource import LiveSource
from tests.modelserver import Answer, Call, ModelServer, chat_completion, failure
from tests.rtstream.engine.vision_engine import index_when, scenes_when, seeing, watch

pytestmark = pytest.mark.anyio


async def test_a_model_slower_than_its_windows_skips_the_oldest_and_stays_near_live(
    seeing_engine: Engine, vision_server: ModelServer, live_source: LiveSource
) -> None:
    thinks_s = 1.6
    vision_server.reply = lambda call: Answer(chat_completion("slow"), delay_s=thinks_s)
    stream = await seeing_engine.connect_stream(ConnectStream(url=live_source.rtsp_url))
    index = await watch(seeing_engine, stream.id)
    known = await index_when(seeing_engine, index, lambda index: index.windows_skipped >= 5)
    seen_at = time.time()
    scenes = await scenes_when(seeing_engine, index, 3)
    # Two windows wait while one is looked at: the newest result is never older than that.
    assert seen_at - scenes[-1].end < 2 * thinks_s + 2 * 0.5 + 1
    starts = [scene.start for scene in scenes]
    assert starts == sorted(starts)
    assert max(b - a for a, b in pairwise(starts)) >= 1.0, "windows in between were left out"
    [listed] = await seeing_engine.indexes.list(stream.id)
    assert listed.windows_skipped >= known.windows_skipped
    [progress] = (await seeing_engine.streams.get(stream.id)).indexes
    assert progress.windows_skipped >= known.windows_skipped
    assert progress.state == "running"


async def test_a_failing_model_is_retried_then_the_window_is_marked_with_the_reason_and_the_others_go_on(
    tmp_path: Path, vision_server: ModelServer, live_source: LiveSource
) -> None:
    tries: dict[str, int] = {}

    def look(call: Call) -> str | Answer:
        number = tries[call.model] = tries.get(call.model, 0) + 1
        match call.model:
            case "limited" if number == 1:
                return Answer(failure("slow down"), 429, {"retry-after": "1"})
            case "recovers" if number <= 2:
                return Answer(failure("boom"), 500)
            case "broken" if number <= 3:
                return Answer(failure("boom"), 500)
            case "silent":
                return Answer("", hold=True)
            case "cut":
                return Answer(chat_completion("never seen"), cut=True)
            case "babble":
                return Answer("<html>It works!</html>")
            case "locked":
                return Answer(failure("bad key"), 401)
        return f"seen by {call.model}"

    vision_server.reply = look
    async with seeing(tmp_path, vision_server, model_timeout_s=0.5) as engine:
        stream = await engine.connect_stream(ConnectStream(url=live_source.rtsp_url))
        names = ("limited", "recovers", "broken", "silent", "cut", "babble", "locked", "fine")
        indexes = {name: await watch(engine, stream.id, model_name=f"openai:{name}") for name in names}

        for name in ("limited", "recovers"):
            [first, *_] = await scenes_when(engine, indexes[name], 1)
            assert (first.status, first.text) == ("ok", f"seen by {name}")
        first, second = [call.at for call in vision_server.calls if call.model == "limited"][:2]
        assert second - first >= 1.0, "as long as the vision_server asked for"
        assert (await engine.indexes.get(stream.id, indexes["recovers"].rtstream_index_id)).windows_failed == 0

        reasons = {
            "broken": r"server error \(HTTP 500\)",
            "silent": "did not respond within 0.5 s",
            "cut": "cannot be reached .*, or dropped the connection",
            "babble": "unreadable response",
            "locked": "rejected the key",
        }
        for name, reason in reasons.items():
            [first, *_] = await scenes_when(engine, indexes[name], 1)
            assert first.status == "failed"
            assert re.search(reason, first.text), (name, first.text)
        silent = await index_when(engine, indexes["silent"], lambda index: index.windows_failed >= 1)
        assert silent.state == "running"
        assert silent.status_reason.startswith("The last window failed: openai:silent did not respond")
        assert silent.model_calls >= 3

        broken = await scenes_when(engine, indexes["broken"], 2)
        assert [scene.status for scene in broken[:2]] == ["failed", "ok"]
        assert (await index_when(engine, indexes["broken"], lambda index: index.windows_done > 0)).status_reason == ""
        fine = await engine.indexes.get(stream.id, indexes["fine"].rtstream_index_id)
        assert fine.windows_failed == 0
        assert fine.windows_done > 3


async def test_an_unchanged_picture_skips_the_call_says_so_and_repeats_the_answer(
    seeing_engine: Engine, vision_server: ModelServer, tmp_path: Path
) -> None:
    from rtstream.testsource import LiveSource

    vision_server.reply = lambda call: json.dumps({"red": call.pictures[0].getpixel((160, 90))[0] > 120})  # pyright: ignore
    with LiveSource(still_clip(tmp_path / "still.mp4")) as source:
        stream = await seeing_engine.connect_stream(ConnectStream(url=source.http_url))
        index = await watch(seeing_engine, stream.id, prompt="JSON")
        exact = await watch(seeing_engine, stream.id, prompt="JSON", model_config={"skip_unchanged": False})
        known = await index_when(seeing_engine, index, lambda index: index.windows_unchanged >= 8)
        scenes = await scenes_when(seeing_engine, index, 1)
        every = await seeing_engine.indexes.get(stream.id, exact.rtstream_index_id)
    assert known.model_calls + known.windows_unchanged == known.windows_done
    assert known.model_calls <= known.windows_done / 2
    assert (every.windows_unchanged, every.model_calls) == (0, every.windows_done)
    repeated = [scene for scene in scenes if scene.unchanged]
    asked = [scene for scene in scenes if not scene.unchanged]
    assert {json.dumps(scene.data) for scene in asked} == {'{"red": true}', '{"red": false}'}
    assert all(scene.data and scene.text == json.dumps(scene.data) and scene.latency_s is None for scene in repeated)
    # The answer is always that of the picture now shown, also right after a change.
    by_start = sorted(scenes, key=lambda scene: scene.start)
    for before, scene in pairwise(by_start):
        if scene.unchanged:
            assert scene.data == before.data


def still_clip(path: Path) -> Path:
    """Three seconds of a red screen, then three of a blue one."""
    import av
    import numpy as np

    with av.open(str(path), "w") as out:
        video = out.add_stream("libx264", rate=10, options={"g": "5", "bf": "0"})
        video.width, video.height, video.pix_fmt = 320, 180, "yuv420p"  # pyright: ignore[reportAttributeAccessIssue]
        for number in range(60):
            picture = np.zeros((180, 320, 3), np.uint8)
            picture[:, :] = (200, 30, 30) if number < 30 else (30, 30, 200)
            out.mux(video.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))  # pyright: ignore
        out.mux(video.encode(None))  # pyright: ignore[reportAttributeAccessIssue]
    return path
