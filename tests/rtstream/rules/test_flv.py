"""A demuxer that joins an FLV stream in the middle knows its tracks from the beginning that it gets."""

from __future__ import annotations

import io
from pathlib import Path

import av

from rtstream.rules.flv import flv_beginning


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
