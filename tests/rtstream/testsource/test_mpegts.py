"""A looped clip as a transport stream that a client can join at any keyframe."""

from __future__ import annotations

import io
import itertools
from pathlib import Path

import av

from rtstream.testsource.mpegts import PACKET, TsMuxer
from rtstream.testsource.timeline import LoopedClip


def test_pieces_begin_with_tables_and_a_keyframe(clip: Path) -> None:
    looped = LoopedClip(clip)
    muxer = TsMuxer(looped)
    pieces = [piece for unit in itertools.islice(looped.units(), 300) for piece in muxer.mux(unit)]
    muxer.close()
    assert all(len(data) % PACKET == 0 for data, _ in pieces)
    begins = [number for number, (_, keyframe) in enumerate(pieces) if keyframe]
    assert len(begins) >= 3
    for number in begins:
        data = pieces[number][0]
        assert int.from_bytes(data[1:3], "big") & 0x1FFF == 0  # the program association table
    joined = b"".join(data for data, _ in pieces[begins[1] :])
    with av.open(io.BytesIO(joined), "r", format="mpegts") as container:
        frame = next(container.decode(video=0))
        assert (frame.width, frame.height, bool(frame.key_frame)) == (320, 180, True)
