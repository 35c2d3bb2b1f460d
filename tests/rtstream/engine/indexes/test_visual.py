"""Visual indexes with a model, on a real live stream: no drift, failures, caps, JSON, unchanged pictures, questions."""

from __future__ import annotations

import json
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select

from rtstream.config import EngineConfig
from rtstream.engine.engine import Engine
from rtstream.errors import InvalidRequest, NotFound, Unavailable
from rtstream.models import AskLook, ConnectStream, CreateIndex, Page, Scene, SceneIndex
from rtstream.rules import budget
from rtstream.store.tables import kept
from tests.modelserver import KEY, Answer, Call, ModelServer, chat_completion, failure, forget_keys, model_server
from tests.waiting import eventually

if TYPE_CHECKING:
    from rtstream.testsource import LiveSource

pytestmark = pytest.mark.anyio

LIMIT_S = 40.0
SCHEMA = {"type": "object", "properties": {"people": {"type": "integer"}}, "required": ["people"]}


@pytest.fixture(autouse=True)
def no_keys_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    forget_keys(monkeypatch)


@pytest.fixture
async def server() -> AsyncIterator[ModelServer]:
    async with model_server() as running:
        running.says("A desk.")
        yield running


MODELS = (
    "limited", "recovers", "broken", "silent", "cut", "babble", "locked", "fine",
    "tidy", "fenced", "fits", "misfits", "other",
)  # fmt: skip
"""The models that tests name in requests."""


@asynccontextmanager
async def seeing(folder: Path, server: ModelServer, **settings: Any) -> AsyncIterator[Engine]:
    """An engine that sees with the model server."""
    given: dict[str, Any] = {
        "allow_networks": "loopback",
        "webhook_allow_networks": "loopback",
        "segment_s": 1.0,
        "vision_model": "openai:eye-1",
        "model_base_url": server.url,
        "model_api_key": KEY,
        "allow_models": ",".join(f"openai:{name}" for name in MODELS),
    }
    async with Engine(EngineConfig(data_dir=folder, **given | settings)) as engine:
        yield engine


@pytest.fixture
async def engine(tmp_path: Path, server: ModelServer) -> AsyncIterator[Engine]:
    async with seeing(tmp_path, server) as engine:
        yield engine


async def watch(engine: Engine, stream_id: str, window_s: float = 0.5, frames: int = 1, **more: Any) -> SceneIndex:
    """A new index of the stream."""
    config = {"time": window_s, "frame_count": frames}
    wanted = {"prompt": "What is seen?", "extraction_config": config, **more}
    return await engine.indexes.create(stream_id, CreateIndex.model_validate(wanted))


async def until(check: Callable[[], Awaitable[bool]]) -> None:
    """The state that has no event of its own to wait on."""
    await eventually(check, limit_s=LIMIT_S, every_s=0.05)


async def index_when(engine: Engine, index: SceneIndex, wanted: Callable[[SceneIndex], bool]) -> SceneIndex:
    """The index, once it is as wanted."""
    found: list[SceneIndex] = []

    async def check() -> bool:
        found[:] = [await engine.indexes.get(index.rtstream_id, index.rtstream_index_id)]
        return wanted(found[0])

    await until(check)
    return found[0]


async def scenes_when(engine: Engine, index: SceneIndex, count: int) -> list[Scene]:
    """At least so many scenes of an index, oldest first."""
    found: list[Scene] = []

    async def check() -> bool:
        found[:] = (await engine.indexes.list_scenes(index.rtstream_id, index.rtstream_index_id, Page()))[0]
        return len(found) >= count

    await until(check)
    return found[::-1]


async def test_windows_are_described_with_times_model_latency_and_a_changed_prompt_from_the_next_one_on(
    engine: Engine, server: ModelServer, live_source: LiveSource
) -> None:
    sizes: set[tuple[int, int]] = set()

    def look(call: Call) -> str:
        sizes.update(picture.size for picture in call.pictures)
        return f"{len(call.pictures)} pictures: {call.text}"

    server.reply = look
    stream = await engine.connect_stream(ConnectStream(url=live_source.rtsp_url))
    index = await watch(engine, stream.id, 1.0, 3)
    assert (index.model, index.note) == ("openai:eye-1", "")
    scene = (await scenes_when(engine, index, 2))[1]
    assert (scene.status, scene.model, scene.text) == ("ok", "openai:eye-1", "3 pictures: What is seen?")
    assert scene.end - scene.start == pytest.approx(1)
    assert scene.frame_times == pytest.approx([scene.start, scene.start + 1 / 3, scene.start + 2 / 3], abs=0.06)
    assert scene.latency_s is not None
    assert 0 < scene.latency_s < 5
    assert sizes == {(320, 180)}

    await engine.indexes.update(stream.id, index.rtstream_index_id, prompt="Who is there?")

    async def asked() -> bool:
        return server.calls[-1].text == "Who is there?"

    await until(asked)
    known = await engine.indexes.get(stream.id, index.rtstream_index_id)
    assert known.model_calls >= known.windows_done >= 2
    assert (known.tokens_in, known.tokens_out) == (known.windows_done * 11, known.windows_done * 7)
    [progress] = (await engine.streams.get(stream.id)).indexes
    assert progress.rtstream_index_id == index.rtstream_index_id
    assert (progress.status, progress.windows_failed) == ("running", 0)


async def test_a_model_slower_than_its_windows_skips_the_oldest_and_stays_near_live(
    engine: Engine, server: ModelServer, live_source: LiveSource
) -> None:
    thinks_s = 1.6
    server.reply = lambda call: Answer(chat_completion("slow"), delay_s=thinks_s)
    stream = await engine.connect_stream(ConnectStream(url=live_source.rtsp_url))
    index = await watch(engine, stream.id)
    known = await index_when(engine, index, lambda index: index.windows_skipped >= 5)
    seen_at = time.time()
    scenes = await scenes_when(engine, index, 3)
    # Two windows wait while one is looked at: the newest result is never older than that.
    assert seen_at - scenes[-1].end < 2 * thinks_s + 2 * 0.5 + 1
    starts = [scene.start for scene in scenes]
    assert starts == sorted(starts)
    assert max(b - a for a, b in pairwise(starts)) >= 1.0, "windows in between were left out"
    [listed] = await engine.indexes.list(stream.id)
    assert listed.windows_skipped >= known.windows_skipped
    [progress] = (await engine.streams.get(stream.id)).indexes
    assert progress.windows_skipped >= known.windows_skipped
    assert progress.status == "running"


async def test_a_failing_model_is_retried_then_the_window_is_marked_with_the_reason_and_the_others_go_on(
    tmp_path: Path, server: ModelServer, live_source: LiveSource
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

    server.reply = look
    async with seeing(tmp_path, server, model_timeout_s=0.5) as engine:
        stream = await engine.connect_stream(ConnectStream(url=live_source.rtsp_url))
        names = ("limited", "recovers", "broken", "silent", "cut", "babble", "locked", "fine")
        indexes = {name: await watch(engine, stream.id, model_name=f"openai:{name}") for name in names}

        for name in ("limited", "recovers"):
            [first, *_] = await scenes_when(engine, indexes[name], 1)
            assert (first.status, first.text) == ("ok", f"seen by {name}")
        first, second = [call.at for call in server.calls if call.model == "limited"][:2]
        assert second - first >= 1.0, "as long as the server asked for"
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
        assert silent.status == "running"
        assert silent.status_reason.startswith("The last window failed: openai:silent did not respond")
        assert silent.model_calls >= 3

        broken = await scenes_when(engine, indexes["broken"], 2)
        assert [scene.status for scene in broken[:2]] == ["failed", "ok"]
        assert (await index_when(engine, indexes["broken"], lambda index: index.windows_done > 0)).status_reason == ""
        fine = await engine.indexes.get(stream.id, indexes["fine"].rtstream_index_id)
        assert fine.windows_failed == 0
        assert fine.windows_done > 3


async def test_a_reached_cap_pauses_says_so_and_goes_on_by_itself_when_there_is_room(
    tmp_path: Path, server: ModelServer, live_source: LiveSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(budget, "HOUR_S", 4)  # so that the test need not wait for an hour
    monkeypatch.setattr(budget, "SLOT_S", 1)
    async with seeing(tmp_path, server, model_calls_per_hour=3) as engine:
        stream = await engine.connect_stream(ConnectStream(url=live_source.rtsp_url))
        index = await watch(engine, stream.id)
        paused = await index_when(engine, index, lambda index: index.status == "paused")
        assert paused.status_reason.startswith("The cap of 3 model calls per hour is reached")
        assert len(server.calls) == 3
        [progress] = (await engine.streams.get(stream.id)).indexes
        assert (progress.status, progress.status_reason) == ("paused", paused.status_reason)
        with pytest.raises(Unavailable, match="cap of 3 model calls"):
            await engine.questions.answer(stream.id, AskLook(question="Who is there?"))

        going = await index_when(engine, index, lambda index: index.windows_done > 3)
        assert going.windows_capped >= 3
        assert going.windows_skipped == 0
        assert server.calls[3].at - server.calls[0].at >= 4
        await index_when(engine, index, lambda index: index.status == "running" and not index.status_reason)


async def test_what_was_spent_counts_after_a_restart_and_is_stored_before_the_call(
    tmp_path: Path, server: ModelServer, live_source: LiveSource
) -> None:
    async with seeing(tmp_path, server, model_calls_per_day=2) as engine:
        stream = await engine.connect_stream(ConnectStream(url=live_source.rtsp_url))
        index = await watch(engine, stream.id)
        await index_when(engine, index, lambda index: index.status == "paused")
        stored = await engine.db.read(
            lambda conn: conn.execute(select(kept.c.value).where(kept.c.key == "model_budget")).scalar()
        )
        assert stored is not None
        assert sum(calls for _, calls in stored) == 2
    async with seeing(tmp_path, server, model_calls_per_day=2) as engine:
        again = await index_when(engine, index, lambda index: index.windows_capped >= 5)
        assert (again.status, again.windows_done) == ("paused", 2)
        assert len(server.calls) == 2
    async with seeing(tmp_path, server) as engine:
        going = await index_when(engine, index, lambda index: index.windows_done > 2)
        assert (going.status, going.status_reason) == ("running", "")


async def test_json_is_parsed_kept_when_it_is_broken_and_held_to_a_schema(
    engine: Engine, server: ModelServer, live_source: LiveSource
) -> None:
    said = {
        "tidy": '{"people": 2}',
        "fenced": 'Here you are:\n```json\n{"people": 3}\n```',
        "broken": '{"people": 4,',
        "fits": '{"people": 5}',
        "misfits": '{"people": "many"}',
    }
    server.reply = lambda call: said[call.model]
    stream = await engine.connect_stream(ConnectStream(url=live_source.rtsp_url))
    indexes = {
        name: await watch(
            engine,
            stream.id,
            prompt="Count the people. Answer in JSON.",
            model_name=f"openai:{name}",
            model_config={"json_schema": SCHEMA} if "fits" in name else {},
        )
        for name in said
    }
    local = await watch(engine, stream.id, prompt="Answer in JSON.", model_name="local")
    found = {name: (await scenes_when(engine, index, 1))[0] for name, index in indexes.items()}
    assert {name: scene.text for name, scene in found.items()} == said
    assert all(scene.status == "ok" for scene in found.values())
    data = {name: scene.data for name, scene in found.items()}
    assert data == {
        "tidy": {"people": 2},
        "fenced": {"people": 3},
        "broken": None,
        "fits": {"people": 5},
        "misfits": None,
    }
    assert found["broken"].data_error == "The answer is not valid JSON."
    assert found["misfits"].data_error == "The answer does not match the JSON schema at people."
    assert [found[name].data_error for name in ("tidy", "fenced", "fits")] == ["", "", ""]
    [asked, *_] = [call for call in server.calls if call.model == "fits"]
    assert asked.body["response_format"]["json_schema"]["schema"]["required"] == ["people"]
    [seen, *_] = await scenes_when(engine, local, 1)
    assert (seen.model, seen.data_error) == (
        "local",
        "The built-in vision model does not return JSON. Set a vision model.",
    )


async def test_an_unchanged_picture_skips_the_call_says_so_and_repeats_the_answer(
    engine: Engine, server: ModelServer, tmp_path: Path
) -> None:
    from rtstream.testsource import LiveSource

    server.reply = lambda call: json.dumps({"red": call.pictures[0].getpixel((160, 90))[0] > 120})  # pyright: ignore
    with LiveSource(still_clip(tmp_path / "still.mp4")) as source:
        stream = await engine.connect_stream(ConnectStream(url=source.http_url))
        index = await watch(engine, stream.id, prompt="JSON", model_config={"skip_unchanged": True})
        exact = await watch(engine, stream.id, prompt="JSON")
        known = await index_when(engine, index, lambda index: index.windows_unchanged >= 8)
        scenes = await scenes_when(engine, index, 1)
        every = await engine.indexes.get(stream.id, exact.rtstream_index_id)
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


@pytest.mark.parametrize(
    ("wanted", "sentence"),
    [
        ({"model_config": {"json_schema": []}}, "json_schema must be a JSON object"),
        ({"model_config": {"json_schema": {"type": "array"}}}, 'Give it "type": "object"'),
        ({"model_config": {"skip_unchanged": "yes"}}, "skip_unchanged must be true or false"),
        ({"extraction_config": {"time": 0.1, "frame_count": 1}}, "between 0.5 and 3600 seconds"),
        ({"extraction_config": {"time": 2, "frame_count": 0}}, "frame_count must be a whole number from 1 to 60"),
        ({"extraction_type": "smell"}, "extraction_type must be"),
    ],
)
async def test_an_index_that_cannot_work_is_refused_at_once_with_a_sentence(
    engine: Engine, live_source: LiveSource, wanted: dict[str, Any], sentence: str
) -> None:
    stream = await engine.connect_stream(ConnectStream(url=live_source.rtsp_url))
    with pytest.raises(InvalidRequest, match=sentence.replace("(", r"\(")):
        await engine.indexes.create(stream.id, CreateIndex.model_validate({"prompt": "?", **wanted}))
    assert await engine.indexes.list(stream.id) == []


async def test_a_question_is_answered_about_now_a_moment_or_a_range(
    engine: Engine, server: ModelServer, live_source: LiveSource
) -> None:
    server.reply = lambda call: f"{[picture.size for picture in call.pictures]} {call.text.splitlines()[0]}"
    stream = await engine.connect_stream(ConnectStream(url=live_source.rtsp_url, store=True))
    now = await engine.questions.answer(stream.id, AskLook(question="Who is there?"))
    assert (now.text, now.model, now.note) == ("[(320, 180)] Who is there?", "openai:eye-1", "")
    assert abs(now.times[0] - time.time()) < 5

    async def recorded() -> bool:
        return sum(end - start for start, end in (await engine.streams.get(stream.id)).recorded) > 3

    await until(recorded)
    start, end = (await engine.streams.get(stream.id)).recorded[-1]
    then = await engine.questions.answer(
        stream.id, AskLook(question="And then?", at=start + 1, model_name="openai:other")
    )
    assert (then.model, then.times) == ("openai:other", [pytest.approx(start + 1, abs=0.1)])
    ranged = await engine.questions.answer(
        stream.id, AskLook(question="What happened?", start=start - 60, end=end, count=64)
    )
    assert 2 <= len(ranged.times) < 60, "what was not recorded is left out"
    assert all(start - 0.1 <= at <= end for at in ranged.times)
    assert f"a contact sheet of {len(ranged.times)} moments" in server.calls[-1].text
    sheet = await engine.sheet(stream.id, start, start + 2, count=4, max_side=640)
    assert sheet.times == pytest.approx([start + 0.25, start + 0.75, start + 1.25, start + 1.75], abs=0.1)
    assert (sheet.width, sheet.height) == (640, 360)

    blind = await engine.questions.answer(stream.id, AskLook(question="Who?", start=start, end=end, model_name="local"))
    assert blind.model == "local"
    assert "the question was not answered" in blind.note
    assert "Main colours" in blind.text
    assert len(blind.times) == 1
    with pytest.raises(NotFound, match="nearest"):
        await engine.questions.answer(stream.id, AskLook(question="Who?", start=start - 900, end=start - 800))
    with pytest.raises(InvalidRequest, match="Pass at for one moment, start and end"):
        await engine.questions.answer(stream.id, AskLook(question="Who?", start=start))
    refused = await engine.questions.answer(
        stream.id, AskLook(question="Who?", model_name="anthropic:claude-haiku-5-5")
    )
    assert refused.model == "openai:eye-1"
    assert "RTSTREAM_ALLOW_MODELS" in refused.note
    with pytest.raises(NotFound, match="no stream"):
        await engine.questions.answer("rts-none", AskLook(question="Who?"))
    assert engine.model_calls.used()["hour"] == len(server.calls)


@pytest.mark.parametrize("name", ["openai:expensive", "anthropic:claude-haiku-5-5", "google:gemini-4-argon", "huge"])
async def test_a_model_that_the_settings_do_not_allow_is_never_called(
    engine: Engine, server: ModelServer, live_source: LiveSource, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("ANTHROPIC_API_KEY", "GOOGLE_API_KEY", "OPENAI_API_KEY"):
        monkeypatch.setenv(variable, "sk-present")
    server.reply = lambda call: f"seen by {call.model}"
    stream = await engine.connect_stream(ConnectStream(url=live_source.rtsp_url))
    index = await watch(engine, stream.id, model_name=name)
    assert index.model == "openai:eye-1"
    assert "RTSTREAM_ALLOW_MODELS" in index.note
    [scene] = (await scenes_when(engine, index, 1))[:1]
    assert scene.text == "seen by eye-1"
    assert {call.model for call in server.calls} == {"eye-1"}


async def test_each_index_has_a_cap_of_its_own_that_survives_a_restart(
    tmp_path: Path, server: ModelServer, live_source: LiveSource
) -> None:
    assert EngineConfig().model_calls_per_hour_per_index == 2500
    server.reply = lambda call: "seen"
    async with seeing(tmp_path, server, model_calls_per_hour_per_index=2) as engine:
        stream = await engine.connect_stream(ConnectStream(url=live_source.rtsp_url))
        indexes = [await watch(engine, stream.id) for _ in range(2)]

        async def paused() -> bool:
            return {one.status for one in await engine.indexes.list(stream.id)} == {"paused"}

        await until(paused)
        assert len(server.calls) == 4
        assert "2 model calls per hour" in (await engine.indexes.list(stream.id))[0].status_reason
        for index in indexes:
            await engine.indexes.stop(stream.id, index.rtstream_index_id)
    async with seeing(tmp_path, server, model_calls_per_hour_per_index=2) as engine:
        await engine.indexes.start(stream.id, indexes[0].rtstream_index_id)
        await until(lambda: _is_paused(engine, stream.id, indexes[0].rtstream_index_id))
        assert len(server.calls) == 4


async def _is_paused(engine: Engine, stream_id: str, index_id: str) -> bool:
    return (await engine.indexes.get(stream_id, index_id)).status == "paused"
