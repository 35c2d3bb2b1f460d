"""The holders of a link share its limits, and other links are not affected."""

from __future__ import annotations

import contextlib
from contextlib import ExitStack

import anyio
import pytest

from rtstream.engine.recordings import link_limits
from rtstream.engine.recordings.link_limits import AT_ONCE, BURST, DOWNLOAD, LinkBusy, LinkLimits


@pytest.mark.anyio
async def test_a_burst_of_downloads_is_refused_for_this_link_only() -> None:
    limits = LinkLimits()
    for _ in range(int(BURST / DOWNLOAD)):
        await limits.spend("a", DOWNLOAD)
    with pytest.raises(LinkBusy) as busy:
        await limits.spend("a", DOWNLOAD)
    assert 0 < busy.value.retry_after_s <= DOWNLOAD
    await limits.spend("b", DOWNLOAD)


@pytest.mark.anyio
async def test_a_program_that_reads_one_segment_after_the_other_is_slowed_down_and_never_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(link_limits, "BURST", 5.0)
    monkeypatch.setattr(link_limits, "PER_S", 200.0)
    limits = LinkLimits()
    began = anyio.current_time()
    for _ in range(45):
        await limits.spend("a", 1.0)
    assert anyio.current_time() - began >= 0.19


@pytest.mark.anyio
async def test_more_requests_at_once_than_a_short_wait_serves_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link_limits, "BURST", 1.0)
    monkeypatch.setattr(link_limits, "PER_S", 20.0)
    monkeypatch.setattr(link_limits, "SLOWED_S", 0.1)
    limits = LinkLimits()
    served = []

    async def request() -> None:
        with contextlib.suppress(LinkBusy):
            await limits.spend("a", 1.0)
            served.append(1)

    async with anyio.create_task_group() as tasks:
        for _ in range(30):
            tasks.start_soon(request)
    assert 1 <= len(served) <= 6


def test_requests_at_once_are_bounded_until_they_end() -> None:
    limits = LinkLimits()
    with ExitStack() as opened:
        for _ in range(AT_ONCE):
            opened.enter_context(limits.open("a"))
        with pytest.raises(LinkBusy), limits.open("a"):
            pass
        with limits.open("b"):
            pass
    with limits.open("a"):
        pass


@pytest.mark.anyio
async def test_the_oldest_links_are_forgotten_except_those_in_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link_limits, "REMEMBERED", 3)
    limits = LinkLimits()
    with limits.open("open"):
        for number in range(9):
            await limits.spend(str(number), 1.0)
        assert set(limits._links) == {"open", "6", "7", "8"}
