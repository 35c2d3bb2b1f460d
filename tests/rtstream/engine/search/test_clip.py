"""The clip around a hit."""

from __future__ import annotations

import pytest
from sqlalchemy import Connection

from rtstream.engine.search.clip import clip_of, medium_of_hit
from rtstream.states import SegmentKind
from rtstream.store import transcripts
from rtstream.store.search import Detail
from tests.rtstream.store import conftest as store_conftest

conn = store_conftest.conn


def detail(kind: str, index_id: str = "") -> Detail:
    return Detail(kind, "rts-1", "Desk", index_id, "", 1, {})


def say(conn: Connection, start: float, end: float, kind: SegmentKind = SegmentKind.SPEECH) -> None:
    values = {"engine": "local", "text": "words", "kind": kind, "detail": {}, "created_at": 0.0}
    transcripts.add(conn, stream_id="rts-1", start=start, end=end, **values)


@pytest.mark.parametrize(
    ("start", "end", "clip"),
    [
        (104.0, 107.0, (100.0, 111.0)),  # the sentences before and after
        (105.0, 106.0, (100.0, 111.0)),  # a part of a sentence
        (100.0, 103.0, (100.0, 107.0)),  # nothing was said shortly before
        (108.0, 111.0, (104.0, 111.0)),  # the next sentence is too far away
    ],
)
def test_a_spoken_hit_comes_with_the_sentences_around_it(
    conn: Connection, start: float, end: float, clip: tuple[float, float]
) -> None:
    for at in (100.0, 104.0, 108.0, 140.0):
        say(conn, at, at + 3.0)
    say(conn, 90.0, 99.0, SegmentKind.GAP)
    assert clip_of(conn, detail("transcript"), "audio", start, end) == clip
    assert clip_of(conn, detail("visual"), "visual", start, end) == (start, end)


def test_a_hit_was_seen_or_heard(conn: Connection) -> None:
    assert [medium_of_hit(conn, detail(kind)) for kind in ("visual", "transcript", "audio", "video")] == [
        "visual",
        "audio",
        "audio",
        "audio",
    ]
    assert medium_of_hit(conn, detail("alert", "one")) == "visual"
    assert medium_of_hit(conn, detail("alert", "gone")) == ""
