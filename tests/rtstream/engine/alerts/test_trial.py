"""An event is tested on past sentences and scenes."""

from __future__ import annotations

from pathlib import Path

import pytest

from rtstream.errors import InvalidRequest
from rtstream.models import EventTest
from tests.rtstream.engine.alerts.spoken import STREAM, speaking

pytestmark = pytest.mark.anyio


async def test_an_event_about_speech_is_tested_on_the_transcript(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with speaking(tmp_path, monkeypatch) as spoken:
        await spoken.say("the budget is fine", 1)
        await spoken.say("hello", 2)
        await spoken.say("the budget", 3)

        async def outcomes(prompt: str, **more: float) -> list[tuple[str, str]]:
            test = EventTest.model_validate({"event_prompt": prompt, **more})
            found = await spoken.engine.alerts.test_event(STREAM, test)
            return [(one.outcome, one.text) for one in found]

        said = await outcomes('"budget" is said')
        assert said == [("match", "the budget"), ("no_match", "hello"), ("match", "the budget is fine")]
        assert await outcomes('"budget" is said', limit=1) == said[:1]
        assert await outcomes('"budget" is said', end=spoken.start + 1.5) == said[2:]
        assert await outcomes('"budget" is on the screen') == []
        with pytest.raises(InvalidRequest):
            await outcomes("the stream is lost")
