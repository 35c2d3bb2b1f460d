"""Covered ranges, gaps and playlists of windows, against an obvious model."""

from __future__ import annotations

import itertools
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from inline_snapshot import snapshot

from rtstream.rules.playlist import (
    CUT_GOP_S,
    HOLE_S,
    Segment,
    coverage,
    describe_nearest,
    last_recorded,
    overlap,
    playlist,
    position,
    whole_gops,
)

T0 = 1_700_000_000.0
# Times on a grid of 1/8 s: exact in binary, and HOLE_S is two steps.
STEP = 0.125


def seg(start: float, duration: float = 4.0, recording: str = "rec-1", path: str = "a.m4s", offset: int = 0) -> Segment:
    return Segment(T0 + start, duration, recording, path, offset, 1000)


def inside(segments: list[Segment], start: float, end: float) -> list[Segment]:
    return [s for s in segments if s.start < end and s.end > start]


def text(segments: list[Segment], start: float, end: float) -> str:
    return playlist(
        inside(segments, T0 + start, T0 + end),
        T0 + start,
        init_url=lambda recording: f"init/{recording}.mp4",
        segment_url=lambda path: f"seg/{path}",
    )


@st.composite
def recorded(draw: st.DrawFn) -> list[Segment]:
    """Sorted segments with holes and overlaps, of a few recordings."""
    at, segments = 0, []
    for index in range(draw(st.integers(0, 12))):
        at = max(0, at + draw(st.integers(-8, 40)))
        length = draw(st.integers(1, 40))
        recording = f"rec-{draw(st.integers(0, 2))}"
        segments.append(Segment(T0 + at * STEP, length * STEP, recording, f"{index}.m4s", index * 10, 10))
        at += length
    return sorted(segments)


windows = st.tuples(st.integers(0, 200), st.integers(1, 200)).map(
    lambda pair: (T0 + pair[0] * STEP, T0 + (pair[0] + pair[1]) * STEP)
)


@given(recorded(), windows)
def test_covered_ranges_and_gaps_are_what_counting_step_by_step_says(
    segments: list[Segment], window: tuple[float, float]
) -> None:
    start, end = window
    steps = [start + index * STEP for index in range(int((end - start) / STEP))]
    is_covered = [any(s.start <= step < s.end for s in segments) for step in steps]
    if any(is_covered):
        # A run of uncovered steps that is shorter than a hole counts as covered.
        for index in range(len(steps)):
            before = next((k for k in range(index, -1, -1) if is_covered[k]), -1)
            after = next((k for k in range(index, len(steps)) if is_covered[k]), len(steps))
            if not is_covered[index] and (after - before - 1) * STEP < HOLE_S:
                is_covered[index] = True
    covered, gaps = coverage(segments, start, end)
    assert [any(a <= step < b for a, b in covered) for step in steps] == is_covered
    assert [any(a <= step < b for a, b in gaps) for step in steps] == [not c for c in is_covered]
    edges = sorted(covered + gaps)
    assert edges[0][0] == start
    assert edges[-1][1] == end
    assert all(left[1] == right[0] for left, right in itertools.pairwise(edges))


@given(recorded(), windows)
def test_a_playlist_lists_every_segment_under_its_own_map(segments: list[Segment], window: tuple[float, float]) -> None:
    start, end = window
    wanted = inside(segments, start, end)
    if not wanted:
        with pytest.raises(ValueError, match="no segment"):
            playlist(wanted, start, init_url=str, segment_url=str)
        return
    lines = playlist(wanted, start, init_url=str, segment_url=str).splitlines()
    assert [line for line in lines if not line.startswith("#")] == [s.path for s in wanted]
    durations = [float(line[8:-1]) for line in lines if line.startswith("#EXTINF:")]
    assert durations == [s.duration for s in wanted]
    target = next(int(line.partition(":")[2]) for line in lines if line.startswith("#EXT-X-TARGETDURATION"))
    assert target >= max(durations)
    # The map in force at every segment is its recording's, and a discontinuity stands wherever the recording changes.
    current, discontinuity, at, previous = "", False, 0, ""
    for line in lines:
        if line == "#EXT-X-DISCONTINUITY":
            discontinuity = True
        elif line.startswith("#EXT-X-MAP"):
            current = line.partition('"')[2].rstrip('"')
        elif not line.startswith("#"):
            assert current == wanted[at].recording_id
            assert discontinuity or previous in ("", current)
            at, previous, discontinuity = at + 1, current, False


def test_a_playlist_of_two_recordings_with_a_hole() -> None:
    segments = [
        seg(0, offset=0),
        seg(4, offset=1000),
        seg(20, path="b.m4s"),
        seg(30, 3.5, "rec-2", "c.m4s"),
        seg(33.6, 4.0, "rec-2", "c.m4s", 1000),
    ]
    assert text(segments, 1.37, 36) == snapshot("""\
#EXTM3U
#EXT-X-VERSION:7
#EXT-X-TARGETDURATION:4
#EXT-X-PLAYLIST-TYPE:VOD
#EXT-X-INDEPENDENT-SEGMENTS
#EXT-X-START:TIME-OFFSET=1.370000,PRECISE=YES
#EXT-X-MAP:URI="init/rec-1.mp4"
#EXT-X-PROGRAM-DATE-TIME:2023-11-14T22:13:20.000Z
#EXTINF:4.000000,
#EXT-X-BYTERANGE:1000@0
seg/a.m4s
#EXTINF:4.000000,
#EXT-X-BYTERANGE:1000@1000
seg/a.m4s
#EXT-X-DISCONTINUITY
#EXT-X-PROGRAM-DATE-TIME:2023-11-14T22:13:40.000Z
#EXTINF:4.000000,
#EXT-X-BYTERANGE:1000@0
seg/b.m4s
#EXT-X-DISCONTINUITY
#EXT-X-MAP:URI="init/rec-2.mp4"
#EXT-X-PROGRAM-DATE-TIME:2023-11-14T22:13:50.000Z
#EXTINF:3.500000,
#EXT-X-BYTERANGE:1000@0
seg/c.m4s
#EXTINF:4.000000,
#EXT-X-BYTERANGE:1000@1000
seg/c.m4s
#EXT-X-ENDLIST
""")


def test_the_exact_beginning_is_named() -> None:
    assert "#EXT-X-START:TIME-OFFSET=1.370000,PRECISE=YES" in text([seg(12), seg(16)], 13.37, 18)
    assert "#EXT-X-START:TIME-OFFSET=0.000000,PRECISE=YES" in text([seg(12), seg(16)], 10, 18)


def test_tiny_holes_are_joined_and_real_ones_are_not() -> None:
    segments = [seg(0), seg(4.2), seg(8.5)]
    assert coverage(segments, T0, T0 + 12.5) == ([(T0, T0 + 8.2), (T0 + 8.5, T0 + 12.5)], [(T0 + 8.2, T0 + 8.5)])


def test_an_empty_window_is_one_gap() -> None:
    assert coverage([seg(0)], T0 + 100, T0 + 100.1) == ([], [(T0 + 100, T0 + 100.1)])


def test_an_empty_window_names_the_nearest_recorded_ranges() -> None:
    ranges = [(T0 - 900, T0 - 800), (T0 - 60, T0 - 30), (T0 + 100, T0 + 200), (T0 + 9000, T0 + 9100)]
    assert describe_nearest(ranges, T0, T0 + 10) == (
        "Nothing is recorded between 1700000000.000 (2023-11-14 22:13:20 UTC) "
        "and 1700000010.000 (2023-11-14 22:13:30 UTC). The nearest recorded ranges are: "
        "1699999100.000 (2023-11-14 21:58:20 UTC) to 1699999200.000 (2023-11-14 22:00:00 UTC); "
        "1699999940.000 (2023-11-14 22:12:20 UTC) to 1699999970.000 (2023-11-14 22:12:50 UTC); "
        "1700000100.000 (2023-11-14 22:15:00 UTC) to 1700000200.000 (2023-11-14 22:16:40 UTC)."
    )
    assert describe_nearest(ranges[:1], T0, T0).startswith(
        "Nothing is recorded at 1700000000.000 (2023-11-14 22:13:20 UTC). "
    )


def test_a_stream_without_any_recording_says_why() -> None:
    assert "store=true" in describe_nearest([], T0, T0 + 1, storing=False)
    assert "yet" in describe_nearest([], T0, T0 + 1)


def test_the_playlist_of_a_day_takes_a_tenth_of_a_second() -> None:
    day = [seg(4.0 * n, path=f"{n // 15}.m4s", offset=n % 15 * 1000) for n in range(21_600)]
    begun = time.process_time()
    made = text(day, 0, 86400)
    taken = time.process_time() - begun
    assert made.count("#EXTINF") == 21_600
    # Measured 40 ms; the margin is for slow machines.
    assert taken < 0.5


def made_at(start: int, count: int, recording: str) -> list[Segment]:
    return [seg(start + number * 4, recording=recording) for number in range(count)]


@given(st.lists(st.tuples(st.integers(-60, 60), st.integers(1, 20)), min_size=1, max_size=5))
def test_of_a_moment_that_was_recorded_again_the_later_recording_is_used(spans: list[tuple[int, int]]) -> None:
    made = [made_at(start, count, f"rec-{number}") for number, (start, count) in enumerate(spans)]
    recordings = [(own[0].recording_id, own[0].start, own[-1].end) for own in made]
    used = [Segment._make(row) for row in last_recorded(sorted(itertools.chain(*made)), recordings)]
    assert used == sorted(used)
    if not overlap(recordings) and recordings == sorted(recordings, key=lambda recording: recording[1]):
        assert len(used) == sum(map(len, made))
    for at in (T0 + second + 0.5 for second in range(-60, 140)):
        holding = [number for number, (_, start, end) in enumerate(recordings) if start <= at < end]
        found = [segment for segment in used if segment.start <= at < segment.end]
        assert bool(found) == bool(holding)  # no moment is missing
        if holding:
            last, own = f"rec-{max(holding)}", recordings[max(holding)]
            assert any(segment.recording_id == last for segment in found)
            assert all(s.recording_id == last or s.start < own[1] or s.end > own[2] for s in found)


@given(st.lists(st.tuples(st.booleans(), st.booleans()), max_size=12))
def test_a_segment_is_joined_with_those_that_continue_its_gop(kinds: list[tuple[bool, bool]]) -> None:
    """Segments of two lengths, each in the file of the one before it or in another."""
    segments: list[Segment] = []
    groups: list[list[Segment]] = []
    for is_cut, same_file in kinds:
        last = segments[-1] if segments else None
        at, path, offset = (last.end, last.path, last.offset + last.length) if last else (T0, "0.m4s", 0)
        if not same_file:
            path, offset = f"{len(segments)}.m4s", 0
        segments.append(Segment(at, CUT_GOP_S if is_cut else 4.0, "rec-1", path, offset, 1000))
        if last is not None and last.duration >= CUT_GOP_S and last.path == path:
            groups[-1].append(segments[-1])
        else:
            groups.append([segments[-1]])
    found = [Segment._make(row) for row in whole_gops(segments)]
    assert [(one.start, one.path, one.offset) for one in found] == [
        (group[0].start, group[0].path, group[0].offset) for group in groups
    ]
    assert [one.length for one in found] == [1000 * len(group) for group in groups]
    assert [one.end for one in found] == pytest.approx([group[-1].end for group in groups])


@pytest.mark.parametrize(
    ("second", "hole"), [(4.0, False), (4.04, False), (3.96, False), (9.0, True), (4.6, True), (3.4, True), (0.5, True)]
)
def test_a_segment_that_does_not_continue_the_last_one_is_marked_in_both_directions(second: float, hole: bool) -> None:
    found = text([seg(0, offset=0), seg(second, offset=1000)], 0, 20)
    assert ("#EXT-X-DISCONTINUITY" in found) is hole
    assert found.count("#EXT-X-PROGRAM-DATE-TIME") == 1 + hole


def test_a_position_in_a_video_skips_the_gaps() -> None:
    covered = [(100.0, 110.0), (200.0, 205.0)]
    times = (90, 100, 104.5, 110, 150, 200, 203, 205, 300)
    assert [position(covered, at) for at in times] == [0, 0, 4.5, 10, 10, 10, 13, 15, 15]
    assert position([], 100) == 0
