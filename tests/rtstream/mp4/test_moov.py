"""The tables of a progressive file."""

from __future__ import annotations

import struct
from dataclasses import replace

import numpy as np
import pytest

from rtstream.mp4.fragments import find
from rtstream.mp4.moov import MOVIE_SCALE, TrackTable, box, movie
from rtstream.mp4.recordings import StoredRecording
from rtstream.mp4.sample_tables import read_init

STBL = [b"moov", b"trak", b"mdia", b"minf", b"stbl"]


@pytest.fixture
def table(recorded: StoredRecording) -> TrackTable:
    """Five pictures in two chunks, of which the first and the fourth are keyframes."""
    return TrackTable(
        info=read_init(recorded.init)[1],
        decoded=np.array([1000, 1010, 1020, 1030, 1060]),
        last_duration=30,
        shown_after=np.array([0, 20, -10, 0, 0]),
        sizes=np.array([500, 100, 100, 400, 100]),
        sync=np.array([True, False, False, True, False]),
        chunk_at=np.array([0, 700]),
        chunk_counts=np.array([3, 2]),
        edits=[(2.5, 1000)],
    )


def numbers(data: bytes, name: bytes, kind: str = ">I") -> list[int]:
    """The numbers of a table after its version, flags and count."""
    found = find(data, [*STBL, name])
    assert found is not None
    return [value for (value,) in struct.iter_unpack(kind, data[found[0] + 8 : found[1]])]


def test_runs_of_equal_values_share_a_row(table: TrackTable) -> None:
    data = movie([table], 5000)
    assert numbers(data, b"stts") == [3, 10, 2, 30]
    assert numbers(data, b"ctts", ">i") == [1, 0, 1, 20, 1, -10, 2, 0]
    assert numbers(data, b"stss") == [1, 4]
    assert numbers(data, b"stsc") == [1, 3, 1, 2, 2, 1]
    assert numbers(data, b"stsz")[1:] == [500, 100, 100, 400, 100]
    assert numbers(data, b"co64", ">Q") == [5000, 5700]


def test_tables_that_say_nothing_are_left_out(table: TrackTable) -> None:
    plain = replace(table, shown_after=np.zeros(5, np.int64), sync=np.ones(5, np.bool_))
    data = movie([plain], 0)
    assert find(data, [*STBL, b"ctts"]) is find(data, [*STBL, b"stss"]) is None


def test_the_duration_is_that_of_the_longest_edit_list(table: TrackTable) -> None:
    data = movie([table, replace(table, edits=[(1.0, -1), (4.0, 1000)])], 0)
    found = find(data, [b"moov", b"mvhd"])
    assert found is not None
    assert struct.unpack_from(">Q", data, found[0] + 24) == (5 * MOVIE_SCALE,)
    assert len(movie([table], 0)) == len(movie([table], 1 << 40))  # so that it can be built before it is placed


def test_a_box_has_its_size_and_type() -> None:
    assert box(b"free", b"ab", b"c") == b"\0\0\0\x0bfreeabc"
