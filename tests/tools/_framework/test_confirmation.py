"""Destructive tools: the user is asked where the client can ask, else the model has to have asked."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from mcp import Client
from mcp.server import MCPServer
from mcp_types import ElicitRequestParams, ElicitResult
from pydantic import BaseModel

from tests.server.mcp_servers import call, refusal
from tools._framework.definition import Definition, ToolContext, build, defined_in, tool
from tools.registry import definitions

pytestmark = pytest.mark.anyio
deleted: list[tuple[str, int]] = []


class Deleted(BaseModel):
    done: bool


@tool("Delete a thing", read_only=False, destructive=True, group="live", confirm="Delete the thing {thing_id}?")
async def delete_thing(ctx: ToolContext, thing_id: str, copies: int = 1) -> Deleted:
    """Delete a thing."""
    deleted.append((thing_id, copies))
    return Deleted(done=True)


@asynccontextmanager
async def asking(era: str, answer: ElicitResult | None) -> AsyncIterator[tuple[Client, list[str]]]:
    """A client whose user answers like this, or that cannot ask, and the questions that were asked."""
    asked: list[str] = []

    async def on_question(context: Any, params: ElicitRequestParams) -> ElicitResult:
        asked.append(params.message)
        assert answer is not None
        return answer

    class Server(MCPServer[Any]):
        async def call_tool(self, name: str, arguments: dict[str, Any], context: Any = None) -> Any:
            return await build(defined_in(__name__)[0]).run(arguments, context, convert_result=True)

    deleted.clear()
    callback = None if answer is None else on_question
    async with Client(Server("test"), mode=era, elicitation_callback=callback) as client:
        yield client, asked


@pytest.mark.parametrize("era", ["legacy", "auto"])
async def test_a_user_who_agrees_is_asked_once_and_obeyed(era: str) -> None:
    agrees = ElicitResult(action="accept", content={"confirm": True})
    async with asking(era, agrees) as (client, asked):
        assert await call(client, "delete_thing", thing_id="t-1", copies=2) == {"done": True}
    assert asked == ["Delete the thing t-1?"]
    assert deleted == [("t-1", 2)]


@pytest.mark.parametrize("era", ["legacy", "auto"])
@pytest.mark.parametrize(
    "answer",
    [
        ElicitResult(action="decline"),
        ElicitResult(action="cancel"),
        ElicitResult(action="accept", content={"confirm": False}),
    ],
    ids=["declined", "cancelled", "not ticked"],
)
async def test_what_the_user_refuses_is_not_done_whatever_the_model_says(era: str, answer: ElicitResult) -> None:
    async with asking(era, answer) as (client, asked):
        said = await refusal(client, "delete_thing", thing_id="t-1", confirm=True)
    assert said == "Nothing was done, because the user did not agree. Do not try again unless they ask for it."
    assert asked == ["Delete the thing t-1?"]
    assert deleted == []


@pytest.mark.parametrize("era", ["legacy", "auto"])
async def test_where_the_client_cannot_ask_the_model_has_to(era: str) -> None:
    async with asking(era, None) as (client, _):
        said = await refusal(client, "delete_thing", thing_id="t-1")
        assert said == (
            "Nothing was done. Ask the user first: Delete the thing t-1? If they agree, call again with confirm=true."
        )
        assert deleted == []
        assert await call(client, "delete_thing", thing_id="t-1", confirm=True) == {"done": True}
    assert deleted == [("t-1", 1)]


def test_a_model_sees_confirm_and_nothing_of_the_question() -> None:
    schema = build(defined_in(__name__)[0]).parameters
    assert list(schema["properties"]) == ["thing_id", "copies", "confirm"]
    assert schema["required"] == ["thing_id"]
    assert schema["properties"]["confirm"]["default"] is False


@pytest.mark.parametrize("definition", definitions(), ids=lambda definition: definition.fn.__name__)
def test_every_tool_that_removes_something_asks_first(definition: Definition) -> None:
    removes = definition.fn.__name__.startswith(("delete_", "remove_"))
    assert bool(definition.annotations.destructive_hint) == removes
    assert bool(definition.confirm) == removes
