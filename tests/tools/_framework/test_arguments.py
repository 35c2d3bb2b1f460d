"""Arguments of a call under other spellings, and under names that no parameter has."""

from __future__ import annotations

from typing import Any

import pytest

from rtstream.errors import InvalidRequest
from tools._framework.arguments import named

PART = {"type": "object", "properties": {"size": {"type": "integer"}, "name": {"type": "string"}}}
SCHEMA = {
    "properties": {
        "stream_id": {"type": "string"},
        "record": {"type": "boolean"},
        "part": PART,
        "parts": {"type": "array", "items": PART},
    }
}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"stream_id": "rts-1", "record": None}, {"stream_id": "rts-1"}),
        ({"rtstream_id": "rts-1", "store": False}, {"stream_id": "rts-1", "record": False}),
        ({"ws_connection_id": "wsc-1", "media_types": ["video"], "record": True}, {"record": True}),
        ({"part": {"size": 1, "name": None}, "parts": [{"name": "a", "size": None}]},
         {"part": {"size": 1}, "parts": [{"name": "a"}]}),
    ],
)  # fmt: skip
def test_spellings_of_the_published_api_and_nulls_are_understood(
    given: dict[str, Any], expected: dict[str, Any]
) -> None:
    assert named("connect", given, SCHEMA) == expected


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"recordx": False}, "no parameter recordx. Did you mean record?"),
        ({"recordx": None}, "Did you mean record?"),
        ({"part": {"sizes": 1}}, "no parameter part.sizes. Did you mean part.size?"),
        ({"parts": [{"name": "a"}, {"namex": "b"}]}, "Did you mean parts.name?"),
        ({"zzz": 1}, "It has stream_id, record, part, parts."),
        ({"scene_index_id": "i"}, "no parameter scene_index_id."),
        ({"store": True, "record": False}, "mean the same"),
        ({"x\x1b[31m\n": 1}, "no parameter x"),
    ],
)
def test_a_name_that_no_parameter_has_is_refused_with_the_nearest_one(given: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        named("connect", given, SCHEMA)
    assert words in refused.value.message
    assert "\x1b" not in refused.value.message


@pytest.mark.parametrize("given", ["index_id", "scene_index_id", "alert_id", "event_id", "video_id"])
def test_an_id_of_any_kind_is_the_id_of_a_tool_for_all_kinds(given: str) -> None:
    assert named("delete", {given: "x"}, {"properties": {"id": {}, "stream_id": {}}}) == {"id": "x"}


def test_a_transcript_is_asked_for_as_in_the_published_api() -> None:
    given = {"enable_transcript": True, "media_types": ["video"]}
    assert named("connect_stream", given, {"properties": {"transcribe": {}}}) == {"transcribe": True}


def test_a_parameter_that_has_the_name_of_an_alias_is_itself() -> None:
    assert named("t", {"store": True}, {"properties": {"store": {"type": "boolean"}}}) == {"store": True}
