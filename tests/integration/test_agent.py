"""Agents of other frameworks drive the MCP server over HTTP, with a scripted model on loopback."""

from __future__ import annotations

import json
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import pytest

from tests.modelserver import KEY as MODEL_KEY
from tests.modelserver import Answer, Call, chat_completion, forget_keys, model_server, tool_call
from tests.node_packages import node, node_packages
from tests.server.mcp_servers import KEY, LIMIT_S, Served
from tools.registry import toolset

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(400)]  # the first run installs packages

MODEL = "agent-1"
OPENAI_AGENTS = ("@openai/agents@0.20.0", "openai@7.2.0", "zod@4.6.7")
NODE_AGENT = Path(__file__).parent / "node_agent.mjs"
TASK = "Stop the camera at the front door."
Run = Callable[[str, str], Awaitable[str]]
"""Carries out the task with the MCP server and the model server at these URLs. Returns the last words of the agent."""


@dataclass
class Script:
    """A model that calls tools one after the other, and then says a sentence."""

    calls: list[tuple[str, dict[str, Any]]]
    sentence: str
    offered: set[str] = field(default_factory=set)
    results: list[str] = field(default_factory=list)

    def reply(self, asked: Call) -> Answer:
        """Return the next call, and note the tools and results that the agent sent."""
        messages = asked.body["messages"]
        self.offered |= {tool["function"]["name"] for tool in asked.body["tools"]}
        self.results = [_text(message["content"]) for message in messages if message["role"] == "tool"]
        done = sum(message["role"] == "assistant" for message in messages)
        if done == len(self.calls):
            return Answer(chat_completion(self.sentence))
        name, arguments = self.calls[done]
        return Answer(tool_call(name, arguments, f"call-{done}"))


def _text(content: str | list[dict[str, Any]]) -> str:
    return content if isinstance(content, str) else "".join(part["text"] for part in content)


async def run_pydantic_ai(mcp_url: str, model_url: str) -> str:
    mcp = pytest.importorskip("pydantic_ai.mcp", reason="needs fastmcp-slim", exc_type=ImportError)
    from pydantic_ai import Agent
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.providers.openai import OpenAIProvider

    model = OpenAIChatModel(MODEL, provider=OpenAIProvider(base_url=model_url, api_key=MODEL_KEY))
    toolset = mcp.MCPToolset(mcp_url, headers={"authorization": f"Bearer {KEY}"})
    return (await Agent(model, toolsets=[toolset]).run(TASK)).output


async def run_openai_agents(mcp_url: str, model_url: str) -> str:
    modules = node_packages("openai-agents", *OPENAI_AGENTS, scripts=False)
    given = (str(modules), mcp_url, KEY, model_url, MODEL_KEY, MODEL, TASK)
    env = {"PATH": os.environ["PATH"], "OPENAI_AGENTS_DISABLE_TRACING": "1"}
    with anyio.fail_after(LIMIT_S):
        ended = await anyio.run_process([str(node()), str(NODE_AGENT), *given], env=env, check=False)
    assert ended.returncode == 0, ended.stderr.decode()[-8000:]
    return ended.stdout.decode().strip()


@pytest.mark.parametrize("run", [run_pydantic_ai, run_openai_agents])
async def test_an_agent_of_another_framework_calls_tools_and_recovers_from_an_error(
    served: Served, monkeypatch: pytest.MonkeyPatch, run: Run
) -> None:
    forget_keys(monkeypatch)
    stream_id = await served.add_stream("Front door")
    script = Script(
        [
            ("list_streams", {}),
            ("update_stream", {"stream_id": "Back door", "running": False}),  # there is none
            ("update_stream", {"stream_id": "Front door", "running": False}),
        ],
        "It is stopped.",
    )
    async with model_server() as model:
        model.reply = script.reply
        assert await run(f"{served.url}/mcp", f"{model.url}/v1") == "It is stopped."
    assert script.offered == {tool.name for tool in toolset("default")}
    listed, refused, stopped = script.results
    assert json.loads(listed)["streams"][0]["stream_id"] == stream_id
    assert "There is no stream" in refused
    assert "Back door" in refused
    assert json.loads(stopped)["streams"][0]["status"] == "stopped"
