"""The service of indexes refuses what cannot work."""

from __future__ import annotations

from typing import Any

import pytest

from rtstream.engine.engine import Engine
from rtstream.errors import InvalidRequest
from rtstream.models import ConnectStream, CreateIndex
from rtstream.testsource import LiveSource

pytestmark = pytest.mark.anyio


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
    seeing_engine: Engine, live_source: LiveSource, wanted: dict[str, Any], sentence: str
) -> None:
    stream = await seeing_engine.connect_stream(ConnectStream(url=live_source.rtsp_url))
    with pytest.raises(InvalidRequest, match=sentence.replace("(", r"\(")):
        await seeing_engine.indexes.create(stream.id, CreateIndex.model_validate({"prompt": "?", **wanted}))
    assert await seeing_engine.indexes.list(stream.id) == []
