"""Callers are told apart by the handshakes that libsrt sends."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtstream.rules.srt_handshake import (
    CONCLUSION,
    UNAUTHORIZED,
    cookie_of,
    induction_request,
    induction_response,
    is_shutdown,
    parse_handshake,
    rejection,
    shutdown,
    stream_key_of,
    with_cookie,
)
from rtstream.rules.srt_handshake import INDUCTION as INDUCTION_KIND
from tests.rtstream.rules.srt_client import ENCRYPTED, INDUCTION, SENT, SOCKET_ID, conclusion


def test_the_handshake_of_a_caller_is_read() -> None:
    assert conclusion("abcdefghij") == SENT
    first, second, encrypted = map(parse_handshake, (INDUCTION, SENT, ENCRYPTED))
    assert first is not None
    assert (first.version, first.kind, first.cookie, first.stream_id) == (4, INDUCTION_KIND, 0, "")
    assert second is not None
    assert (second.version, second.kind, second.cookie, second.stream_id) == (5, CONCLUSION, 0xABCD1234, "abcdefghij")
    assert (second.socket_id, second.is_encrypted, second.is_rejection) == (SOCKET_ID, False, False)
    assert encrypted is not None
    assert (encrypted.stream_id, encrypted.is_encrypted) == ("#!::r=k1,m=publish", True)


@pytest.mark.parametrize(
    ("stream_id", "key"),
    [
        ("", ""),
        ("key", "key"),
        ("#!::r=key", "key"),
        ("#!::m=publish,r=key,u=me", "key"),
        ("#!::m=request,r=key", ""),
        ("#!::u=me", ""),
        ("#!::", ""),
    ],
)
def test_the_key_is_the_stream_id_or_its_resource(stream_id: str, key: str) -> None:
    assert stream_key_of(stream_id) == key


def test_the_response_asks_for_the_cookie_as_libsrt_does() -> None:
    first = parse_handshake(INDUCTION)
    assert first is not None
    response = induction_response(first, 0x01020304)
    assert response[12:16] == SOCKET_ID.to_bytes(4, "big")
    assert response[16:24] == bytes.fromhex("0000000500004a17")
    assert response[44:48] == bytes.fromhex("01020304")
    assert with_cookie(SENT, 0x01020304) == conclusion("abcdefghij", 0x01020304)


def test_a_request_is_repeated_as_the_caller_sent_it() -> None:
    second = parse_handshake(SENT)
    assert second is not None
    repeated = induction_request(second)
    assert repeated[16:24] == INDUCTION[16:24]  # version 4, datagrams
    assert repeated[24:28] == INDUCTION[24:28]  # sequence number
    assert repeated[36:48] == INDUCTION[36:48]  # kind, socket id and cookie


def test_a_refusal_and_an_end_are_addressed_to_the_caller() -> None:
    second = parse_handshake(SENT)
    assert second is not None
    refused = rejection(second, UNAUTHORIZED)
    assert refused[12:16] == SOCKET_ID.to_bytes(4, "big")
    assert refused[36:40] == (2401).to_bytes(4, "big")
    found = parse_handshake(refused)
    assert found is not None
    assert found.is_rejection
    assert shutdown(7)[12:16] == (7).to_bytes(4, "big")
    assert (is_shutdown(shutdown(7)), is_shutdown(SENT)) == (True, False)


def test_a_cookie_depends_on_the_secret_the_address_and_the_minute() -> None:
    cookies = {
        cookie_of(secret, (host, port), minute)
        for secret in (b"1", b"2")
        for host in ("10.0.0.1", "10.0.0.2")
        for port in (1, 2)
        for minute in (1, 2)
    }
    assert len(cookies) == 16
    assert all(0 < cookie < 1 << 32 for cookie in cookies)


@given(st.binary(max_size=200))
def test_other_packets_are_no_handshakes(data: bytes) -> None:
    for packet in (data, b"\x80\0\0\0" + data, SENT[:64] + data):
        found = parse_handshake(packet)
        if len(packet) < 64:
            assert found is None
        elif found is not None:
            assert len(found.stream_id) <= len(data)


def test_an_extension_that_is_cut_is_no_stream_id() -> None:
    for length in range(64, len(SENT)):
        found = parse_handshake(SENT[:length])
        assert found is not None
        assert found.stream_id == ""
