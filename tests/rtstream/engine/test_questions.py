"""Questions to the vision model about a moment or a range."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from rtstream.engine.engine import Engine
from rtstream.errors import InvalidRequest, NotFound
from rtstream.models import AskLook, ConnectStream
from tests.modelserver import ModelServer

if TYPE_CHECKING:
    from rtstream.testsource import LiveSource

from tests.rtstream.engine.vision_engine import until

pytestmark = pytest.mark.anyio


async def test_a_question_is_answered_about_now_a_moment_or_a_range(
    seeing_engine: Engine, vision_server: ModelServer, live_source: LiveSource
) -> None:
    vision_server.reply = lambda call: f"{[picture.size for picture in call.pictures]} {call.text.splitlines()[0]}"
    stream = await seeing_engine.connect_stream(ConnectStream(url=live_source.rtsp_url, store=True))
    now = await seeing_engine.questions.answer(stream.id, AskLook(question="Who is there?"))
    assert (now.text, now.model, now.note) == ("[(320, 180)] Who is there?", "openai:eye-1", "")
    assert abs(now.times[0] - time.time()) < 5

    async def recorded() -> bool:
        return sum(end - start for start, end in (await seeing_engine.streams.get(stream.id)).recorded) > 3

    await until(recorded)
    start, end = (await seeing_engine.streams.get(stream.id)).recorded[-1]
    then = await seeing_engine.questions.answer(
        stream.id, AskLook(question="And then?", at=start + 1, model_name="openai:other")
    )
    assert (then.model, then.times) == ("openai:other", [pytest.approx(start + 1, abs=0.1)])
    ranged = await seeing_engine.questions.answer(
        stream.id, AskLook(question="What happened?", start=start - 60, end=end, count=64)
    )
    assert 2 <= len(ranged.times) < 60, "what was not recorded is left out"
    assert all(start - 0.1 <= at <= end for at in ranged.times)
    assert f"a contact sheet of {len(ranged.times)} moments" in vision_server.calls[-1].text
    sheet = await seeing_engine.pictures.sheet(stream.id, start, start + 2, count=4, max_side=640)
    assert sheet.times == pytest.approx([start + 0.25, start + 0.75, start + 1.25, start + 1.75], abs=0.1)
    assert (sheet.width, sheet.height) == (640, 392)

    blind = await seeing_engine.questions.answer(
        stream.id, AskLook(question="Who?", start=start, end=end, model_name="local")
    )
    assert blind.model == "local"
    assert "the question was not answered" in blind.note
    assert "Main colours" in blind.text
    assert len(blind.times) == 1
    with pytest.raises(NotFound, match="nearest"):
        await seeing_engine.questions.answer(stream.id, AskLook(question="Who?", start=start - 900, end=start - 800))
    with pytest.raises(InvalidRequest, match="Pass at for one moment, start and end"):
        await seeing_engine.questions.answer(stream.id, AskLook(question="Who?", start=start))
    refused = await seeing_engine.questions.answer(
        stream.id, AskLook(question="Who?", model_name="anthropic:claude-haiku-5-5")
    )
    assert refused.model == "openai:eye-1"
    assert "RTSTREAM_ALLOW_MODELS" in refused.note
    with pytest.raises(NotFound, match="no stream"):
        await seeing_engine.questions.answer("rts-none", AskLook(question="Who?"))
    assert seeing_engine.model_calls.used()["hour"] == len(vision_server.calls)
