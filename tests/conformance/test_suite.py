"""The official conformance suite, and the MCP Inspector, against the product."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import anyio
import pytest

from tests.conformance.fixtures import with_fixtures
from tests.node_packages import node, node_packages
from tests.server.mcp_servers import KEY, SCRIPT, serving
from tools.registry import definitions

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.conformance,
    # The older revision's scenarios ask a server for what later ones have deprecated.
    pytest.mark.filterwarnings("ignore::mcp.MCPDeprecationWarning"),
]

Run = Callable[..., Awaitable[str]]
FOLDER = Path(__file__).parent
PACKAGES = (
    "@modelcontextprotocol/conformance@0.2.0-alpha.12",
    "@modelcontextprotocol/inspector@2.12.0",
)
RUN_S = 120


@pytest.fixture(scope="session")
def node_modules() -> Path:
    """The folder of the suite and the Inspector, installed once per version. Skips without npm, except in CI."""
    return node_packages("conformance", *PACKAGES)


@pytest.fixture
async def run(node_modules: Path, tmp_path: Path) -> Run:
    """Run a program of the packages with their own Node, in a folder of its own. Returns its output."""
    home = tmp_path / "home"
    home.mkdir()
    binaries = node_modules / ".bin"
    path = os.pathsep.join([str(node().parent), os.environ["PATH"]])
    env = {**os.environ, "PATH": path, "HOME": str(home), "NO_COLOR": "1"}

    async def run(program: str, *arguments: str) -> str:
        command = [str(binaries / program), *arguments]
        with anyio.fail_after(RUN_S):
            ended = await anyio.run_process(command, env=env, cwd=home, check=False)
        printed = ended.stdout.decode()
        assert ended.returncode == 0, (printed + ended.stderr.decode())[-8000:]
        return printed

    return run


@pytest.mark.parametrize("revision", ["2025-11-25", "2026-07-28"])
async def test_every_requirement_of_a_revision_is_met(run: Run, tmp_path: Path, revision: str) -> None:
    async with serving(tmp_path / "data", create_server=with_fixtures, mcp_require_key=False) as served:
        printed = await run("conformance", "server", "--url", f"{served.url}/mcp", "--requirements", revision)
    scored = printed.partition("Not scored for")[0]
    assert re.search(r"^Total: \d{2,} passed", scored, re.MULTILINE)
    unscored = set(re.findall(r"^  [✓✗] (\S+) ", printed, re.MULTILINE))
    assert set(re.findall(r"^✗ ([^:]+):", scored, re.MULTILINE)) <= unscored


@pytest.mark.parametrize("revision", ["2025-11-25", "2026-07-28"])
async def test_the_product_as_it_is_fails_only_where_fixtures_are_wanted(
    run: Run, tmp_path: Path, revision: str
) -> None:
    baseline = str(FOLDER / f"baseline-{revision}.yml")
    async with serving(tmp_path / "data", mcp_require_key=False) as served:
        given = ("--url", f"{served.url}/mcp", "--requirements", revision, "--expected-failures", baseline)
        assert "Baseline check passed" in await run("conformance", "server", *given)


@pytest.mark.parametrize(
    ("transport", "era"),
    [
        ("stdio", "legacy"),
        ("http", "modern"),
        pytest.param("stdio", "modern", marks=pytest.mark.long),
        pytest.param("http", "legacy", marks=pytest.mark.long),
    ],
)
async def test_the_inspector_lists_calls_and_reads(run: Run, tmp_path: Path, transport: str, era: str) -> None:
    async with serving(tmp_path / "data", mcp_require_key=False) as served:
        stream_id = await served.add_stream("Door")
        started = ("env", f"RTSTREAM_API_URL={served.url}", f"RTSTREAM_API_KEY={KEY}", str(SCRIPT))
        target = (f"{served.url}/mcp",) if transport == "http" else started

        async def ask(method: str, *more: str) -> dict[str, Any]:
            given = ("--method", method, *more, "--protocol-era", era, "--format", "json", "-q")
            return json.loads(await run("mcp-inspector", "--cli", *target, *given))["result"]

        listed = await ask("tools/list", "--strict")  # fails on schemas that some host cannot read
        assert "wait_for_events" in [tool["name"] for tool in listed["tools"]]
        called = await ask("tools/call", "--tool-name", "get_stream", "--tool-arg", f"stream_id={stream_id}")
        assert called["structuredContent"]["name"] == "Door"
        uri = f"rtstream://streams/{stream_id}"
        assert uri in json.dumps(await ask("resources/read", "--uri", "rtstream://streams"))
        prompt = await ask("prompts/get", "--prompt-name", "watch_stream", "--prompt-args", f"stream_id={stream_id}")
        assert stream_id in prompt["messages"][0]["content"]["text"]


async def test_all_tools_have_schemas_that_every_host_can_read(run: Run, tmp_path: Path) -> None:
    async with serving(tmp_path / "data", mcp_require_key=False, toolsets="all") as served:
        given = ("--method", "tools/list", "--strict", "--format", "json", "-q")
        listed = json.loads(await run("mcp-inspector", "--cli", f"{served.url}/mcp", *given))["result"]
    assert len(listed["tools"]) == len(definitions())
