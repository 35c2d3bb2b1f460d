"""Documents of the search index, their words and their vectors."""

from __future__ import annotations

import time

import numpy as np
import pytest
from sqlalchemy import Connection

from rtstream.store import indexes, search, transcripts
from rtstream.store.search_tables import SCENES, TRANSCRIPTS

PLACE = ("visual", "rts-1", "one")


def scene(conn: Connection, start: float, text: str, status: str = "ok") -> int:
    values = {"status": status, "model": "m", "data": None, "detail": {}, "created_at": start}
    return indexes.add_scene(conn, index_id="one", stream_id="rts-1", start=start, end=start + 2, text=text, **values)


def add(conn: Connection, *texts: str) -> list[int]:
    """Store scenes with these texts, and make them searchable."""
    for number, text in enumerate(texts):
        scene(conn, 10.0 * number, text)
    found = search.new_sources(conn, SCENES, 99)
    places = search.place_ids(conn, {one.place for one in found})
    docs = [search.add_document(conn, SCENES, places[one.place], one) for one in found]
    search.set_reached(conn, SCENES, found[-1].ref)
    return docs


def words(conn: Connection, match: str) -> list[int]:
    return [int(doc) for doc in search.postings(conn, match, 9, 0, 99)]


def test_rows_are_read_once_in_their_order(conn: Connection) -> None:
    scene(conn, 20.0, "b")
    scene(conn, 10.0, "a", status="failed")
    found = search.new_sources(conn, SCENES, 9)
    assert [(one.place, one.start, one.text) for one in found] == [(PLACE, 20.0, "b"), (PLACE, 10.0, "")]
    search.set_reached(conn, SCENES, found[0].ref)
    assert [one.start for one in search.new_sources(conn, SCENES, 9)] == [10.0]
    for kind, text in (("speech", "hello"), ("gap", "lost")):
        times = {"start": 1.0, "end": 2.0, "created_at": time.time()}
        transcripts.add(conn, stream_id="rts-1", engine="local", text=text, kind=kind, detail={}, **times)
    assert [one.text for one in search.new_sources(conn, TRANSCRIPTS, 9)] == ["hello", ""]


def test_documents_are_found_by_their_folded_and_stemmed_words_newest_first(conn: Connection) -> None:
    first, second, third = add(conn, "A dog walks", "Cars", "Dogs at the CAFÉ")
    assert words(conn, "dog") == [third, first]
    assert words(conn, "cafe") == [third]
    assert words(conn, "car") == [second]
    assert search.texts(conn, [first, 999]) == {first: "A dog walks"}
    assert search.matching(conn, {first: "A dog walks", second: "Cars"}, ["dog", "car OR walk"]) == [
        {first},
        {first, second},
    ]


def test_a_deleted_scene_is_no_longer_found_and_its_number_is_not_used_again(conn: Connection) -> None:
    docs = add(conn, "a dog", "a cat")
    conn.exec_driver_sql("DELETE FROM scenes WHERE text = 'a cat'")
    assert search.take_removed(conn, 9) == [docs[1]]
    assert search.take_removed(conn, 9) == []
    assert words(conn, "cat") == []
    assert not search.extend_document(conn, docs[1], search.DocumentSource(1, PLACE, 0.0, 1.0, "a cat"))
    assert add(conn, "a bird") == [docs[1] + 1]


def test_places_have_one_number_each(conn: Connection) -> None:
    wanted = [PLACE, ("transcript", "rts-1", ""), PLACE]
    ids = search.place_ids(conn, wanted)
    assert search.place_ids(conn, wanted) == ids
    assert len(set(ids.values())) == 2
    places = {(place.kind, place.stream_id, place.index_id): place.id for place in search.all_places(conn)}
    assert places == ids


def test_vectors_belong_to_a_model_and_go_with_their_document(conn: Connection) -> None:
    docs = add(conn, "a dog", "a cat")
    model, other = search.model_id(conn, "m1"), search.model_id(conn, "m2")
    assert (search.model_id(conn, "m1"), model != other) == (model, True)
    unit = np.eye(2, 8, dtype=np.float32)
    search.set_vectors(conn, model, [*docs, 999], np.vstack([unit, unit[:1]]))
    found, values = search.vectors(conn, docs, model, 8)
    assert found == docs
    assert values == pytest.approx(unit)
    assert search.vectors(conn, docs, other, 8)[0] == search.vectors(conn, docs, model, 4)[0] == []
    assert [bits is not None for *_, bits in search.page(conn, 0, 9, model)] == [True, True]
    assert [bits is not None for *_, bits in search.page(conn, docs[0], 9, other)] == [False]
