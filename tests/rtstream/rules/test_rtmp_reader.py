"""Messages come out of chunks as they went in, however the bytes are cut, and memory is bounded."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtstream.rules.rtmp_reader import MAX_CHUNK_STREAMS, RtmpChunkReader, RtmpError, RtmpMessage
from tests.rtstream.rules.rtmp_client import VIDEO, chunks

BODIES = st.lists(
    st.tuples(st.binary(max_size=700), st.integers(0, 0xFFFFFFFF), st.sampled_from([2, 3, 63, 6])), max_size=6
)


def messages(reader: RtmpChunkReader) -> list[RtmpMessage]:
    return list(iter(reader.next, None))


@given(BODIES, st.integers(1, 400))
def test_messages_are_joined_however_the_bytes_are_cut(bodies: list[tuple[bytes, int, int]], cut: int) -> None:
    reader, found = RtmpChunkReader(1 << 20), []
    data = b"".join(chunks(VIDEO, body, timestamp=at, number=number) for body, at, number in bodies)
    for begin in range(0, len(data), cut):
        reader.feed(data[begin : begin + cut])
        found += messages(reader)
    assert [(one.body, one.timestamp) for one in found] == [(body, at) for body, at, _ in bodies]


def test_short_headers_continue_the_times_of_their_chunk_stream() -> None:
    reader = RtmpChunkReader(1000)
    reader.feed(chunks(VIDEO, b"a", timestamp=1000))
    reader.feed(b"\x44" + (40).to_bytes(3, "big") + (2).to_bytes(3, "big") + bytes([VIDEO]) + b"bb")  # another length
    reader.feed(b"\x84" + (33).to_bytes(3, "big") + b"cc")  # the same length
    reader.feed(b"\xc4" + b"dd")  # the same step
    assert [(one.timestamp, one.body) for one in messages(reader)] == [
        (1000, b"a"),
        (1040, b"bb"),
        (1073, b"cc"),
        (1106, b"dd"),
    ]


def test_messages_of_two_chunk_streams_may_be_mixed() -> None:
    reader = RtmpChunkReader(1000)
    first, second = chunks(VIDEO, b"x" * 200, number=4), chunks(VIDEO, b"y" * 200, number=5)
    reader.feed(first[:140] + second[:140] + first[140:] + second[140:])
    assert [one.body[:1] for one in messages(reader)] == [b"x", b"y"]


@pytest.mark.parametrize("number", [64, 319, 320, 65599])
def test_chunk_streams_with_long_numbers_are_read(number: int) -> None:
    reader = RtmpChunkReader(1000)
    rest = chunks(VIDEO, b"a")[1:]
    head = bytes([0, number - 64]) if number < 320 else b"\x01" + (number - 64).to_bytes(2, "little")
    reader.feed(head + rest)
    assert messages(reader)[0].body == b"a"


@pytest.mark.parametrize("number", [2, 4, 63])
def test_an_unfinished_message_can_be_aborted(number: int) -> None:
    reader = RtmpChunkReader(1000)
    reader.feed(chunks(VIDEO, b"x" * 200, number=number)[:140])
    assert messages(reader) == []
    reader.abort(number)
    reader.feed(chunks(VIDEO, b"y", number=number))
    assert messages(reader)[0].body == b"y"


@pytest.mark.parametrize(
    "data",
    [
        chunks(VIDEO, b"x" * 1001),
        b"".join(chunks(VIDEO, b"x" * 900, number=number)[:140] for number in range(3, 12)),
        b"".join(chunks(VIDEO, b"", number=number) for number in range(2, MAX_CHUNK_STREAMS + 3)),
        b"\xc4",
        chunks(VIDEO, b"x" * 200)[:140] + chunks(VIDEO, b"y"),
    ],
    ids=["long message", "long messages together", "many chunk streams", "no first header", "message in a message"],
)
def test_what_would_need_too_much_memory_or_cannot_be_read_is_refused(data: bytes) -> None:
    reader = RtmpChunkReader(1000)
    reader.feed(data)
    with pytest.raises(RtmpError):
        messages(reader)


@pytest.mark.parametrize(
    ("first", "delta", "second", "third"),
    [
        (1000, 0, 1000, 1000),
        (0, 0xFFFFFE, 0xFFFFFE, 0x1FFFFFC),
        (0xFFFFFFF0, 0x0F, 0xFFFFFFFF, 0x0E),
        (0xFFFFFFF0, 0x10, 0, 0x10),
        (0xFFFFFFFF, 1, 0, 1),
        (0x7FFFFFFF, 1, 0x80000000, 0x80000001),
    ],
)
def test_times_that_pass_32_bits_begin_again(first: int, delta: int, second: int, third: int) -> None:
    reader = RtmpChunkReader(1000)
    reader.feed(chunks(VIDEO, b"a", timestamp=first))
    reader.feed(b"\x84" + delta.to_bytes(3, "big") + b"b" + b"\xc4" + b"c")
    assert [one.timestamp for one in messages(reader)] == [first, second, third]


def test_the_first_header_after_short_ones_states_its_own_time_again() -> None:
    reader = RtmpChunkReader(1000)
    reader.feed(chunks(VIDEO, b"a", timestamp=50) + b"\x84" + (7).to_bytes(3, "big") + b"b")
    reader.feed(chunks(VIDEO, b"c", timestamp=20) + b"\xc4d")
    assert [one.timestamp for one in messages(reader)] == [50, 57, 20, 20]


@pytest.mark.parametrize("stream_id", [0, 1, 0x01020304, 0xFFFFFFFF])
def test_kind_and_stream_of_a_message_stay_those_of_its_chunk_stream(stream_id: int) -> None:
    reader = RtmpChunkReader(1000)
    head = b"\x04" + bytes(3) + (1).to_bytes(3, "big") + bytes([VIDEO]) + stream_id.to_bytes(4, "little")
    reader.feed(head + b"a" + b"\x84" + bytes(3) + b"b" + b"\xc4c")
    assert [(one.kind, one.stream_id) for one in messages(reader)] == [(VIDEO, stream_id)] * 3
