"""The tracks of a transport stream are those that its tables describe."""

from __future__ import annotations

import io
from pathlib import Path

import av
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtstream.rules.mpegts_tables import LEAST_BYTES, PACKET, described_tracks, newest_tables

H264, AAC = 0x1B, 0x0F


def stream(clip: Path, audio: bool, **options: str) -> bytes:
    """The beginning of ``clip`` as a transport stream."""
    sink = io.BytesIO()
    with av.open(str(clip)) as source, av.open(sink, "w", format="mpegts", options=options) as out:
        streams = [*source.streams.video, *source.streams.audio[: int(audio)]]
        copies = {stream.index: out.add_stream_from_template(stream) for stream in streams}
        for packet in source.demux(*streams):
            if packet.dts is not None:
                packet.stream = copies[packet.stream.index]
                out.mux(packet)
    return sink.getvalue()


def test_each_track_is_described_by_its_pid_and_type(clip: Path) -> None:
    whole = stream(clip, True)
    assert described_tracks(whole[:LEAST_BYTES]) == {(0x100, H264), (0x101, AAC)}
    moved = stream(clip, False, mpegts_start_pid="400", mpegts_pmt_start_pid="4000", mpegts_service_id="7")
    assert described_tracks(moved[:LEAST_BYTES]) == {(400, H264)}


def test_tables_that_are_not_whole_describe_nothing(clip: Path) -> None:
    whole = stream(clip, True)
    begin = next(
        at for at in range(0, len(whole), PACKET) if not int.from_bytes(whole[at + 1 : at + 3], "big") & 0x1FFF
    )
    assert described_tracks(whole[begin : begin + PACKET]) == frozenset()
    assert described_tracks(whole[begin + 2 * PACKET :][: 4 * PACKET]) == frozenset()
    assert described_tracks(b"\0" * len(whole)) == frozenset()
    assert described_tracks(b"") == frozenset()


@pytest.mark.parametrize("zeros", [1, 2])
def test_a_byte_that_only_looks_like_the_beginning_of_a_packet_hides_no_table(clip: Path, zeros: int) -> None:
    tables, _ = newest_tables(stream(clip, True))
    assert described_tracks(bytes(zeros) + b"\x47\0" + tables) == {(0x100, H264), (0x101, AAC)}


MOVED = {"mpegts_start_pid": "400"}
OTHER_PROGRAM = MOVED | {"mpegts_pmt_start_pid": "4000", "mpegts_service_id": "7"}


@pytest.mark.parametrize("options", [MOVED, OTHER_PROGRAM], ids=["pids", "program"])
def test_the_newest_tables_count(options: dict[str, str], clip: Path) -> None:
    before, after = stream(clip, True), stream(clip, True, **options)
    assert described_tracks(before + after) == {(400, H264), (401, AAC)}
    assert described_tracks(before[100:-100] + after) == {(400, H264), (401, AAC)}  # cut off inside packets


@pytest.mark.parametrize("options", [MOVED, OTHER_PROGRAM], ids=["pids", "program"])
def test_the_newest_tables_are_enough_for_a_demuxer(options: dict[str, str], clip: Path) -> None:
    before, after = stream(clip, True), stream(clip, True, **options)
    whole = before + after
    tables, at = newest_tables(whole)
    assert len(tables) == 2 * PACKET
    assert described_tracks(tables) == {(400, H264), (401, AAC)}
    assert len(before) <= at < len(before) + LEAST_BYTES
    media = bytearray()
    for begin in range(at, len(whole), PACKET):
        pid = int.from_bytes(whole[begin + 1 : begin + 3], "big") & 0x1FFF
        media += whole[begin : begin + PACKET] if pid in (400, 401) else b""
    with av.open(io.BytesIO(tables + media), "r", format="mpegts") as container:
        assert [track.id for track in container.streams] == [400, 401]
        found = sum(bool(packet.size) for packet in container.demux(video=0))
    with av.open(str(clip), "r") as container:
        assert found == sum(bool(packet.size) for packet in container.demux(video=0))
    assert newest_tables(b"") == (b"", 0)


def test_tables_that_are_not_valid_yet_do_not_count(clip: Path) -> None:
    before, after = stream(clip, True)[:LEAST_BYTES], bytearray(stream(clip, True, **MOVED)[:LEAST_BYTES])
    for at in range(0, len(after), PACKET):
        after[at + 10] &= 0xFE  # in tables, the flag that they are valid
    assert described_tracks(before + after) == {(0x100, H264), (0x101, AAC)}


@given(st.lists(st.binary(min_size=PACKET - 4, max_size=PACKET - 4), max_size=6), st.integers(0, 0x1FFF))
def test_no_damage_breaks_the_reader(bodies: list[bytes], pid: int) -> None:
    head = b"\x47" + (0x4000 | pid).to_bytes(2, "big") + b"\x10"
    described_tracks(b"".join((b"\x47\x40\0\x10" if index % 2 else head) + body for index, body in enumerate(bodies)))


@given(st.binary(max_size=LEAST_BYTES))
def test_any_bytes_are_read(data: bytes) -> None:
    described_tracks(data)
    newest_tables(data)
