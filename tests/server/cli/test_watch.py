"""``rtstream-mcp watch`` as a coding agent runs it: a process that ends when something has happened."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from anyio.abc import Process
from anyio.streams.text import TextReceiveStream

from tests.server.mcp_servers import KEY, LIMIT_S, SCRIPT, Served, serving

pytestmark = pytest.mark.anyio

HOSTILE = "x'; touch pwned; $(touch pwned) `touch pwned` | touch pwned\n--exec touch pwned\u202e\x1b[2J"


class Lines:
    """The lines a process prints."""

    def __init__(self, process: Process) -> None:
        assert process.stdout is not None
        self.process = process
        self._text = TextReceiveStream(process.stdout)
        self._kept = ""

    async def next(self) -> dict[str, Any]:
        """The next line."""
        with anyio.fail_after(LIMIT_S):
            while "\n" not in self._kept:
                self._kept += await self._text.receive()
        line, _, self._kept = self._kept.partition("\n")
        return json.loads(line)

    async def end(self) -> int:
        """Its exit status."""
        with anyio.fail_after(LIMIT_S):
            return await self.process.wait()


def environment(url: str) -> dict[str, str]:
    return {"RTSTREAM_API_URL": url, "RTSTREAM_API_KEY": KEY, "PATH": "/usr/bin:/bin"}


@asynccontextmanager
async def watching(url: str, *arguments: str, cwd: Path | None = None) -> AsyncIterator[Lines]:
    async with await anyio.open_process([str(SCRIPT), "watch", *arguments], env=environment(url), cwd=cwd) as process:
        try:
            yield Lines(process)
        finally:
            if process.returncode is None:
                process.kill()


async def ended(served: Served, *arguments: str) -> tuple[int, list[dict[str, Any]], str]:
    """Run it to its end. Returns the exit status, the lines and the text on stderr."""
    with anyio.fail_after(LIMIT_S):
        done = await anyio.run_process([str(SCRIPT), "watch", *arguments], env=environment(served.url), check=False)
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()], done.stderr.decode()


async def test_it_ends_with_the_first_match_and_prints_nothing_else(served: Served) -> None:
    door, yard = await served.add_stream("Door"), await served.add_stream("Yard")
    before = await served.happen("alert", door, label="person", confidence=0.9, text="before")
    given = ("--stream", door, "--label", "person", "--min-confidence", "0.5", "--text", "Courier")
    async with watching(served.url, *given, "--since", str(before)) as lines:
        await served.happen("alert", yard, label="person", confidence=0.9, text="a courier")
        await served.happen("alert", door, label="car", confidence=0.9, text="a courier")
        await served.happen("alert", door, label="person", confidence=0.1, text="a courier")
        await served.happen("alert", door, label="person", confidence=0.9, text="a neighbour")
        match = await served.happen("alert", door, label="person", confidence=0.9, text="a courier")
        line = await lines.next()
        assert (line["seq"], line["stream_id"], line["label"], line["untrusted_text"]) == (
            match,
            door,
            "person",
            "a courier",
        )
        assert await lines.end() == 0


async def test_without_a_place_to_begin_it_waits_for_what_happens_from_now_on(served: Served) -> None:
    stream_id = await served.add_stream()
    await served.happen("alert", stream_id, label="person", text="before")
    assert await ended(served, "--channel", "alerts", "--timeout", "0.5") == (1, [], "")


async def test_following_goes_on_through_a_restart_of_the_engine_and_repeats_nothing(tmp_path: Path) -> None:
    seen: list[int] = []
    async with serving(tmp_path / "data") as first:
        stream_id, port = await first.add_stream(), first.url.rpartition(":")[2]
        written = [await first.happen("alert", stream_id, label="n0")]
        async with watching(first.url, "--follow", "--since", "0", "--channel", "alerts") as lines:
            seen.append((await lines.next())["seq"])
            first.stop.set()
            await first.closed.wait()
            async with serving(tmp_path / "data", port=int(port)) as second:
                written += [await second.happen("alert", stream_id, label=f"n{n}") for n in range(1, 4)]
                while len(seen) < 4:
                    seen.append((await lines.next())["seq"])
            assert seen == written


async def test_words_of_a_stream_reach_a_command_on_its_input_and_never_as_an_argument(
    served: Served, tmp_path: Path
) -> None:
    stream_id = await served.add_stream()
    await served.happen("alert", stream_id, label=HOSTILE, explanation=HOSTILE, text=HOSTILE)
    code = (
        "import json, sys, pathlib\n"
        "pathlib.Path('told.json').write_text(json.dumps([sys.argv[1:], json.loads(sys.stdin.read())]))"
    )
    given = ("--since", "0", "--exec", sys.executable, "-c", code, "--title", "Camera; echo")
    async with watching(served.url, *given, cwd=tmp_path) as lines:
        line = await lines.next()
        assert await lines.end() == 0
    arguments, told = json.loads((tmp_path / "told.json").read_text())
    assert arguments == ["--title", "Camera; echo"]
    assert told == line
    assert "touch pwned" in told["untrusted_text"]
    assert not (tmp_path / "pwned").exists()
    assert "\x1b" not in told["untrusted_text"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--stream", "rts-none"), "rts-none"),
        (("--exec", "no-such-program"), "unknown program 'no-such-program'"),
        (("--channel", "smells"), "invalid choice: 'smells'"),
        (("--min-confidence", "7"), "min_confidence"),
    ],
)
async def test_what_cannot_be_watched_is_said_at_once(
    served: Served, arguments: tuple[str, ...], sentence: str
) -> None:
    status, lines, said = await ended(served, *arguments)
    assert (status, lines) == (2, [])
    assert sentence in said
    assert "Traceback" not in said


async def test_without_an_engine_it_says_so_and_starts_none(tmp_path: Path) -> None:
    env = {"RTSTREAM_DATA_DIR": str(tmp_path / "data"), "PATH": "/usr/bin:/bin"}
    done = await anyio.run_process([str(SCRIPT), "watch"], env=env, check=False)
    assert done.returncode == 2
    assert "No engine is running" in done.stderr.decode()
    assert not (tmp_path / "data" / "engine.json").exists()


async def test_a_reader_that_has_enough_ends_it_quietly(served: Served) -> None:
    stream_id = await served.add_stream()
    for _ in range(3):
        await served.happen("alert", stream_id, label="person")
    with subprocess.Popen(
        [str(SCRIPT), "watch", "--since", "0", "--follow"],
        env=environment(served.url),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        await anyio.to_thread.run_sync(process.stdout.readline)
        process.stdout.close()
        await served.happen("alert", stream_id, label="person")
        assert await anyio.to_thread.run_sync(process.wait, LIMIT_S) == 0
        assert process.stderr.read() == ""
