"""The doctor, run as a process: its report, its cost, and the secrets it keeps to itself."""

from __future__ import annotations

import os
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import pytest
from filelock import FileLock

from server.engine_file import ENGINE_LOCK, write_engine_file
from server.http import identity_of
from tests.modelserver import KEY, Answer, Call, ModelServer, failure, model_server
from tests.server.mcp_servers import KEY as ENGINE_KEY
from tests.server.mcp_servers import SCRIPT, serving

pytestmark = pytest.mark.anyio

VERDICTS = """{"verdicts": [
  {"event": 1, "explanation": "It is open.", "match": true, "confidence": 0.9},
  {"event": 2, "explanation": "Nothing burns.", "match": false, "confidence": 0.9}]}"""


@pytest.fixture
async def server() -> AsyncIterator[ModelServer]:
    """A model that sees colours and decides the two test events."""

    def look(call: Call) -> str | Answer:
        if call.model == "locked":
            return Answer(failure(f"Incorrect API key provided: {KEY}"), 401)
        if "response_format" in call.body:
            return VERDICTS
        red = all(picture.getpixel((20, 20))[0] > 150 for picture in call.pictures)  # pyright: ignore
        return "red" if red and call.model != "blind" else "grey"

    async with model_server() as running:
        running.reply = look
        yield running


async def doctor(folder: Path, *arguments: str, **settings: str) -> tuple[int, str]:
    """Exit status and output."""
    kept = {name: value for name, value in os.environ.items() if not name.endswith("_API_KEY")}
    env = {**kept, "RTSTREAM_DATA_DIR": str(folder), **settings}
    with anyio.fail_after(150):
        done = await anyio.run_process(
            [str(SCRIPT), "doctor", *arguments], env=env, check=False, stderr=subprocess.STDOUT
        )
    return done.returncode, done.stdout.decode()


async def test_without_any_setting_it_says_what_works_and_what_is_absent(tmp_path: Path) -> None:
    status, said = await doctor(tmp_path / "data")
    assert status == 0, said
    assert "-    seeing             No model is set. The built-in default reads text on screen" in said
    assert "None is running. It starts with the first call" in said
    assert "SRT sources" in said
    assert said.endswith("Everything that is configured works.\n")


async def test_each_configured_model_is_tried_once_and_says_where_its_key_is_from(
    tmp_path: Path, server: ModelServer
) -> None:
    status, said = await doctor(
        tmp_path,
        RTSTREAM_VISION_MODEL="openai:eye-1",
        RTSTREAM_MODEL_MINI="openai:tiny",
        RTSTREAM_MODEL_BASE_URL=server.url,
        RTSTREAM_MODEL_API_KEY=KEY,
    )
    assert status == 0, said
    where = f"(at 127.0.0.1:{server.port}, key from RTSTREAM_MODEL_API_KEY, "
    assert f"ok   seeing             openai:eye-1 {where}" in said
    assert f"ok   tier mini          openai:tiny {where}" in said
    assert f"ok   deciding events    openai:eye-1 {where}" in said
    assert sorted(call.model for call in server.calls) == ["eye-1", "eye-1", "tiny"]
    assert KEY not in said


async def test_what_does_not_work_is_said_in_plain_words_and_the_status_is_one(
    tmp_path: Path, server: ModelServer
) -> None:
    status, said = await doctor(
        tmp_path,
        RTSTREAM_VISION_MODEL="openai:blind",
        RTSTREAM_LANGUAGE_MODEL="anthropic:claude-haiku-5-5",
        RTSTREAM_MODEL_PRO="openai:locked",
        RTSTREAM_MODEL_BASE_URL=server.url,
        RTSTREAM_MODEL_API_KEY=KEY,
        RTSTREAM_API_URL="http://user:hunter2secret@127.0.0.1:1",
        RTSTREAM_API_KEY=ENGINE_KEY,
        RTSTREAM_SPEECH_ENGINE="telepathy",
    )
    assert status == 1, said
    broken = [line for line in said.splitlines() if line.startswith("FAIL")]
    assert [line[5:23].strip() for line in broken] == ["engine", "seeing", "tier pro", "deciding events", "speech"]
    assert "No engine responds at http://127.0.0.1:1" in broken[0]
    assert "calls a red picture 'grey'" in broken[1]
    assert "rejected the key" in broken[2]
    assert "Set the environment variable ANTHROPIC_API_KEY" in broken[3]
    assert said.splitlines()[-1] == "5 of these need attention."
    for secret in (KEY, ENGINE_KEY, "hunter2secret", "Traceback"):
        assert secret not in said


async def test_a_running_engine_is_found_and_one_with_older_settings_is_noticed(
    tmp_path: Path, server: ModelServer
) -> None:
    async with serving(tmp_path / "data") as served:
        own = {"RTSTREAM_API_URL": served.url, "RTSTREAM_API_KEY": ENGINE_KEY}
        status, said = await doctor(tmp_path / "elsewhere", **own)
        assert status == 0, said
        assert f"ok   engine             {served.url} answers: version" in said
        write_engine_file(served.data_dir, served.url, identity_of(served.engine.config, served.engine.identity_secret))
        newer = {"RTSTREAM_VISION_MODEL": "ollama:eye", "OLLAMA_BASE_URL": server.url, "RTSTREAM_API_KEY": ENGINE_KEY}
        with FileLock(served.data_dir / ENGINE_LOCK):  # as the engine's own process holds it
            status, said = await doctor(served.data_dir, **newer)
        assert status == 1
        assert "uses the vision model local, the settings name ollama:eye. Restart it" in said
        status, said = await doctor(tmp_path / "elsewhere", **{**own, "RTSTREAM_API_KEY": "sk-wrong"})
        assert status == 1
        assert "The API key is wrong" in said


async def test_a_setting_that_is_wrong_is_named(tmp_path: Path) -> None:
    status, said = await doctor(tmp_path, RTSTREAM_VISION_MODEL="gpt")
    assert status == 2
    assert "RTSTREAM_VISION_MODEL" in said
