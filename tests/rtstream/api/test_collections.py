"""Collections over the API."""

from __future__ import annotations

import httpx
import pytest

from tests.rtstream.api.test_streams import data

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
