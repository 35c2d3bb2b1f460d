"""Messages between engine and recorder survive their encoding, and anything else is refused."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtstream.messages import (
    FrameTaken,
    HealthNote,
    Message,
    RecorderHealth,
    RecorderSpec,
    RecorderStats,
    RecordingStarted,
    ReleaseRecorder,
    SetTaps,
    StopRecorder,
    decode,
    encode,
)


@pytest.mark.parametrize(
    "message",
    [
        RecorderHealth("error", "no stream", 3, {"width": 1}, "no_source", [HealthNote("a", "note", "b")]),
        RecordingStarted("rec-1", 1.5, "avc1", b"\n\x00binary\n"),
        FrameTaken(1.0, ["a", "b"], 320, 180, b""),
        RecorderStats(0.5, {"frames": 2.0}, {"video": {"received": 10, "stored": 8, "dropped": {"early": 2}}}),
        SetTaps({"a": {"interval_s": 0.5, "max_side": 640}}, audio=True),
        ReleaseRecorder(60),
        StopRecorder(),
    ],
)
def test_a_message_is_the_same_after_its_transport(message: Message) -> None:
    assert decode(encode(message)) == message


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"null\n",
        b'["unknown", {}]\n',
        b'["segment", {"start": 1}]\n',
        b'["stop", {"extra": 1}]\n',
        b'["release", {"limit_s": "long"}]\n',
        b'["set_taps", {"taps": {"a": {"interval_s": 0, "max_side": 1}}}]\n',
        b'["set_taps", {"taps": [1]}]\n',
        b'["health", {"state": "x", "reasons": [[1]]}]\n',
    ],
)
def test_what_is_not_a_message_is_refused(raw: bytes) -> None:
    with pytest.raises(ValueError, match="not a recorder message"):
        decode(raw)


@given(st.binary(max_size=200))
def test_any_bytes_are_decoded_or_refused(raw: bytes) -> None:
    try:
        message = decode(raw)
    except ValueError:
        return
    assert decode(encode(message)) == message


def test_other_limits_can_be_taken_over_and_another_source_cannot() -> None:
    spec = RecorderSpec("rts-1", "rtsp://h/x", ["video"], True, "/data")
    assert spec.records_the_same(replace(spec, segment_s=9.0, stream_name="Yard", min_free_bytes=5))
    for change in ({"url": "rtsp://h/y"}, {"tls_verify": False}, {"allow_networks": "private"}, {"record": False}):
        assert not spec.records_the_same(replace(spec, **change))  # pyright: ignore[reportArgumentType]
