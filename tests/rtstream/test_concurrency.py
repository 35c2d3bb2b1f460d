"""Waiting for changes, and work that is repeated whatever happens."""

from __future__ import annotations

import logging

import anyio
import pytest

from rtstream.concurrency import Broadcast, every, first_error

pytestmark = pytest.mark.anyio


async def test_every_waiting_task_is_woken_by_one_change() -> None:
    changed = Broadcast()
    woken: list[int] = []

    async def wait(number: int, started: anyio.Event) -> None:
        event = changed.next
        started.set()
        await event.wait()
        woken.append(number)

    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:
            for number in range(3):
                started = anyio.Event()
                tasks.start_soon(wait, number, started)
                await started.wait()
            changed.notify()
    assert sorted(woken) == [0, 1, 2]


async def test_a_change_between_looking_and_waiting_is_not_missed() -> None:
    changed = Broadcast()
    due = changed.next
    changed.notify()
    with anyio.fail_after(5):
        await due.wait()


async def test_a_change_wakes_only_what_waited_before_it() -> None:
    changed = Broadcast()
    changed.notify()
    with anyio.move_on_after(0.01) as late:
        await changed.wait()
    assert late.cancelled_caught


async def test_work_is_repeated_after_a_failure_which_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    rounds = 0
    done = anyio.Event()

    async def work() -> None:
        nonlocal rounds
        rounds += 1
        if rounds == 1:
            raise RuntimeError("the disk is full")
        done.set()

    with anyio.fail_after(5), caplog.at_level(logging.ERROR):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(every, 0.0, work, "old files could not be removed")
            await done.wait()
            tasks.cancel_scope.cancel()
    [record] = caplog.records
    assert record.getMessage() == "old files could not be removed"
    assert record.exc_info is not None


def test_the_first_error_of_nested_groups_is_found() -> None:
    inner = ExceptionGroup("inner", [KeyError("first"), ValueError("second")])
    outer = ExceptionGroup("outer", [ExceptionGroup("middle", [inner]), OSError("third")])
    assert str(first_error(outer)) == "'first'"
