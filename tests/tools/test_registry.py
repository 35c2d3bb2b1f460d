"""The definitions of the tools. Every model reads them in every conversation, so no change may go unseen."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import Tool

from rtstream.client import RTStreamClient
from server.mcp_server import INSTRUCTIONS, create_endpoint
from tools._framework.groups import FORMER_GROUPS, GROUPS
from tools.registry import toolset

SNAPSHOTS = Path(__file__).parents[1] / "snapshots" / "tools"
MAX_BYTES = 26_000
MAX_TOOLS = 24
MAX_PARAMETERS = 10
NAMES = [tool.name for tool in toolset()]


@pytest.fixture
async def listed() -> list[Tool]:
    return await create_endpoint(RTStreamClient("http://127.0.0.1:1", "key")).mcp.list_tools()


def wire(tool: Tool) -> dict[str, Any]:
    return tool.model_dump(mode="json", by_alias=True, exclude_none=True)


@pytest.mark.anyio
@pytest.mark.parametrize("name", NAMES)
async def test_a_definition_is_the_one_that_was_agreed_on(listed: list[Tool], name: str, update: bool) -> None:
    (tool,) = [tool for tool in listed if tool.name == name]
    text = json.dumps(wire(tool), indent=2, ensure_ascii=False) + "\n"
    path = SNAPSHOTS / f"{name}.json"
    if update:
        path.write_text(text, encoding="utf-8")
    assert path.read_text(encoding="utf-8") == text, "UPDATE_SNAPSHOTS=1 pytest tests/tools accepts the change"


def test_no_definition_is_kept_of_a_tool_that_is_gone() -> None:
    assert sorted(path.stem for path in SNAPSHOTS.glob("*.json")) == sorted(NAMES)


async def offered(**choice: Any) -> list[Tool]:
    """The tools of a server that was told which to offer."""
    return await create_endpoint(RTStreamClient("http://127.0.0.1:1", "key"), **choice).mcp.list_tools()


@pytest.mark.anyio
async def test_the_tools_that_every_conversation_loads_stay_small() -> None:
    tools = await offered(toolsets="default")
    answer = {"tools": [wire(tool) for tool in tools]}
    assert len(json.dumps(answer, ensure_ascii=False, separators=(",", ":")).encode()) <= MAX_BYTES
    assert len(tools) <= MAX_TOOLS
    for tool in tools:
        assert len(tool.input_schema.get("properties", {})) <= MAX_PARAMETERS, tool.name


@pytest.mark.anyio
async def test_a_user_chooses_groups_and_the_main_job_is_what_is_offered_first() -> None:
    main_job = {"connect_stream", "list_streams", "look", "index_visuals", "create_alert", "wait_for_events", "delete"}
    default = {tool.name for tool in await offered(toolsets="default")}
    assert main_job <= default < set(NAMES)
    videos = {tool.name for tool in await offered(toolsets="videos")}
    assert videos >= {"export_stream", "get_video", "index_spoken_words"}
    assert videos.isdisjoint({"connect_stream", "wait_for_events"})
    assert {tool.name for tool in await offered(toolsets="default, videos")} == default | videos
    everything = await offered(toolsets=",".join(["default", *GROUPS]))
    assert [tool.name for tool in everything] == NAMES, "a tool is neither among the default ones nor in a group"
    for group in GROUPS:
        assert await offered(toolsets=group), group
    with pytest.raises(ValueError, match=r"no group of tools 'weather'\. Use default, all, events"):
        await offered(toolsets="streams,weather")


@pytest.mark.anyio
@pytest.mark.parametrize("former", sorted(FORMER_GROUPS))
async def test_a_group_of_an_earlier_version_means_the_default_tools(former: str) -> None:
    names = [tool.name for tool in await offered(toolsets=former)]
    assert names == [tool.name for tool in await offered(toolsets="default")]


REACHABLE = {
    # operation of the reference -> the tool, and the arguments that select the operation
    "coll.connect_rtstream": ("connect_stream", {"url", "name", "record", "transcribe"}),
    "coll.list_rtstreams": ("list_streams", {"status", "name", "ordering", "limit", "cursor"}),
    "coll.get_rtstream": ("get_stream", {"stream_id"}),
    "rtstream.start": ("update_stream", {"stream_id", "running"}),
    "rtstream.stop": ("update_stream", {"stream_id", "running"}),
    "rtstream.generate_stream": ("generate_stream", {"stream_id", "start", "end"}),
    "rtstream.export": ("export_stream", {"stream_id", "name", "start", "end"}),
    "rtstream.start_transcript": ("transcribe", {"stream_id", "running", "engine"}),
    "rtstream.stop_transcript": ("transcribe", {"stream_id", "running", "engine"}),
    "rtstream.get_transcript": ("get_transcript", {"stream_id", "start", "end", "since", "page", "page_size"}),
    "rtstream.index_visuals": ("index_visuals", {"stream_id", "prompt", "batch_config", "model_name", "name"}),
    "rtstream.index_audio": ("index_audio", {"stream_id", "prompt", "batch_config", "model_name", "name"}),
    "rtstream.list_scene_indexes": ("get_stream", {"stream_id"}),
    "rtstream.get_scene_index": ("get_stream", {"stream_id"}),
    "scene_index.get_scenes": ("get_scenes", {"stream_id", "index_id", "start", "end", "page", "page_size"}),
    "scene_index.start": ("update_index", {"index_id", "running"}),
    "scene_index.stop": ("update_index", {"index_id", "running"}),
    "scene_index.update_prompt": ("update_index", {"index_id", "prompt"}),
    "conn.create_event": ("create_event", {"event_prompt", "label"}),
    "scene_index.create_alert": ("create_alert", {"event_id", "callback_url"}),
    "scene_index.list_alerts": ("list_alerts", {"streams"}),
    "scene_index.enable_alert": ("update_alert", {"alert_id", "enabled"}),
    "scene_index.disable_alert": ("update_alert", {"alert_id", "enabled"}),
    "rtstream.search": ("search", {"query", "streams"}),
    "video.index_spoken_words": ("export_stream", {"searchable"}),
    "video.search": ("search", {"query", "videos"}),
    "results.compile": ("search", {"query", "limit"}),
    "conn.connect_websocket": ("wait_for_events", {"streams", "channels", "since", "timeout_s"}),
    "coll.get_video": ("generate_stream", {"video_id"}),
    "coll.get_videos": ("list_videos", {"name"}),
    "video.generate_stream": ("generate_stream", {"video_id"}),
    "video.get_transcript": ("get_transcript", {"video_id"}),
    "video.delete": ("delete", {"kind", "id", "confirm"}),
    "async-response": ("jobs", {"job_id", "cancel", "limit"}),
}


@pytest.mark.anyio
@pytest.mark.parametrize("operation", sorted(REACHABLE))
async def test_every_operation_of_the_reference_is_among_the_default_tools(operation: str) -> None:
    tools = {tool.name: set(tool.input_schema["properties"]) for tool in await offered(toolsets="default")}
    name, arguments = REACHABLE[operation]
    assert arguments <= tools[name]


@pytest.mark.anyio
async def test_only_one_tool_removes_something(listed: list[Tool]) -> None:
    assert [tool.name for tool in listed if tool.annotations and tool.annotations.destructive_hint] == ["delete"]


@pytest.mark.anyio
async def test_the_instructions_name_only_tools_that_are_always_offered() -> None:
    words = {word.strip(".,:;()") for word in INSTRUCTIONS.split()}
    named = words & set(NAMES)
    assert named >= {"list_streams", "wait_for_events"}
    assert named <= {tool.name for tool in await offered(toolsets="default")}
    for tool in await offered(toolsets="default"):
        others = {word.strip(".,:;()'") for word in (tool.description or "").split()} & set(NAMES)
        assert others <= {tool.name for tool in await offered(toolsets="default")}, tool.name


@pytest.mark.anyio
@pytest.mark.parametrize("toolsets", ["default", "all", "videos,streams"])
async def test_read_only_offers_nothing_that_changes_anything_whatever_was_chosen(toolsets: str) -> None:
    tools = await offered(toolsets=toolsets, read_only=True)
    assert "list_videos" in {tool.name for tool in tools}
    assert all(tool.annotations and tool.annotations.read_only_hint for tool in tools)
    kept = {tool.name for tool in tools}
    assert kept == {
        tool.name for tool in await offered(toolsets=toolsets) if tool.annotations and tool.annotations.read_only_hint
    }


@pytest.mark.anyio
async def test_every_tool_has_a_title_all_four_hints_and_schemas(listed: list[Tool]) -> None:
    for tool in listed:
        assert tool.title
        assert tool.description
        hints = tool.annotations
        assert hints is not None
        assert None not in (hints.read_only_hint, hints.destructive_hint, hints.idempotent_hint, hints.open_world_hint)
        assert tool.output_schema is not None
        assert tool.output_schema["type"] == "object"
        assert tool.input_schema["type"] == "object"


@pytest.mark.anyio
async def test_a_tool_that_is_not_offered_is_refused_with_the_reason() -> None:
    endpoint = create_endpoint(RTStreamClient("http://127.0.0.1:1", "key"), toolsets="all", read_only=True)
    with pytest.raises(ToolError, match="update_stream is not offered, because this server was started with --read"):
        await endpoint.mcp.call_tool("update_stream", {"stream_id": "rts-1", "running": False})


@pytest.mark.anyio
async def test_a_tool_of_a_group_and_a_former_tool_are_refused_with_the_way_to_them() -> None:
    endpoint = create_endpoint(RTStreamClient("http://127.0.0.1:1", "key"), toolsets="default")
    with pytest.raises(ToolError, match=r"get_video is not offered here\. .* --toolsets default,videos"):
        await endpoint.mcp.call_tool("get_video", {"video_id": "m-1"})
    with pytest.raises(ToolError, match="stop_stream is now update_stream with running=false"):
        await endpoint.mcp.call_tool("stop_stream", {"stream_id": "rts-1"})


@pytest.mark.anyio
async def test_two_lists_are_the_same(listed: list[Tool]) -> None:
    again = await create_endpoint(RTStreamClient("http://127.0.0.1:2", "key")).mcp.list_tools()
    assert [wire(tool) for tool in again] == [wire(tool) for tool in listed]


REFUSED = (
    "const",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "$ref",
    "$defs",
    "patternProperties",
    "oneOf",
    "allOf",
    "not",
)


def refused_by_providers(schema: Any, path: str) -> list[str]:
    """The parts of a schema of parameters that some providers of models refuse."""
    if isinstance(schema, list):
        return [line for number, part in enumerate(schema) for line in refused_by_providers(part, f"{path}/{number}")]
    if not isinstance(schema, dict):
        return []
    found = [f"{path}: {word}" for word in REFUSED if word in schema]
    kind = schema.get("type")
    if isinstance(kind, list) or "anyOf" in schema or ("/" in path and kind is None and "enum" not in schema):
        found.append(f"{path}: not one type")
    if kind == "object" and "/" in path and not schema.get("properties"):
        found.append(f"{path}: an object without properties")
    if kind == "array" and not schema.get("items"):
        found.append(f"{path}: an array without items")
    for key, value in schema.items():
        parts = value.items() if key == "properties" else [(key, value)]
        found += [line for name, part in parts for line in refused_by_providers(part, f"{path}/{name}")]
    return found


@pytest.mark.anyio
async def test_schemas_of_parameters_contain_nothing_that_providers_refuse(listed: list[Tool]) -> None:
    assert [line for tool in listed for line in refused_by_providers(tool.input_schema, tool.name)] == []
