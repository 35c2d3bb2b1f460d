"""Requests for the past are checked, and an index with the same properties is continued."""

from __future__ import annotations

import pytest

from rtstream.errors import InvalidRequest, NotFound
from tests.rtstream.engine.backfill.conftest import Past

pytestmark = pytest.mark.anyio


async def test_another_prompt_or_name_is_another_index(past: Past) -> None:
    first = await past.describe(0.0, 1.0)
    for different in ({"prompt": "Who?"}, {"name": "mine"}, {"extraction_config": {"time": 1, "frame_count": 1}}):
        other = await past.describe(0.0, 1.0, **different)
        assert other.rtstream_index_id != first.rtstream_index_id
        await past.done(other)


@pytest.mark.parametrize(
    ("start", "end", "sentence"),
    [
        (0.0, 0.0, "not after its start"),
        (1e6, None, "in the future"),
    ],
)
async def test_a_range_that_cannot_be_is_refused(past: Past, start: float, end: float | None, sentence: str) -> None:
    with pytest.raises(InvalidRequest, match=sentence):
        await past.describe(start, end)


async def test_where_nothing_is_recorded_the_nearest_footage_is_named(past: Past) -> None:
    with pytest.raises(NotFound, match="recorded"):
        await past.describe(-200.0, -100.0)
