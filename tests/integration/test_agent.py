"""An agent of another framework drives the MCP server over HTTP, with a scripted model in place of a real one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from tests.server.mcp_servers import KEY, Served
from tools.registry import toolset

pytestmark = pytest.mark.anyio


async def test_an_agent_of_pydantic_ai_calls_tools_and_recovers_from_an_error(served: Served) -> None:
    mcp = pytest.importorskip("pydantic_ai.mcp", reason="needs fastmcp-slim", exc_type=ImportError)
    from pydantic_ai import Agent
    from pydantic_ai.messages import (
        ModelMessage,
        ModelRequest,
        ModelResponse,
        RetryPromptPart,
        TextPart,
        ToolCallPart,
        ToolReturnPart,
    )
    from pydantic_ai.models.function import AgentInfo, FunctionModel

    stream_id = await served.add_stream("Front door")
    calls = [
        ToolCallPart("list_streams", {}),
        ToolCallPart("update_stream", {"stream_id": "Back door", "running": False}),  # there is none
        ToolCallPart("update_stream", {"stream_id": "Front door", "running": False}),
    ]
    answers: list[Any] = []
    offered: set[str] = set()

    def model(messages: Sequence[ModelMessage], info: AgentInfo) -> ModelResponse:
        offered.update(tool.name for tool in info.function_tools)
        last = messages[-1]
        assert isinstance(last, ModelRequest)
        answers.extend(part.content for part in last.parts if isinstance(part, ToolReturnPart | RetryPromptPart))
        done = sum(isinstance(message, ModelResponse) for message in messages)
        return ModelResponse([calls[done] if done < len(calls) else TextPart("It is stopped.")])

    headers = {"authorization": f"Bearer {KEY}"}
    agent = Agent(FunctionModel(model), toolsets=[mcp.MCPToolset(f"{served.url}/mcp", headers=headers)])
    result = await agent.run("Stop the camera at the front door.")
    assert result.output == "It is stopped."
    assert offered == {tool.name for tool in toolset("default")}
    listed, refused, stopped = answers
    assert listed["streams"][0]["stream_id"] == stream_id
    assert 'There is no stream "Back door"' in str(refused)
    assert stopped["streams"][0]["status"] == "stopped"
