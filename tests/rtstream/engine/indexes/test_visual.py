"""Visual indexes with a model, on a real live stream: no drift, failures, JSON and unchanged pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from rtstream.engine.engine import Engine
from rtstream.engine.indexes.visual import frames_per_window
from rtstream.models import ConnectStream
from tests.modelserver import Call, ModelServer

if TYPE_CHECKING:
    from rtstream.testsource import LiveSource

from tests.rtstream.engine.vision_engine import scenes_when, until, watch

pytestmark = pytest.mark.anyio

SCHEMA = {"type": "object", "properties": {"people": {"type": "integer"}}, "required": ["people"]}


async def test_windows_are_described_with_times_model_latency_and_a_changed_prompt_from_the_next_one_on(
    seeing_engine: Engine, vision_server: ModelServer, live_source: LiveSource
) -> None:
    sizes: set[tuple[int, int]] = set()

    def look(call: Call) -> str:
        sizes.update(picture.size for picture in call.pictures)
        return f"{len(call.pictures)} pictures: {call.text}"

    vision_server.reply = look
    stream = await seeing_engine.connect_stream(ConnectStream(url=live_source.rtsp_url))
    index = await watch(seeing_engine, stream.id, 1.0, 3)
    assert (index.model, index.note) == ("openai:eye-1", "")
    scene = (await scenes_when(seeing_engine, index, 2))[1]
    assert (scene.status, scene.model, scene.text) == ("ok", "openai:eye-1", "3 pictures: What is seen?")
    assert scene.end - scene.start == pytest.approx(1)
    assert scene.frame_times == pytest.approx([scene.start, scene.start + 1 / 3, scene.start + 2 / 3], abs=0.06)
    assert scene.latency_s is not None
    assert 0 < scene.latency_s < 5
    assert sizes == {(320, 180)}

    await seeing_engine.indexes.update(stream.id, index.rtstream_index_id, prompt="Who is there?")

    async def asked() -> bool:
        return vision_server.calls[-1].text == "Who is there?"

    await until(asked)
    known = await seeing_engine.indexes.get(stream.id, index.rtstream_index_id)
    assert known.model_calls >= known.windows_done >= 2
    assert (known.tokens_in, known.tokens_out) == (known.windows_done * 11, known.windows_done * 7)
    [progress] = (await seeing_engine.streams.get(stream.id)).indexes
    assert progress.rtstream_index_id == index.rtstream_index_id
    assert (progress.state, progress.windows_failed) == ("running", 0)


async def test_json_is_parsed_kept_when_it_is_broken_and_held_to_a_schema(
    seeing_engine: Engine, vision_server: ModelServer, live_source: LiveSource
) -> None:
    said = {
        "tidy": '{"people": 2}',
        "fenced": 'Here you are:\n```json\n{"people": 3}\n```',
        "broken": '{"people": 4,',
        "fits": '{"people": 5}',
        "misfits": '{"people": "many"}',
    }
    vision_server.reply = lambda call: said[call.model]
    stream = await seeing_engine.connect_stream(ConnectStream(url=live_source.rtsp_url))
    indexes = {
        name: await watch(
            seeing_engine,
            stream.id,
            prompt="Count the people. Answer in JSON.",
            model_name=f"openai:{name}",
            model_config={"json_schema": SCHEMA} if "fits" in name else {},
        )
        for name in said
    }
    local = await watch(seeing_engine, stream.id, prompt="Answer in JSON.", model_name="local")
    found = {name: (await scenes_when(seeing_engine, index, 1))[0] for name, index in indexes.items()}
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
    [asked, *_] = [call for call in vision_server.calls if call.model == "fits"]
    assert asked.body["response_format"]["json_schema"]["schema"]["required"] == ["people"]
    [seen, *_] = await scenes_when(seeing_engine, local, 1)
    assert (seen.model, seen.data_error) == ("local", "")
    assert set(seen.data or {}) == {"text", "dominant_colors"}


@pytest.mark.parametrize(
    ("window_s", "frame_count", "sample_rate", "taken"),
    [(2, 5, 30, 5), (2, 5, 1, 2), (2, 5, 0.1, 1), (0.5, 10, 8, 4), (3600, 60, 0.01, 36)],
)
def test_the_sample_rate_of_a_stream_bounds_the_frames_of_a_window(
    window_s: float, frame_count: int, sample_rate: float, taken: int
) -> None:
    assert frames_per_window({"time": window_s, "frame_count": frame_count}, sample_rate) == taken


async def test_a_changed_sample_rate_applies_to_running_indexes(
    seeing_engine: Engine, vision_server: ModelServer, live_source: LiveSource
) -> None:
    stream = await seeing_engine.connect_stream(ConnectStream(url=live_source.rtsp_url, sample_rate=2))
    await watch(seeing_engine, stream.id, 1.0, 4)

    async def looked_at(pictures: int) -> bool:
        return bool(vision_server.calls) and len(vision_server.calls[-1].pictures) == pictures

    await until(lambda: looked_at(2))
    await seeing_engine.streams.update(stream.id, sample_rate=3)
    await seeing_engine.indexes.sample_again(stream.id)
    await until(lambda: looked_at(3))
