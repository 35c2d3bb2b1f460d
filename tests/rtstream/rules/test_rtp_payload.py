"""A transport stream is taken out of RTP packets, whatever pieces they arrive in."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtstream.rules.rtp_payload import PACKET, RtpPayload, is_rtp

STREAM = b"".join(b"\x47" + random.Random(number).randbytes(PACKET - 1) for number in range(70))


def rtp(payload: bytes, number: int, *, sources: int = 0, extension: bytes = b"", padding: int = 0) -> bytes:
    first = 0x80 | sources | (0x10 if extension else 0) | (0x20 if padding else 0)
    head = bytes([first, 33]) + number.to_bytes(2, "big") + bytes(8) + b"abcd" * sources
    if extension:
        head += b"\xbe\xde" + (len(extension) // 4).to_bytes(2, "big") + extension
    return head + payload + (bytes(padding - 1) + bytes([padding]) if padding else b"")


def packed(**options: object) -> list[bytes]:
    size = 7 * PACKET
    return [rtp(STREAM[at : at + size], at // size, **options) for at in range(0, len(STREAM), size)]  # type: ignore[arg-type]


@pytest.mark.parametrize("options", [{}, {"sources": 2}, {"extension": b"12345678"}, {"padding": 4}])
@pytest.mark.parametrize("size", [1, 100, 1328, 5000])
def test_headers_are_removed(options: dict[str, object], size: int) -> None:
    packets = packed(**options)
    assert all(map(is_rtp, packets))
    data, payload = b"".join(packets), RtpPayload()
    found = b"".join(payload.strip(data[at : at + size]) for at in range(0, len(data), size))
    assert found == STREAM


def test_a_lost_packet_costs_only_itself() -> None:
    packets = packed()
    del packets[3]
    assert RtpPayload().strip(b"".join(packets)) == STREAM[: 21 * PACKET] + STREAM[28 * PACKET :]


def test_a_plain_transport_stream_is_not_rtp() -> None:
    assert not is_rtp(STREAM)
    assert not is_rtp(b"")
    assert not is_rtp(rtp(b"\x48", 1))


@given(st.binary(max_size=600))
def test_no_bytes_break_it(data: bytes) -> None:
    payload = RtpPayload()
    found = payload.strip(data)
    assert len(found) % PACKET == 0
    is_rtp(data)
