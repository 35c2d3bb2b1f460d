"""Claude Code, as users install it, drives the MCP server over stdio. A server on loopback plays its model."""

from __future__ import annotations

import json
import os
import re
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import pytest

from rtstream.store.journal import Filter
from rtstream.testsource import LiveSource
from tests.messages_server import Say, ToolUse, messages_server, results_of
from tests.node_packages import node, node_packages
from tests.server.mcp_servers import KEY, SCRIPT, Served
from tools.registry import toolset

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(600)]  # the first run installs packages

PACKAGE = "@anthropic-ai/claude-code@2.1.328"
PREFIX = "mcp__rtstream__"
TOOLS = ("connect_stream", "create_alert", "wait_for_events")
TASK = "Watch the desk, and tell me when its picture changes."
RUN_S = 180
QUIET = (
    "DISABLE_TELEMETRY",
    "DISABLE_ERROR_REPORTING",
    "DISABLE_AUTOUPDATER",
    "DISABLE_BUG_COMMAND",
    "DISABLE_COST_WARNINGS",
    "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC",
)
"""Variables that keep the program from calling anything but its model."""


@dataclass
class Model:
    """Connects a stream, creates an alert, waits for it, and repeats what it read."""

    source_url: str
    offered: set[str] = field(default_factory=set)

    def reply(self, asked: dict[str, Any]) -> Say:
        """Return the next step of the task."""
        tools = {tool["name"] for tool in asked.get("tools", [])}
        if PREFIX + "connect_stream" not in tools:
            return "Watching the desk"  # the program also asks for titles
        self.offered |= {name.removeprefix(PREFIX) for name in tools if name.startswith(PREFIX)}
        results = results_of(asked)
        match len(results):
            case 0:
                return ToolUse(PREFIX + "connect_stream", {"url": self.source_url, "name": "Desk"})
            case 1:
                event = {"event_prompt": "the picture changes", "label": "changed"}
                return ToolUse(PREFIX + "create_alert", {"streams": ["Desk"], **event})
        if '"player_url"' in results[-1]:
            return f"The alert is {results[-1]}"
        since = re.search(r"since=(\d+)", results[-1])
        assert since is not None, results[-1]
        arguments = {"channels": ["alerts"], "since": int(since[1]), "timeout_s": 30}
        return ToolUse(PREFIX + "wait_for_events", arguments)


def environment(home: Path, model_url: str) -> dict[str, str]:
    """Return an environment without anything of the user's own."""
    return {
        **{name: "1" for name in QUIET},
        "PATH": os.pathsep.join([str(node().parent), os.environ["PATH"]]),
        "HOME": str(home),
        "CLAUDE_CONFIG_DIR": str(home / "claude"),
        "ANTHROPIC_BASE_URL": model_url,
        "ANTHROPIC_API_KEY": "sk-ant-test",
        "ENABLE_TOOL_SEARCH": "false",
        "MCP_TIMEOUT": "60000",
        "MCP_TOOL_TIMEOUT": "120000",
    }


@pytest.mark.long
async def test_claude_code_connects_a_stream_waits_and_reads_an_alert(
    served: Served, live_source: LiveSource, tmp_path: Path
) -> None:
    modules = node_packages("claude-code", PACKAGE)
    home = tmp_path / "home"
    home.mkdir()
    started_with = {"RTSTREAM_API_URL": served.url, "RTSTREAM_API_KEY": KEY}
    server = {"type": "stdio", "command": str(SCRIPT), "args": [], "env": started_with}
    (home / "mcp.json").write_text(json.dumps({"mcpServers": {"rtstream": server}}))
    model = Model(live_source.rtsp_url)
    async with messages_server(model.reply) as played:
        command = [str(modules / ".bin" / "claude"), "--print", TASK, "--output-format", "json"]
        command += ["--mcp-config", str(home / "mcp.json"), "--strict-mcp-config", "--model", "claude-sonnet-5-5"]
        command += ["--allowedTools", ",".join(PREFIX + name for name in TOOLS)]
        with anyio.fail_after(RUN_S):
            env = environment(home, played.url)
            ended = await anyio.run_process(command, cwd=home, env=env, stdin=subprocess.DEVNULL, check=False)
    printed = ended.stdout.decode()
    assert ended.returncode == 0, (printed + ended.stderr.decode())[-8000:]
    result = json.loads(printed)
    assert not result["is_error"], result
    read = json.loads(result["result"].removeprefix("The alert is "))
    [alert] = [event for event in read["events"] if event["channel"] == "alerts"][:1]
    page = await served.engine.journal.read(0, Filter(channels=["alert"]))
    assert alert["seq"] in {message.seq for message in page.entries}
    assert alert["label"] == "changed"
    assert alert["player_url"].startswith(served.url)
    assert model.offered == {tool.name for tool in toolset("default")}
