"""Packets of several tracks are returned in the order of their times, none is lost, and no track is waited for long."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from rtstream.rules.interleaver import Interleaver

Item = tuple[int, float]


def through(order: Interleaver[Item], *items: Item, size: int = 1) -> list[Item]:
    return [ready for track, at in items for ready in order.add(track, at, size, (track, at))]


def piece(track: int, start: float, seconds: int) -> list[Item]:
    """A packet every half second."""
    return [(track, start + step / 2) for step in range(2 * seconds)]


@given(st.lists(st.integers(1, 6), min_size=1, max_size=5), st.booleans())
def test_tracks_in_pieces_are_interleaved(fragments: list[int], audio_first: bool) -> None:
    sent: list[Item] = []
    for number, seconds in enumerate(fragments):
        start = float(sum(fragments[:number]))
        for track in (1, 0) if audio_first else (0, 1):
            sent += piece(track, start, seconds)
    order: Interleaver[Item] = Interleaver((0, 1), 7.0)
    received = [*through(order, *sent), *order.rest()]
    assert sorted(received) == sorted(sent)
    assert [at for _, at in received] == sorted(at for _, at in sent)


def test_a_silent_track_is_waited_for_once() -> None:
    order: Interleaver[Item] = Interleaver((0, 1), 3.0)
    assert through(order, *piece(0, 0.0, 3)) == []
    assert len(through(order, *piece(0, 3.0, 1))) == 8
    assert through(order, (0, 4.0)) == [(0, 4.0)]
    assert through(order, (1, 4.0), (0, 4.5), (0, 5.0)) == [(1, 4.0)]  # it sends again
    assert through(order, (1, 5.5)) == [(0, 4.5), (0, 5.0)]


def test_the_memory_for_a_silent_track_is_bounded() -> None:
    order: Interleaver[Item] = Interleaver((0, 1), 1000.0, max_bytes=100)
    assert through(order, (0, 0.0), (0, 1.0), size=50) == []
    assert through(order, (0, 2.0), (0, 3.0), size=50) == [(0, 0.0), (0, 1.0)]


def test_a_new_timeline_does_not_wait_for_the_previous_one() -> None:
    order: Interleaver[Item] = Interleaver((0, 1), 4.0)
    through(order, (0, 100.0), (1, 100.0), (1, 101.0))
    assert through(order, (0, 5.0)) == [(1, 100.0), (1, 101.0)]
    assert through(order, (1, 5.5)) == [(0, 5.0)]
    assert through(order, (0, 1000.0)) == [(1, 5.5)]


def test_a_packet_without_a_time_is_not_held() -> None:
    order: Interleaver[Item] = Interleaver((0, 1), 4.0)
    through(order, (0, 1.0))
    assert order.add(0, None, 1, (0, -1.0)) == [(0, 1.0), (0, -1.0)]
