"""Settings of the program: names of earlier versions are reported, and never keep a chat client from starting."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp import Client, StdioServerParameters

from rtstream.errors import InvalidRequest
from server.settings import load
from tests.server.mcp_servers import SCRIPT

pytestmark = pytest.mark.anyio

OLD = "RTSTREAM_WEBHOOK_ALLOW_PRIVATE"
NEW = "RTSTREAM_WEBHOOK_ALLOW_NETWORKS"


def environment(folder: Path, **more: str) -> dict[str, str]:
    own = {name: value for name, value in os.environ.items() if not name.startswith("RTSTREAM_")}
    return {**own, "RTSTREAM_DATA_DIR": str(folder), **more}


@pytest.mark.parametrize(
    ("arguments", "settings"),
    [
        (["serve", "--port", "0"], {OLD: "true"}),
        (["serve", "--port", "0"], {OLD: "false"}),
        (["serve", "--port", "0", "--webhook-allow-private"], {}),
        (["serve", "--port", "0", "--no-webhook-allow-private"], {}),
        (["doctor"], {OLD: "1"}),
    ],
)
async def test_an_earlier_name_of_a_setting_ends_the_command_and_names_the_new_one(
    tmp_path: Path, arguments: list[str], settings: dict[str, str]
) -> None:
    with anyio.fail_after(150):
        ended = await anyio.run_process(
            [str(SCRIPT), *arguments], env=environment(tmp_path, **settings), check=False, stderr=subprocess.STDOUT
        )
    assert ended.returncode == 2
    assert NEW in ended.stdout.decode()
    assert "Traceback" not in ended.stdout.decode()


async def test_the_stdio_server_starts_all_the_same_and_reports_it_in_instructions_and_results(tmp_path: Path) -> None:
    server = StdioServerParameters(command=str(SCRIPT), args=[], env=environment(tmp_path, **{OLD: "true"}))
    with anyio.fail_after(150):
        async with Client(server) as client:
            assert NEW in (client.instructions or "")
            result: Any = await client.call_tool("list_streams", {})
            assert not result.is_error, result
            assert NEW in result.content[0].text
            assert result.structured_content["streams"] == []
            engine = (tmp_path / "engine.json").read_text()
    pid = int(engine.partition('"pid": ')[2].split(",")[0])
    os.kill(pid, 15)


def test_each_use_has_a_list_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RTSTREAM_ALLOW_NETWORKS", "private")
    monkeypatch.setenv(NEW, "loopback")
    settings = load()
    assert (settings.allow_networks, settings.webhook_allow_networks) == ("private", "loopback")
    monkeypatch.setenv(OLD, "true")
    with pytest.raises(InvalidRequest, match=f"{OLD} is now {NEW}"):
        load()
    assert load(lenient=True).webhook_allow_networks == "loopback"


async def test_the_doctor_shows_where_streams_and_webhooks_may_lead(tmp_path: Path) -> None:
    env = environment(tmp_path, RTSTREAM_ALLOW_NETWORKS="private", RTSTREAM_WEBHOOK_ALLOW_NETWORKS="lan")
    with anyio.fail_after(150):
        ended = await anyio.run_process([str(SCRIPT), "doctor"], env=env, check=False, stderr=subprocess.STDOUT)
    said = ended.stdout.decode()
    assert "ok   stream networks    public addresses and private (RTSTREAM_ALLOW_NETWORKS)." in said
    assert "FAIL webhook networks   RTSTREAM_WEBHOOK_ALLOW_NETWORKS takes CIDR ranges" in said
    assert ended.returncode == 1
