"""Identifiers name their kind, are safe in URLs and do not repeat."""

from __future__ import annotations

import inspect
import re

from rtstream import ids
from rtstream.client.validation import path_id

PREFIXES = {
    **{"stream_id": "rts-", "index_id": "scene-idx-", "event_id": "event-", "alert_id": "alert-"},
    **{"collection_id": "c-", "recording_id": "rec-", "delivery_id": "msg-", "connection_id": "wsc-"},
    **{"video_id": "m-", "audio_id": "a-", "job_id": "job-", "link_id": ""},
}


def test_each_kind_has_its_prefix_and_enough_random_characters() -> None:
    makers = {name: make for name, make in inspect.getmembers(ids, inspect.isfunction)}
    assert makers.keys() == PREFIXES.keys()
    for name, make in makers.items():
        found = {make() for _ in range(50)}
        assert len(found) == 50
        for one in found:
            assert one.startswith(PREFIXES[name])
            assert re.fullmatch("[0-9A-Za-z]{12,22}", one.removeprefix(PREFIXES[name]))
            assert path_id(one) == one
