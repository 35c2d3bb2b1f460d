"""Arguments: what a call may write for what it leaves out, and for an object of any content."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from mcp.server.mcpserver import Context, MCPServer
from pydantic import BaseModel, Field

from tools._framework import definition

pytestmark = pytest.mark.anyio


class Part(BaseModel):
    size: int = Field(default=3, gt=0)
    name: str = "part"


class Call(BaseModel):
    """The arguments that reached the function."""

    got: dict[str, Any]


async def sample(
    ctx: Context[Any, Any],
    title: str,
    count: int = 2,
    ratio: float = 0.5,
    flag: bool = True,
    kind: str = "x",
    part: Part = Part(),  # noqa: B008 - never changed
    parts: list[Part] | None = None,
    anything: dict[str, Any] | None = None,
) -> Call:
    """A tool with parameters of every type."""
    given = [part.model_dump() for part in parts or []]
    got = {"title": title, "count": count, "ratio": ratio, "flag": flag, "kind": kind, "part": part.model_dump()}
    return Call(got=got | {"parts": given, "anything": anything})


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> MCPServer:
    monkeypatch.setattr(definition, "_defined", {})
    definition.tool("Sample", read_only=True, group="search")(sample)
    [found] = definition.defined_in(sys.modules[__name__].__name__)
    return MCPServer("test", tools=[definition.build(found)])


async def called(server: MCPServer, arguments: dict[str, Any]) -> dict[str, Any]:
    result: Any = await server.call_tool("sample", arguments)
    return result.structured_content["got"]


async def test_null_equals_an_omitted_argument_of_every_type(server: MCPServer) -> None:
    optional = ("count", "ratio", "flag", "kind", "part", "parts", "anything")
    assert await called(server, {"title": "t", **dict.fromkeys(optional)}) == await called(server, {"title": "t"})
    nested = {"title": "t", "part": {"size": None, "name": "a"}, "parts": [{"size": None, "name": None}]}
    got = await called(server, nested)
    assert got["part"] == {"size": 3, "name": "a"}
    assert got["parts"] == [{"size": 3, "name": "part"}]


async def test_null_for_a_required_argument_is_refused(server: MCPServer) -> None:
    with pytest.raises(Exception, match="title: Field required"):
        await called(server, {"title": None})


@pytest.mark.parametrize("given", [{"a": None, "b": [1]}, '{"a": null, "b": [1]}'])
async def test_an_object_of_any_content_may_be_json_text_and_keeps_its_nulls(server: MCPServer, given: Any) -> None:
    assert (await called(server, {"title": "t", "anything": given}))["anything"] == {"a": None, "b": [1]}


async def test_limits_that_the_schema_leaves_out_are_still_enforced(server: MCPServer) -> None:
    with pytest.raises(Exception, match=r"part\.size"):
        await called(server, {"title": "t", "part": {"size": 0}})
