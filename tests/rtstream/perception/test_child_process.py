"""Work runs in a child process that is replaced when it crashes or hangs.

The functions are those of the standard library, because the child cannot import the tests.
"""

from __future__ import annotations

import operator
import os
import time
from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import pytest

from rtstream.perception.child_process import ChildProcess
from rtstream.perception.protocols import ProviderError

pytestmark = [pytest.mark.anyio, pytest.mark.engine]


@pytest.fixture
async def child(tmp_path: Path) -> AsyncIterator[ChildProcess]:
    """A child that is prepared by a change of its working folder."""
    running = ChildProcess("The reader", os.chdir, (tmp_path,))
    yield running
    await running.aclose()


async def test_a_child_is_prepared_and_replaced_after_a_crash_or_a_hang(child: ChildProcess, tmp_path: Path) -> None:
    first = await child.run(os.getpid, timeout_s=30)
    assert first != os.getpid()
    assert await child.run(os.getcwd, timeout_s=30) == str(tmp_path)
    with pytest.raises(KeyError):  # passes through, and the child continues
        await child.run(operator.getitem, {}, "x", timeout_s=30)
    assert await child.run(os.getpid, timeout_s=30) == first
    with pytest.raises(ProviderError, match="The reader crashed"):
        await child.run(os._exit, 3, timeout_s=30)
    second = await child.run(os.getpid, timeout_s=30)
    assert second != first
    assert await child.run(os.getcwd, timeout_s=30) == str(tmp_path)
    with pytest.raises(ProviderError, match=r"did not respond within 0\.1 s"):
        await child.run(time.sleep, 60, timeout_s=0.1)
    with pytest.raises(ProcessLookupError):
        os.kill(second, 0)


@pytest.mark.parametrize("started", [True, False])
async def test_callers_beyond_the_bound_are_refused_and_after_the_end_all_are(
    child: ChildProcess, started: bool
) -> None:
    """Even when the end comes while the child starts."""
    refused: list[str] = []

    async def call() -> None:
        with pytest.raises(ProviderError) as error:
            await child.run(time.sleep, 60, timeout_s=30, max_waiting=1)
        refused.append(str(error.value))

    if started:
        await child.run(os.getpid, timeout_s=30)
    with anyio.fail_after(30):
        async with anyio.create_task_group() as tasks:
            for _ in range(2):  # one works, and one waits
                tasks.start_soon(call)
                await anyio.wait_all_tasks_blocked()
            with pytest.raises(ProviderError, match="overloaded"):
                await child.run(os.getpid, timeout_s=30, max_waiting=1)
            await child.aclose()
    assert len(refused) == 2
    with pytest.raises(ProviderError, match="has been stopped"):
        await child.run(os.getpid, timeout_s=30)
