"""The ranges of hits are joined, so that a link plays each moment once."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from rtstream.rules.clip_ranges import joined
from rtstream.rules.link_targets import ClipRange

times = st.integers(0, 40).map(float)
ranges = st.lists(
    st.tuples(st.sampled_from(["rts-1", "m-1"]), times, st.integers(1, 9)).map(
        lambda one: (one[0], one[1], one[1] + one[2])
    ),
    max_size=12,
)


def test_a_moment_that_several_hits_show_is_played_once_at_the_place_of_the_best() -> None:
    hits = [("rts-1", 100.0, 104.0), ("m-1", 0.0, 2.0), ("rts-1", 103.0, 108.0), ("rts-2", 100.0, 104.0)]
    assert joined(hits, 60.0) == [("rts-1", 100.0, 108.0), ("m-1", 0.0, 2.0), ("rts-2", 100.0, 104.0)]
    bridged = [("rts-1", 0.0, 2.0), ("rts-1", 4.0, 6.0), ("rts-1", 2.0, 4.0)]
    assert joined(bridged, 60.0) == [("rts-1", 0.0, 6.0)]


def test_ranges_that_would_be_too_long_are_left_out() -> None:
    hits = [("rts-1", 0.0, 10.0), ("rts-2", 0.0, 30.0), ("rts-3", 0.0, 10.0)]
    assert joined(hits, 20.0) == [hits[0], hits[2]]
    assert joined(hits, 5.0) == []


@given(ranges, st.sampled_from([math.inf, 25.0]))
def test_joined_ranges_show_the_moments_of_the_hits_and_none_twice(hits: list[ClipRange], longest_s: float) -> None:
    found = joined(hits, longest_s)

    def moments(some: list[ClipRange]) -> list[tuple[str, int]]:
        return [(source, second) for source, start, end in some for second in range(int(start), int(end))]

    shown = moments(found)
    assert len(shown) == len(set(shown)) <= longest_s
    assert set(shown) <= set(moments(hits))
    if longest_s == math.inf:
        assert set(shown) == set(moments(hits))
        assert not any(
            one is not other and one[0] == other[0] and one[1] <= other[2] and other[1] <= one[2]
            for one in found
            for other in found
        ), "ranges that meet are one"
    else:
        assert not hits or hits[0][2] - hits[0][1] > longest_s or set(moments(hits[:1])) <= set(shown)
