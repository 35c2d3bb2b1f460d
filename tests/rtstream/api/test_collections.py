"""Collections over the API."""

from __future__ import annotations

import httpx
import pytest

from rtstream.engine.engine import Engine
from rtstream.store import streams as rows
from tests.rtstream.api.test_streams import data

from .conftest import AddStream

pytestmark = pytest.mark.anyio


async def test_collections_are_made_listed_and_changed(api: httpx.AsyncClient) -> None:
    made = await data(await api.post("/collection", json={"name": "Yard", "description": "Outside"}), 201)
    assert (made["name"], made["description"], made["is_public"]) == ("Yard", "Outside", False)
    listed = await data(await api.get("/collection"))
    assert [collection["id"] for collection in listed["collections"]] == ["default", made["id"]]
    changed = await data(await api.patch(f"/collection/{made['id']}", json={"is_public": True}))
    assert changed == {**made, "is_public": True}
    assert (await data(await api.get("/collection/default")))["id"] == "default"
    assert (await api.get("/collection/c-unknown")).status_code == 404


async def test_a_collection_is_deleted_when_it_is_empty_or_with_all_that_it_holds(
    api: httpx.AsyncClient, engine: Engine, add_stream: AddStream
) -> None:
    empty, full = [(await data(await api.post("/collection", json={"name": name}), 201))["id"] for name in "ab"]
    stream_id = await add_stream()
    await engine.db.write(lambda conn: rows.update_stream(conn, stream_id, collection_id=full))
    assert (await api.delete(f"/collection/{empty}")).is_success
    assert (await api.get(f"/collection/{empty}")).status_code == 404
    refused = await api.delete(f"/collection/{full}")
    assert (refused.status_code, "1 streams and 0 videos" in refused.json()["message"]) == (409, True)
    assert (await api.get(f"/rtstream/{stream_id}")).is_success
    assert (await api.delete(f"/collection/{full}?force=true")).is_success
    assert (await api.get(f"/rtstream/{stream_id}")).status_code == 404
    for collection_id, status in (("default", 400), ("c-unknown", 404)):
        assert (await api.delete(f"/collection/{collection_id}?force=true")).status_code == status
