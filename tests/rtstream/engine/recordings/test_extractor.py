"""Work on media in processes of its own: a hang or a crash fails one call, and link holders do not delay the owner."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anyio
import anyio.from_thread
import httpx
import pytest

from rtstream.engine.engine import Engine
from rtstream.engine.recordings import extractor as module
from rtstream.engine.recordings.extractor import Extractor
from rtstream.errors import NotFound, Unavailable
from tests.integration.recorder_processes import alive
from tests.rtstream.engine.recordings.test_exports import START, STREAM, add_recording, add_stream
from tests.waiting import eventually

pytestmark = pytest.mark.anyio


@pytest.fixture
async def extractor() -> AsyncIterator[Extractor]:
    made = Extractor(1, waiting=3)
    yield made
    await made.aclose()


async def test_the_engine_goes_on_while_a_media_process_is_slow_to_start(
    extractor: Extractor, monkeypatch: pytest.MonkeyPatch
) -> None:
    submit = module.ProcessPoolExecutor.submit
    starting, imported = anyio.Event(), threading.Event()
    waits: list[bool] = []

    def slow_submit(*args: Any) -> Any:
        anyio.from_thread.run_sync(starting.set)
        waits.append(imported.wait(5))  # a fork server that is still importing, which blocks its caller
        return submit(*args)

    monkeypatch.setattr(module.ProcessPoolExecutor, "submit", slow_submit)

    async def other_work() -> None:
        await starting.wait()
        imported.set()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(other_work)
        assert await extractor.run(abs, -1) == 1
    assert waits == [True]


async def test_a_call_that_hangs_fails_alone(extractor: Extractor, monkeypatch: pytest.MonkeyPatch) -> None:
    assert await extractor.run(abs, -1) == 1
    monkeypatch.setattr(module, "TIMEOUT_S", 0.5)
    outcomes: list[object] = []

    async def hang() -> None:
        with pytest.raises(Unavailable):
            await extractor.run(time.sleep, 3600.0)
        outcomes.append("hung")

    async def work() -> None:
        monkeypatch.setattr(module, "TIMEOUT_S", 20.0)
        outcomes.append(await extractor.run(abs, -2))

    with anyio.fail_after(30):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(hang)
            await anyio.wait_all_tasks_blocked()
            for _ in range(3):
                tasks.start_soon(work)
    assert outcomes == ["hung", 2, 2, 2]


async def test_a_crash_is_tried_again_and_fails_alone(extractor: Extractor) -> None:
    with pytest.raises(Unavailable):
        await extractor.run(os._exit, 1)
    assert await extractor.run(abs, -3) == 3


async def test_what_cannot_be_shown_says_why_and_keeps_its_process(extractor: Extractor) -> None:
    before = await extractor.run(os.getpid)
    with pytest.raises(NotFound, match="invalid literal"):
        await extractor.run(int, "no number")
    assert await extractor.run(os.getpid) == before


async def test_too_many_waiting_calls_are_refused(extractor: Extractor) -> None:
    async def wait() -> None:
        await extractor.run(time.sleep, 0.5)

    async with anyio.create_task_group() as tasks:
        for _ in range(4):
            tasks.start_soon(wait)
        await anyio.wait_all_tasks_blocked()
        with pytest.raises(Unavailable, match="Too many"):
            await extractor.run(abs, -1)


async def test_downloads_of_link_holders_do_not_delay_the_owner(
    engine: Engine, api: httpx.AsyncClient, holder: httpx.AsyncClient, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await add_stream(engine)
    await add_recording(engine, source, 1, START)
    links = [(await engine.generate_stream(STREAM, START + n, START + n + 2)).player_url[-22:] for n in range(4)]
    frame = f"/rtstream/{STREAM}/frame"
    assert (await api.get(frame, params={"at": START + 1})).status_code == 200
    monkeypatch.setattr("rtstream.engine.recordings.window_media.plan", _slow)
    async with anyio.create_task_group() as tasks:
        for link_id in links:
            tasks.start_soon(holder.head, f"/m/{link_id}/video.mp4")
        await anyio.wait_all_tasks_blocked()
        with anyio.fail_after(5):
            for at in (2, 3, 4):
                assert (await api.get(frame, params={"at": START + at})).status_code == 200
        tasks.cancel_scope.cancel()


def _slow(*_: object) -> None:
    threading.Event().wait(15)  # in the process of the extractor, which is ended before


PROGRAM = """
import os, sys, anyio
from rtstream.engine.recordings.extractor import Extractor

async def main():
    extractor = Extractor(1, waiting=3)
    print(await extractor.run(os.getpid), flush=True)
    sys.stdin.read()

if __name__ == "__main__":
    anyio.run(main)
"""


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="the test looks for processes in /proc")
async def test_a_process_ends_with_an_engine_that_is_killed(tmp_path: Path) -> None:
    script = tmp_path / "engine.py"
    script.write_text(PROGRAM)
    command = [sys.executable, str(script)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        pid = int(other.stdout.readline())
        assert alive(pid)
        other.kill()
    await eventually(lambda: not alive(pid), what="the end of the process")
