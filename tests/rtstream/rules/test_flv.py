"""A demuxer that joins an FLV stream in the middle knows its tracks from the beginning that it gets."""

from __future__ import annotations

import io
from pathlib import Path

import av

from rtstream.rules.flv import TAG_HEAD, flv_beginning, flv_tag, tag_end


def test_a_demuxer_reads_the_middle_of_a_stream_behind_the_beginning(clip: Path) -> None:
    sink = io.BytesIO()
    with av.open(str(clip), "r") as source, av.open(sink, "w", format="flv") as out:
        streams = (*source.streams.video, *source.streams.audio)
        copies = {stream.index: out.add_stream_from_template(stream) for stream in streams}
        for packet in source.demux(*streams):
            if packet.dts is not None:
                packet.stream = copies[packet.stream.index]
                out.mux(packet)
    whole = sink.getvalue()
    with av.open(io.BytesIO(whole), "r") as stream:
        video, audio = stream.streams.video[0], stream.streams.audio[0]
        keyframes = [packet.pos for packet in stream.demux(video) if packet.is_keyframe and packet.pos is not None]
        settings = video.codec_context.extradata or b"", audio.codec_context.extradata or b""
    middle = flv_beginning("h264", settings[0], "aac", settings[1]) + whole[keyframes[4] :]
    with av.open(io.BytesIO(middle), "r", format="flv") as stream:
        assert [track.type for track in stream.streams] == ["video", "audio"]
        assert stream.streams.video[0].width == 320
        assert next(stream.decode(video=0)).width == 320


def test_a_tag_ends_where_the_next_one_begins() -> None:
    first, second = flv_tag(9, 0, b"picture"), flv_tag(8, 40, b"audio")
    data = first + second
    assert tag_end(0, data[:TAG_HEAD]) == len(first)
    assert tag_end(len(first), data[len(first) :][:TAG_HEAD]) == len(data)
    assert tag_end(0, data[: TAG_HEAD - 1]) is None
    assert tag_end(0, flv_tag(18, 0, b"metadata")) is None
