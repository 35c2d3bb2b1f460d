"""Timelines, shortened without losing a result."""

from __future__ import annotations

from collections import Counter
from itertools import accumulate, pairwise

from hypothesis import given
from hypothesis import strategies as st

from rtstream.models import TimelineChannel
from rtstream.rules.timeline import TimelineItem
from rtstream.rules.timeline_folding import MAX_SAID, counts, fold_lane, folded, hidden, joined, nested

CHANNELS: list[TimelineChannel] = ["scenes", "transcript", "audio", "alerts", "health"]


def item(channel: TimelineChannel, number: int, start: float, end: float, text: str, stream: str = "a") -> TimelineItem:
    return TimelineItem(channel, stream, number, start, end, text, source=f"{channel}-{stream}")


@st.composite
def lanes(draw: st.DrawFn, channel: TimelineChannel, stream: str = "a", most: int = 25) -> list[TimelineItem]:
    steps = draw(st.lists(st.tuples(st.integers(0, 100), st.integers(1, 50)), max_size=most))
    starts = list(accumulate((gap + length for gap, length in steps), initial=0))
    texts = draw(st.lists(st.text("abc ", max_size=200), min_size=len(steps), max_size=len(steps)))
    return [
        item(channel, number, starts[number] + gap, starts[number] + gap + length, text, stream)
        for number, ((gap, length), text) in enumerate(zip(steps, texts, strict=True))
    ]


several = st.tuples(*(lanes(channel, stream) for channel in CHANNELS for stream in ("a", "b")))


@given(several, st.integers(1, 60))
def test_nothing_is_lost_and_the_order_is_that_of_time(found: tuple[list[TimelineItem], ...], most: int) -> None:
    total = Counter({one.channel: 0 for lane in found for one in lane})
    for lane in found:
        total.update(one.channel for one in lane)
    short = folded(found, most)
    assert counts(short) == dict(total)
    used = sum(bool(lane) for lane in found)
    assert len(short) <= max(most, used)
    assert all(one.position <= two.position for one, two in pairwise(short))
    assert sum(one.results for one in short) == sum(len(lane) for lane in found)
    if sum(total.values()) <= most:
        assert short == sorted((one for lane in found for one in lane), key=lambda one: one.position)


@given(lanes("transcript"), st.integers(1, 20))
def test_a_folded_lane_covers_the_same_time_without_overlap(lane: list[TimelineItem], most: int) -> None:
    short = fold_lane(lane, most)
    assert len(short) == min(most, len(lane))
    if lane:
        assert (short[0].start, short[-1].end) == (lane[0].start, lane[-1].end)
    assert all(one.end <= two.start for one, two in pairwise(short))


@given(lanes("scenes"), lanes("transcript"))
def test_speech_is_said_once_during_a_screen_or_alone(screens: list[TimelineItem], turns: list[TimelineItem]) -> None:
    texts = Counter(turn.number for turn in turns)
    rest = nested(screens, turns)
    inside = [said for screen in screens for said in screen.said]
    assert len(inside) + len(rest) == sum(texts.values())
    assert sorted([said.start for said in inside] + [turn.start for turn in rest]) == [turn.start for turn in turns]
    for screen in screens:
        assert sum(len(said.text) for said in screen.said) <= MAX_SAID
        assert all(screen.start - 1 <= said.start <= screen.end + 1 for said in screen.said)


def test_those_that_say_least_are_folded_first() -> None:
    texts = ["a long page " * 20, "x", "y", "another long page " * 20]
    lane = [item("scenes", number, 10.0 * number, 10.0 * number + 10, text) for number, text in enumerate(texts)]
    short = fold_lane(lane, 3)
    assert [(one.text[:8], one.items) for one in short] == [("a long p", 1), ("“x”; “y”", 2), ("another ", 1)]
    assert hidden(short) == {"scenes": 1}


def test_a_folded_screen_keeps_the_titles_and_counts_what_was_said() -> None:
    one, two = item("scenes", 1, 0, 10, "Agenda / Budget"), item("scenes", 2, 10, 20, "Budget / 12 kEUR")
    nested([one, two], [item("transcript", 3, 1, 9, "a" * 200), item("transcript", 4, 11, 19, "b" * 200)])
    both = joined(one, two)
    assert (both.text, both.start, both.end, both.items) == ("“Agenda”; “Budget”", 0, 20, 2)
    assert (len(both.said), both.said_more) == (1, 1)
    assert counts([both]) == {"scenes": 2, "transcript": 2}
    assert hidden([both]) == {"scenes": 1, "transcript": 1}


def test_a_meeting_of_six_hours_fits_in_forty_items() -> None:
    slides = [item("scenes", n, 200.0 * n, 200.0 * n + 200, f"Slide {n} / some points on it") for n in range(108)]
    turns = [item("transcript", n, 15.0 * n, 15.0 * n + 13, f"Sentence number {n} " * 12) for n in range(1440)]
    alerts = [item("alerts", n, 5000.0 * n, 5000.0 * n + 5, "It happened.") for n in range(4)]
    short = folded([slides, nested(slides, turns), alerts])
    assert len(short) <= 40
    kinds = Counter(one.channel for one in short)
    assert kinds["alerts"] == 4
    assert kinds["scenes"] >= 12
    assert kinds["transcript"] >= 8
    assert counts(short) == {"scenes": 108, "transcript": 1440, "alerts": 4}
