"""The holders of a link share its limits, and other links are not affected."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from rtstream.engine.recordings import link_limits
from rtstream.engine.recordings.link_limits import AT_ONCE, BURST, DOWNLOAD, LinkBusy, LinkLimits


def test_a_burst_of_requests_is_followed_by_a_wait_for_this_link_only() -> None:
    limits = LinkLimits()
    for _ in range(int(BURST / DOWNLOAD)):
        limits.spend("a", DOWNLOAD)
    with pytest.raises(LinkBusy) as busy:
        limits.spend("a", DOWNLOAD)
    assert 0 < busy.value.retry_after_s <= DOWNLOAD
    limits.spend("b", DOWNLOAD)


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


def test_the_oldest_links_are_forgotten_except_those_in_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link_limits, "REMEMBERED", 3)
    limits = LinkLimits()
    with limits.open("open"):
        for number in range(9):
            limits.spend(str(number), 1.0)
        assert set(limits._links) == {"open", "6", "7", "8"}
