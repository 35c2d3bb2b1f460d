"""The packets with which libsrt 1.5.1 (of ffmpeg) calls, as they were sent, and a client that repeats them."""

from __future__ import annotations

import socket

INDUCTION = bytes.fromhex(
    "8000000000000000000000a5000000000000000400000002234e3edc000005dc000020000000000135f1aaec00000000"
    "0100007f000000000000000000000000"
)
SOCKET_ID = 0x35F1AAEC
SENT = bytes.fromhex(
    "800000000000000000000190000000000000000500000005234e3edc000005dc00002000ffffffff35f1aaecabcd1234"
    "0100007f0000000000000000000000000001000300010501000000bf0078000000050003646362616867666500006a69"
)
"""The second packet, with the cookie abcd1234 (hexadecimal) and the stream id ``abcdefghij``."""
STREAM_ID_BYTES = 16  # of its extension, the last one
ENCRYPTED = bytes.fromhex(
    "8000000000000000000003b60000000000000005000000077b17b43f000005dc00002000ffffffff28603c55abcd1234"
    "0100007f0000000000000000000000000001000300010501000000bf00780000000500053a3a2123316b3d72703d6d2c"
    "696c6275000068730003000e1220290100000000020002000000040407c3a6d690c1d7881619ac4ca00d7a2d5f7181f7"
    "93086d26cec1621914a6744db9c858940400e47e"
)
"""With the stream id ``#!::r=k1,m=publish`` and a passphrase."""


def conclusion(stream_id: str, cookie: int = 0xABCD1234) -> bytes:
    """The second packet of a caller, with another stream id."""
    text = stream_id.encode()
    text += bytes(-len(text) % 4)
    words = b"".join(text[at : at + 4][::-1] for at in range(0, len(text), 4))
    extension = b"\x00\x05" + (len(words) // 4).to_bytes(2, "big") + words if stream_id else b""
    return SENT[:44] + cookie.to_bytes(4, "big") + SENT[48:-STREAM_ID_BYTES] + extension


class Caller:
    """A caller at an address of its own."""

    def __init__(self, port: int) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.settimeout(5)
        self.socket.connect(("127.0.0.1", port))

    def call(self, stream_id: str) -> None:
        """Return the cookie with the conclusion."""
        self.socket.send(INDUCTION)
        self.socket.send(conclusion(stream_id, int.from_bytes(self.socket.recv(1500)[44:48], "big")))

    def refusal(self) -> int:
        """The kind of handshake that is received."""
        return int.from_bytes(self.socket.recv(1500)[36:40], "big")
