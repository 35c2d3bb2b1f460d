"""Our clips through nginx's RTMP server: what the other tests build on."""

from __future__ import annotations

import av
import pytest

from rtstream.testsource import read_barcode


@pytest.mark.rtmp_server
def test_the_clip_comes_out_of_nginx_as_it_went_in(nginx_rtmp: str) -> None:
    with av.open(nginx_rtmp, options={"rw_timeout": "10000000"}) as container:
        frames = zip(container.decode(video=0), range(30), strict=False)
        numbers = [read_barcode(frame.to_ndarray(format="rgb24")) for frame, _ in frames]
        assert container.streams.audio[0].codec_context.name == "aac"
    assert numbers == [(numbers[0] + n) % 180 for n in range(30)]
