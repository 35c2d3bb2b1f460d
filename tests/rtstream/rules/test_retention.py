"""The oldest files that nothing protects are removed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtstream.rules.retention import File, disk_excess, expired, files, unpinned

recorded = st.lists(st.integers(1, 50), min_size=0, max_size=30).map(
    lambda sizes: [File("rts-1", f"{n}.m4s", n * 60.0, n * 60.0 + 60, size) for n, size in enumerate(sizes)]
)


@given(recorded, st.one_of(st.none(), st.floats(0, 2000)), st.integers(-10, 600))
def test_only_the_oldest_go_and_only_as_many_as_must(found: list[File], before: float | None, excess: int) -> None:
    going = expired(found, before=before, excess=excess)
    assert going == found[: len(going)]
    kept = found[len(going) :]
    assert all(before is None or file.end >= before for file in kept)
    assert sum(file.bytes for file in going) >= min(excess, sum(file.bytes for file in found))
    if going and (before is None or going[-1].end >= before):
        assert sum(file.bytes for file in going[:-1]) < excess


def test_a_file_is_as_long_as_all_its_segments_and_the_one_being_written_is_left_alone() -> None:
    segments = [("a", 0.0, 4.0, 10), ("a", 4.0, 4.0, 20), ("b", 8.0, 4.0, 30)]
    assert files("rts-1", segments, complete=False) == [File("rts-1", "a", 0.0, 8.0, 30)]
    assert [file.path for file in files("rts-1", segments, complete=True)] == ["a", "b"]


def test_a_file_with_the_evidence_of_an_alert_stays() -> None:
    found = [File("rts-1", str(n), n * 60.0, n * 60.0 + 60, 1) for n in range(4)]
    assert [file.path for file in unpinned(found, [(119.0, 121.0)])] == ["0", "3"]
    assert [file.path for file in unpinned(found, [(60.0, 120.0)])] == ["0", "2", "3"]


@pytest.mark.parametrize(
    ("percent", "own", "free", "min_free", "excess"),
    [
        (0, 1000, 0, 500, 0),  # no bound
        (50, 400, 600, 0, 0),
        (50, 500, 500, 0, 0),
        (50, 600, 400, 0, 100),
        (100, 1000, 0, 0, 0),
        (25.5, 1000, 1000, 0, 490),
        (90, 800, 200, 100, 0),
        (90, 800, 200, 160, 0),
        (90, 800, 200, 200, 50),  # a quarter more than the least free space stays free
        (90, 950, 50, 80, 50),
        (90, 950, 50, 400, 450),
    ],
)
def test_a_bound_leaves_its_share_and_more_than_the_least_free_space(
    percent: float, own: int, free: int, min_free: int, excess: int
) -> None:
    assert disk_excess(percent, own, free, min_free) == excess


def test_a_pin_holds_exactly_the_files_that_it_overlaps() -> None:
    found = [File("rts-1", f"{at}.m4s", float(at), at + 10.0, 1) for at in (0, 10, 20)]
    assert [file.start for file in unpinned(found, [(10, 20)])] == [0, 20]
    assert [file.start for file in unpinned(found, [(9.9, 10)])] == [10, 20]
    assert [file.start for file in unpinned(found, [(20, 20.1), (0, 0.1)])] == [10]
    assert unpinned(found, [(30, 40), (-5, 0)]) == found
