"""A publisher is led to its request, and its media comes out as FLV. Nothing that a client sends can do more."""

from __future__ import annotations

import io
import random
from pathlib import Path

import av
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtstream.rules.flv import FLV_HEADER
from rtstream.rules.rtmp_reader import RtmpError
from rtstream.rules.rtmp_session import LARGEST_MEDIA, MOST_BEFORE_PUBLISH, PublishRequest, RtmpSession
from tests.rtstream.rules.rtmp_client import AUDIO, HANDSHAKE, SET_CHUNK_SIZE, VIDEO, chunks, command, opening


def accepted(data: bytes = b"") -> RtmpSession:
    session = RtmpSession(b"")
    session.receive(opening())
    session.accept()
    session.receive(data)
    return session


@given(st.integers(1, 4000))
def test_a_request_is_read_however_the_bytes_are_cut(cut: int) -> None:
    session, data = RtmpSession(b"nonce"), opening("abc?user=1")
    for begin in range(0, len(data), cut):
        assert session.request is None
        session.receive(data[begin : begin + cut])
    assert session.request == PublishRequest("live", "abc")
    output = session.take_output()
    assert output[0] == 3
    assert output[1 + 8 :].startswith(b"nonce")
    assert output[1 + 1536 : 1 + 2 * 1536] == HANDSHAKE[1 : 1 + 1536]
    assert b"NetConnection.Connect.Success" in output
    assert b"Publish.Start" not in output


@pytest.mark.parametrize("length", [0, 1528, 1600])
def test_the_handshake_has_its_length_whatever_the_nonce(length: int) -> None:
    session = RtmpSession(b"n" * length)
    session.receive(HANDSHAKE)
    output = session.take_output()
    assert len(output) == 1 + 2 * 1536
    assert output[9:1537] == (b"n" * length).ljust(1528, b"\0")[:1528]


def test_a_request_to_publish_may_name_nothing_but_the_key() -> None:
    session = RtmpSession(b"")
    session.receive(HANDSHAKE + command("connect", 1, {"app": "live"}) + command("publish", 5, None, "abc"))
    assert session.request == PublishRequest("live", "abc")


def test_another_session_continues_with_the_bytes_that_the_first_received() -> None:
    first, second = RtmpSession(b""), RtmpSession(b"")
    first.receive(opening() + chunks(SET_CHUNK_SIZE, (4096).to_bytes(4, "big"), number=2))
    second.receive(bytes(first.received))
    assert second.request == first.request
    second.accept()
    second.receive(chunks(VIDEO, b"x" * 3000, size=4096))
    assert second.take_tags()[11:3011] == b"x" * 3000


def test_bytes_behind_a_chunk_size_are_ignored() -> None:
    session = RtmpSession(b"")
    session.receive(opening() + chunks(SET_CHUNK_SIZE, (4096).to_bytes(4, "big") + b"x", number=2))
    session.accept()
    session.receive(chunks(VIDEO, b"x" * 3000, size=4096))
    assert session.take_tags()[11:3011] == b"x" * 3000


def test_the_media_comes_out_as_flv(clip: Path) -> None:
    file = io.BytesIO()
    with av.open(str(clip)) as source, av.open(file, "w", format="flv") as sink:
        tracks = {stream.index: sink.add_stream_from_template(stream) for stream in source.streams}
        for packet in source.demux():
            if packet.dts is not None:
                packet.stream = tracks[packet.stream.index]
                sink.mux(packet)
    session, data, at = accepted(), file.getvalue(), 13
    found = FLV_HEADER
    while at < len(data):
        kind, length = data[at], int.from_bytes(data[at + 1 : at + 4], "big")
        timestamp = int.from_bytes(data[at + 7 : at + 8] + data[at + 4 : at + 7], "big")
        session.receive(chunks(kind, data[at + 11 : at + 11 + length], timestamp=timestamp, number=4 + kind))
        found += session.take_tags()
        at += 11 + length + 4
    with av.open(io.BytesIO(found), "r") as received, av.open(str(clip)) as sent:
        assert len(list(received.decode(video=0))) == len(list(sent.decode(video=0)))
    with av.open(io.BytesIO(found), "r") as received:
        assert sum(frame.samples for frame in received.decode(audio=0)) > 5 * 48000


def test_media_before_the_request_was_accepted_is_no_media() -> None:
    session = RtmpSession(b"")
    session.receive(HANDSHAKE + chunks(AUDIO, b"x" * 10) + opening()[len(HANDSHAKE) :])
    assert session.request is not None
    session.accept()
    assert session.take_tags() == b""


def test_received_bytes_are_acknowledged_and_pings_returned() -> None:
    session = accepted()
    session.take_output()
    session.receive(chunks(4, b"\0\x06abcd", number=2))
    assert session.take_output().endswith(b"\0\x07abcd")
    session.receive(b"".join(chunks(VIDEO, bytes(65536)) for _ in range(17)))
    assert session.take_output()[7] == 3


def test_the_end_of_publishing_ends_the_session() -> None:
    session = accepted(command("FCUnpublish", 6, None, "key") + chunks(VIDEO, b"late"))
    assert session.ended
    assert session.take_tags() == b""


@pytest.mark.parametrize(
    "data",
    [
        b"\x16\x03\x01",  # TLS
        b"GET / HTTP/1.1\r\n",
        HANDSHAKE + chunks(20, b"\x02\x00\xff"),
        HANDSHAKE + command("publish", 1, None),
        HANDSHAKE + command("publish", 1, None, "k" * 300),
        HANDSHAKE + command(1, 2),
        HANDSHAKE + chunks(SET_CHUNK_SIZE, bytes(4), number=2),
        HANDSHAKE + chunks(VIDEO, bytes(20_000)),
        HANDSHAKE + command("onFCUnpublish", 1) * (MOST_BEFORE_PUBLISH // 20),
    ],
    ids=["tls", "http", "cut command", "no key", "long key", "no name", "no chunk", "large message", "endless"],
)
def test_a_client_that_does_something_else_is_disconnected(data: bytes) -> None:
    with pytest.raises(RtmpError):
        RtmpSession(b"").receive(data)


@given(st.integers(0, 1 << 32), st.integers(1, 30))
def test_damaged_bytes_are_read_or_refused_within_bounds(seed: int, damages: int) -> None:
    chance = random.Random(seed)
    media = b"".join(chunks(chance.choice((AUDIO, VIDEO)), chance.randbytes(chance.randrange(600))) for _ in range(9))
    data = bytearray(opening() + media)
    for _ in range(damages):
        data[chance.randrange(len(data))] = chance.randrange(256)
    session = RtmpSession(b"")
    try:
        for begin in range(0, len(data), 1000):
            session.receive(bytes(data[begin : begin + 1000]))
            if session.request is not None and session.received:
                session.accept()
    except RtmpError:
        return
    assert len(session.take_tags()) <= 2 * len(data) < LARGEST_MEDIA
    assert len(session.take_output()) < 20_000
