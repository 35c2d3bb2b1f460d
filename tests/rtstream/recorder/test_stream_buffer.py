"""The newest bytes of a stream can be read again, and none is lost or changed."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtstream.recorder import stream_buffer
from rtstream.recorder.stream_buffer import StreamBuffer

DATA = bytes(number * 7 % 251 for number in range(5000))


@given(
    st.lists(st.integers(1, 700), min_size=1, max_size=20),
    st.lists(st.integers(0, 5000), max_size=6).map(sorted),
    st.integers(1, 900),
)
def test_a_second_reader_continues_behind_the_mark_but_one(sizes: list[int], marks: list[int], again: int) -> None:
    source = io.BytesIO(DATA)
    buffer = StreamBuffer(source.read)
    read = b"".join(buffer.read(size) for size in sizes)
    assert read == DATA[: len(read)]
    for mark in marks:
        buffer.fed(min(mark, len(read)))
    buffer.rewind(b"prefix")
    assert buffer.read(100) == b"prefix"
    begin = buffer.base + len(b"prefix")
    assert begin <= len(read)
    rest = b""
    while data := buffer.read(again):
        rest += data
    assert rest == DATA[begin:]


def test_the_beginning_can_be_looked_at() -> None:
    buffer = StreamBuffer(io.BytesIO(DATA).read)
    assert buffer.peek(5)[:5] == DATA[:5]
    assert buffer.read(10) == DATA[:10]


def test_more_bytes_than_asked_for_are_returned_in_parts() -> None:
    datagrams = iter([DATA[:700], DATA[700:1000], b""])
    buffer = StreamBuffer(lambda size: next(datagrams))
    assert [buffer.read(300) for _ in range(4)] == [DATA[:300], DATA[300:600], DATA[600:700], DATA[700:1000]]
    assert buffer.read(300) == b""


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream_buffer, "MOST_BYTES", 1000)
    buffer = StreamBuffer(io.BytesIO(DATA).read)
    while buffer.read(100):
        pass
    buffer.rewind(b"")
    assert buffer.base >= len(DATA) - 1100


@pytest.mark.parametrize(("reads", "starved"), [(3, False), (20, True)])
def test_a_process_that_stood_still_is_not_a_stream_without_packets(
    reads: int, starved: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream_buffer, "STARVED_BYTES", 100)
    now = 0.0
    monkeypatch.setattr(stream_buffer.time, "monotonic", lambda: now)
    buffer = StreamBuffer(io.BytesIO(DATA).read)
    buffer.read(200)
    buffer.fed(200)
    for _ in range(reads):
        now += 5.0
        buffer.read(200)
    assert buffer.starved is starved


def test_a_stream_without_packets_ends_but_not_while_it_is_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream_buffer, "STARVED_BYTES", 100)
    monkeypatch.setattr(stream_buffer, "STARVED_S", 0.0)
    buffer = StreamBuffer(io.BytesIO(DATA).read)
    assert len(buffer.read(1000)) == len(buffer.read(1000)) == 1000
    buffer.fed(1500)
    assert buffer.read(1000)
    assert buffer.read(1000) == b""
    assert buffer.starved
    buffer.rewind(b"")
    assert buffer.read(1000)
    assert not buffer.starved


@pytest.mark.parametrize(("moved", "starved"), [(True, True), (False, False), (None, True)])
def test_tables_decide_whether_a_stream_without_packets_has_moved(
    moved: bool | None, starved: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream_buffer, "STARVED_BYTES", 1000 if moved is None else 10_000)
    now = 0.0
    monkeypatch.setattr(stream_buffer.time, "monotonic", lambda: now)
    buffer, looked = StreamBuffer(io.BytesIO(DATA).read), list[bytes]()

    def look(data: bytes) -> bool | None:
        looked.append(data)
        return moved

    buffer.moved = look
    for position in (50, 150):
        buffer.read(100)
        buffer.fed(position)
    reads = 0
    while buffer.read(100) and reads < 24:
        now += 0.2
        reads += 1
    assert buffer.starved is starved
    assert looked[0] == DATA[50 : 50 + len(looked[0])]
    assert len(looked) <= 3  # not at each read
    if moved:
        assert now < 2.0
    monkeypatch.undo()


@pytest.mark.parametrize("others", [True, False])
def test_a_stream_that_ended_for_no_reason_is_waited_for_longer(others: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream_buffer, "STARVED_BYTES", 0)
    now = 0.0
    monkeypatch.setattr(stream_buffer.time, "monotonic", lambda: now)
    buffer, waits = StreamBuffer(lambda size: bytes(size)), list[float]()
    buffer.read(10)
    for _ in range(4):
        buffer.fed(0)
        began = now
        while buffer.read(10):
            now += 0.1
        waits.append(now - began)
        buffer.rewind(b"")
        while buffer.waiting:
            buffer.read(1000)
        if others:
            buffer.note_other_tracks()
    monkeypatch.undo()
    assert waits == pytest.approx([1.5] * 4 if others else [1.5, 3, 6, 12], abs=0.3)


def test_another_demuxer_begins_at_a_chosen_position_whose_bytes_are_kept() -> None:
    buffer = StreamBuffer(io.BytesIO(DATA).read)
    for _ in range(5):
        buffer.read(100)
    for position in (150, 250, 350):
        buffer.fed(position)
    assert buffer.kept(310, 150) == DATA[310:460]
    assert buffer.kept(450, 100) == DATA[450:500]
    assert buffer.kept(10, 100) == b""
    buffer.rewind(b"head", 420)
    assert buffer.read(100) == b"head"
    assert buffer.read(100) == DATA[420:500]
