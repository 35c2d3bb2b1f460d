"""The lines of a recording's log are read as they were written, even when a crash damaged the last one."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from rtstream.rules.recording_log import (
    FilesRemoved,
    LogLine,
    RecordingClosed,
    RecordingOpened,
    SegmentWritten,
    decode,
    encode,
    is_whole,
)

TEXTS = st.text(max_size=30)
SECONDS = st.floats(0, 1e10, allow_nan=False)
COUNTS = st.integers(0, 2**50)
LINES: st.SearchStrategy[LogLine] = st.one_of(
    st.builds(RecordingOpened, TEXTS, TEXTS, SECONDS, TEXTS, st.binary(max_size=200)),
    st.builds(SegmentWritten, SECONDS, SECONDS, TEXTS, COUNTS, COUNTS),
    st.builds(FilesRemoved, st.lists(TEXTS, max_size=3).map(tuple)),
    st.builds(RecordingClosed, SECONDS, TEXTS),
)


@given(st.lists(LINES, max_size=6))
def test_what_is_read_is_what_was_written(lines: list[LogLine]) -> None:
    raw = b"".join(map(encode, lines))
    assert decode(raw) == (lines, len(raw))


@given(st.lists(LINES, min_size=1, max_size=5), st.data())
def test_a_log_cut_anywhere_yields_the_whole_lines_before_the_cut(lines: list[LogLine], data: st.DataObject) -> None:
    encoded = list(map(encode, lines))
    raw = b"".join(encoded)
    cut = data.draw(st.integers(0, len(raw)))
    found, end = decode(raw[:cut])
    assert found == lines[: len(found)]
    assert sum(map(len, encoded[: len(found)])) == end <= cut
    assert len(found) == len(lines) or end + len(encoded[len(found)]) > cut


@given(st.lists(LINES, min_size=2, max_size=5), st.data())
def test_a_torn_line_costs_only_itself(lines: list[LogLine], data: st.DataObject) -> None:
    torn = data.draw(st.integers(0, len(lines) - 2))
    kept = data.draw(st.integers(0, len(encode(lines[torn])) - 2))
    encoded = [encode(line) if at != torn else encode(line)[:kept] + b"\n" for at, line in enumerate(lines)]
    assert decode(b"".join(encoded))[0] == [line for at, line in enumerate(lines) if at != torn]


@given(st.lists(LINES, min_size=1, max_size=4), st.data())
def test_a_changed_byte_costs_at_most_two_lines(lines: list[LogLine], data: st.DataObject) -> None:
    raw = bytearray(b"".join(map(encode, lines)))
    at = data.draw(st.integers(0, len(raw) - 1))
    raw[at] ^= data.draw(st.integers(1, 255))
    found, _ = decode(bytes(raw) + b"\n")
    assert len(found) >= len(lines) - 2
    assert all(line in lines for line in found)


@given(st.binary(max_size=400))
def test_any_bytes_are_read_without_an_error(raw: bytes) -> None:
    _, end = decode(raw)
    assert 0 <= end <= len(raw)


def test_fields_and_lines_of_a_newer_program_are_ignored() -> None:
    import json
    import zlib

    def raw(values: dict[str, object]) -> bytes:
        body = json.dumps(values).encode()
        return b"%08x %s\n" % (zlib.crc32(body), body)

    newer = raw({"kind": "closed", "ended_at": 5, "reason": "stop", "by": "user"}) + raw({"kind": "audit", "a": 1})
    assert decode(newer) == ([RecordingClosed(5, "stop")], len(newer))


def test_a_line_of_wrong_types_is_damage() -> None:
    import json
    import zlib

    for values in (
        {"kind": "segment", "start": "x"},
        {"kind": "closed", "ended_at": 1e300},
        {"kind": "closed", "ended_at": 1e12},
        {"kind": "closed", "ended_at": -1e12},
        [1],
        {"kind": "removed"},
    ):
        body = json.dumps(values).encode()
        assert decode(b"%08x %s\n" % (zlib.crc32(body), body))[0] == []
    for media_start in (1e12, -1e12):
        assert decode(encode(RecordingOpened("rec", "rts", 0.0, "", b"", media_start=media_start)))[0] == []


@given(st.lists(LINES, max_size=4), st.data())
def test_a_log_is_whole_unless_a_byte_is_missing_or_changed(lines: list[LogLine], data: st.DataObject) -> None:
    raw = b"".join(map(encode, lines))
    assert is_whole(raw)
    assert is_whole(raw + b"\n")  # behind a line that was written again
    if raw:
        at = data.draw(st.integers(0, len(raw) - 1))
        assert not is_whole(raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :])
        end = data.draw(st.integers(0, len(raw)))
        assert is_whole(raw[:end]) == (not end or raw[end - 1 : end] == b"\n")
