"""No bytes of a stream make the reader of the picture order fail. Real streams are in test_picture_clock."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtstream.rules.picture_order import PictureOrder

KINDS = st.sampled_from([1, 5, 7, 8, 19, 20, 21, 33, 34])


@pytest.mark.parametrize("codec", ["h264", "hevc"])
@given(units=st.lists(st.tuples(KINDS, st.binary(max_size=60)), max_size=8))
def test_damaged_units_are_ignored(codec: str, units: list[tuple[int, bytes]]) -> None:
    order = PictureOrder(codec)
    for unit in units:
        count = order.count([unit])
        assert count is None or isinstance(count, int)
