"""Ids and responses are validated."""

from __future__ import annotations

import pytest
from pydantic import BaseModel

from rtstream.client import RTStreamClient
from rtstream.client.validation import as_changed, as_list, as_model, path_id
from rtstream.errors import NotFound, Unavailable
from tests.server.mcp_servers import Served

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("bad", ["", "..", "a/b", "a?b", "rts 1", "ä"])
async def test_an_id_that_is_none_reaches_no_route(served: Served, client: RTStreamClient, bad: str) -> None:
    with pytest.raises(NotFound, match="Invalid id"):
        await client.get_stream(bad)


class Shown(BaseModel):
    """An object of a service."""

    id: str
    size: int = 0


@pytest.mark.parametrize("text", ["rts-0195f3c2", "m-1", "a.b_c"])
def test_an_id_is_returned(text: str) -> None:
    assert path_id(text) == text


@pytest.mark.parametrize("text", ["", ".", "..", "a/b", "a%2Fb", "a b", "ä", "a?x", "a\n"])
def test_what_is_not_an_id_is_refused(text: str) -> None:
    with pytest.raises(NotFound, match="Invalid id"):
        path_id(text)


def test_objects_that_are_not_understood_are_reported_with_a_remedy() -> None:
    assert as_model(Shown, {"id": "a", "new": True}).id == "a"
    for data in (None, [], {"id": 5}, {}):
        with pytest.raises(Unavailable, match="Update rtstream-mcp"):
            as_model(Shown, data)


def test_a_change_returns_an_object_only_if_the_service_returned_all_of_it() -> None:
    assert as_changed(Shown, {"id": "a", "size": 3}, "size") == Shown(id="a", size=3)
    assert as_changed(Shown, {"id": "a"}, "size") is as_changed(Shown, None, "size") is None


def test_a_missing_list_is_empty() -> None:
    assert as_list(Shown, None, "rows") == as_list(Shown, {"rows": None}, "rows") == []
    assert as_list(Shown, {"rows": [{"id": "a"}]}, "rows") == [Shown(id="a")]
