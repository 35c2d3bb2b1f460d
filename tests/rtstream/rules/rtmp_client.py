"""The bytes that an RTMP publisher sends."""

from __future__ import annotations

from rtstream.rules.amf import encode_amf

HANDSHAKE = b"\x03" + bytes(1536) + bytes(1536)
COMMAND, AUDIO, VIDEO, SET_CHUNK_SIZE = 20, 8, 9, 1


def chunks(kind: int, body: bytes, *, timestamp: int = 0, number: int = 4, size: int = 128) -> bytes:
    """A message in chunks, the first of which has a whole header."""
    extended = timestamp.to_bytes(4, "big") if timestamp >= 0xFFFFFF else b""
    head = bytes([number]) + min(timestamp, 0xFFFFFF).to_bytes(3, "big") + len(body).to_bytes(3, "big")
    head += bytes([kind]) + (1).to_bytes(4, "little") + extended
    between = bytes([0xC0 | number]) + extended
    return head + between.join(body[at : at + size] for at in range(0, max(1, len(body)), size))


def command(*values: object) -> bytes:
    return chunks(COMMAND, encode_amf(*values), number=3)


def opening(key: str = "key", application: str = "live") -> bytes:
    """Everything up to the request to publish."""
    return (
        HANDSHAKE
        + command("connect", 1, {"app": application, "type": "nonprivate", "tcUrl": "rtmp://127.0.0.1/live"})
        + command("releaseStream", 2, None, key)
        + command("FCPublish", 3, None, key)
        + command("createStream", 4, None)
        + command("publish", 5, None, key, "live")
    )
