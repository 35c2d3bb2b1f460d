"""AMF0 values are read as they were written, and anything else is refused."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtstream.rules.amf import MAX_VALUES, AmfError, decode_amf, encode_amf

LEAVES = st.one_of(st.none(), st.booleans(), st.floats(allow_nan=False), st.text(max_size=50))
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.text(min_size=1, max_size=9), inner, max_size=4)
    ),
    max_leaves=8,
)


@given(st.lists(VALUES, max_size=5))
def test_values_are_read_as_they_were_written(values: list[object]) -> None:
    assert decode_amf(encode_amf(*values)) == values


@given(st.binary(max_size=300))
def test_arbitrary_bytes_are_read_or_refused(data: bytes) -> None:
    with suppress(AmfError):
        assert len(decode_amf(data)) <= len(data)


@pytest.mark.parametrize(
    "data",
    [
        b"\x03\x00\x01a" * 20 + b"\x05",  # objects inside objects
        (b"\x03\x00\x01a" * 20 + b"\x05" + b"\x00\x00\x09" * 20),  # the same, with their ends
        b"\x0a\xff\xff\xff\xff" + b"\x05" * (MAX_VALUES + 10),
        b"\x05" * (MAX_VALUES + 1),
        b"\x02\x00\x05ab",
        b"\x00\x00",
        b"\x0d",
    ],
    ids=["deep", "deep and complete", "long array", "many values", "short text", "short number", "unknown type"],
)
def test_a_command_beyond_the_limits_is_refused(data: bytes) -> None:
    with pytest.raises(AmfError):
        decode_amf(data)


def test_an_array_with_names_and_a_date_are_read() -> None:
    array = b"\x08\x00\x00\x00\x01\x00\x01a\x01\x01\x00\x00\x09"
    assert decode_amf(array + b"\x0b" + bytes(8) + b"\x00\x00") == [{"a": True}, 0.0]
