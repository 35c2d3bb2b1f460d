"""Targets of links: equal ones have one digest, and only those to streams for chats and programs end."""

from __future__ import annotations

import pytest

from rtstream.rules.link_targets import (
    MAX_DESCRIPTION,
    MAX_TITLE,
    LinkTarget,
    lifetime,
    ranges_target,
    stream_picture_target,
    video_target,
    window_target,
)

WINDOW = window_target("rts-1", 100.0, 200.0, "Door", "An evening")


@pytest.mark.parametrize(
    "other",
    [
        window_target("rts-2", 100.0, 200.0, "Door", "An evening"),
        window_target("rts-1", 100.000002, 200.0, "Door", "An evening"),
        window_target("rts-1", 100.0, 200.0, "Yard", "An evening"),
        window_target("rts-1", 100.0, 200.0, "Door"),
        stream_picture_target("rts-1", 100.0),
        video_target("rts-1"),
        ranges_target((("m-1", 100.0, 200.0),), "Door"),
    ],
)
def test_another_target_has_another_digest(other: LinkTarget) -> None:
    assert other.digest("chat") != WINDOW.digest("chat")


def test_equal_targets_share_a_digest_per_purpose() -> None:
    again = window_target("rts-1", 100.0000002, 200.0, "Door", "An evening")
    assert again.digest("chat") == WINDOW.digest("chat") != WINDOW.digest("webhook")


def test_the_video_of_a_target_is_known_when_there_is_only_one() -> None:
    assert video_target("m-1").video_id == "m-1"
    assert ranges_target((("m-1", 0.0, 1.0), ("m-1", 5.0, 6.0))).video_id == "m-1"
    assert ranges_target((("m-1", 0.0, 1.0), ("m-2", 0.0, 1.0))).video_id == WINDOW.video_id == ""
    assert ranges_target((("rts-1", 0.0, 1.0), ("rts-1", 2.0, 3.0))).video_id == ""


def test_the_length_of_a_target_is_that_of_its_window_or_of_all_its_ranges() -> None:
    assert WINDOW.seconds == 100.0
    assert ranges_target((("m-1", 0.0, 1.0), ("rts-1", 50.0, 53.0))).seconds == 4.0
    assert video_target("m-1").seconds == stream_picture_target("rts-1", 5.0).seconds == 0.0


def test_long_titles_are_cut() -> None:
    target = window_target("rts-1", 0.0, 1.0, "t" * 999, "d" * 999)
    assert (len(target.title), len(target.description)) == (MAX_TITLE, MAX_DESCRIPTION)
    assert len(ranges_target((), "t" * 999).title) == MAX_TITLE


def test_only_links_to_streams_outside_webhooks_end() -> None:
    assert lifetime(stream_picture_target("rts-1", 5.0), "chat", 60.0) == 60.0
    assert lifetime(WINDOW, "chat", 60.0) == lifetime(WINDOW, "sdk", 60.0) == 60.0
    assert lifetime(WINDOW, "webhook", 60.0) is None
    assert lifetime(video_target("m-1"), "chat", 60.0) is None
    assert lifetime(ranges_target((("m-1", 0.0, 1.0), ("rts-1", 0.0, 1.0))), "chat", 60.0) == 60.0
