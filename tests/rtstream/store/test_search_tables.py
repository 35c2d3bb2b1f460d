"""The triggers of search follow deletions, cascades included."""

from __future__ import annotations

from sqlalchemy import Connection

from rtstream.store import indexes, search, search_tables, streams


def test_the_documents_of_a_deleted_stream_wait_for_the_removal_of_their_words(conn: Connection) -> None:
    values = {"status": "ok", "model": "m", "data": None, "detail": {}, "created_at": 0.0}
    indexes.add_scene(conn, index_id="one", stream_id="rts-1", start=0.0, end=2.0, text="a dog", **values)
    [source] = search.new_sources(conn, search_tables.SCENES, 9)
    doc = search.add_document(conn, search_tables.SCENES, search.place_ids(conn, [source.place])[source.place], source)
    search.set_reached(conn, search_tables.SCENES, source.ref)
    streams.delete(conn, "rts-1")
    assert search.page(conn, 0, 9, None) == search.all_places(conn) == []
    assert conn.exec_driver_sql("SELECT id, text FROM search_removed").all() == [(doc, "a dog")]
    # Row numbers of scenes may be used again, so the cursor goes back with them.
    reached = conn.exec_driver_sql("SELECT reached FROM search_cursors WHERE origin = 0").scalar_one()
    assert reached == 0


def test_creating_the_tables_again_changes_nothing(conn: Connection) -> None:
    before = conn.exec_driver_sql("SELECT name, sql FROM sqlite_master ORDER BY name").all()
    search_tables.create(conn)
    assert conn.exec_driver_sql("SELECT name, sql FROM sqlite_master ORDER BY name").all() == before
