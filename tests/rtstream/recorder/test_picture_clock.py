"""Pictures of raw H.264 and H.265 are shown in the order of their headers, which is that of a decoder."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import av
import pytest
from av.packet import Packet

from rtstream.recorder.parameter_sets import units_of
from rtstream.recorder.picture_clock import ARRIVAL_BASE, PictureClock
from rtstream.rules.picture_order import PictureOrder
from tests.rtstream.recorder.recorder_client import barcode
from tests.rtstream.recorder.recorder_sources import video_file

X265 = "log-level=none"
KINDS: list[Any] = [
    ("libx264", "h264", {"bf": 3, "x264_params": "b-pyramid=normal:b-adapt=0:open-gop=1"}),
    ("libx264", "h264", {"bf": 0, "profile": "baseline", "x264_params": "aud=1"}),
    ("libx264", "h264", {"bf": 2, "flags": "+ildct+ilme", "x264_params": "interlaced=1"}),
    pytest.param("libx264", "h264", {"bf": 16, "x264_params": "scenecut=0:keyint=300"}, marks=pytest.mark.long),
    ("libx265", "hevc", {"bf": 3, "x265_params": f"{X265}:b-adapt=0:b-pyramid=1"}),
    pytest.param("libx265", "hevc", {"bf": 0, "x265_params": f"{X265}:aud=1"}, marks=pytest.mark.long),
    pytest.param("libx265", "hevc", {"bf": 4, "x265_params": f"{X265}:temporal-layers=3"}, marks=pytest.mark.long),
]


def packets(path: Path, codec: str, form: str, settings: dict[str, str]) -> list[Packet]:
    """The pictures of a new raw stream, whose barcodes count from 0."""
    gop = 50 if "keyint" not in str(settings) else 300
    file = video_file(path / "a.mp4", codec, seconds=4, gop=gop, preset="ultrafast", **settings)
    sink = io.BytesIO()
    with av.open(str(file)) as source, av.open(sink, "w", format=form) as out:
        copy = out.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.size:
                packet.stream = copy
                out.mux(packet)
    with av.open(io.BytesIO(sink.getvalue()), "r", format=form) as container:
        return [packet for packet in container.demux(video=0) if packet.size]


@pytest.mark.parametrize(("codec", "form", "settings"), KINDS)
def test_the_times_are_in_the_order_in_which_a_decoder_shows_the_pictures(
    codec: str, form: str, settings: dict[str, str], tmp_path: Path
) -> None:
    found = packets(tmp_path, codec, form, settings)
    clock = PictureClock(form, 0.0, b"")
    for packet in found:
        clock.set(packet)
        assert packet.time_base == ARRIVAL_BASE
        assert packet.pts is not None
        assert packet.dts is not None
        assert packet.pts >= packet.dts
    decoder: Any = av.CodecContext.create(form, "r")
    frames = [frame for packet in [*found, None] for frame in decoder.decode(packet)]
    numbers = [barcode(frame) for frame in frames]
    assert numbers == list(range(120))
    times = [frame.pts for frame in frames]
    assert times == sorted(set(times))


def test_damaged_headers_leave_the_order_of_decoding(tmp_path: Path) -> None:
    found = packets(tmp_path, "libx264", "h264", {"bf": "2"})
    whole = PictureOrder("h264")
    for packet in found:
        whole.count(units_of(packet, "h264"))
    for length in range(1, 40):
        for kind, unit in units_of(found[0], "h264"):
            assert PictureOrder("h264").count([(kind, unit[:length])]) is None
    assert PictureOrder("h264").count(units_of(found[5], "h264")) is None  # without parameter sets
    assert PictureOrder("vp9").count([(5, b"abc")]) is None
