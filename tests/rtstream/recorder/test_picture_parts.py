"""Pictures of cameras with a faulty framing reach the codec library as they were sent."""

from __future__ import annotations

import io

import av
import pytest

from rtstream.recorder import picture_parts
from rtstream.recorder.picture_parts import PictureParts
from tests.rtstream.rules.test_jpeg_pictures import picture

PICTURES = [picture(shade) for shade in range(5)]


def parts(data: bytes, size: int) -> PictureParts:
    source = io.BytesIO(data)
    return PictureParts(lambda most: source.read(min(size, most)))


@pytest.mark.parametrize("size", [11, 1 << 20])
@pytest.mark.parametrize("between", [b"", b"\r\n--x\r\nContent-Type: image/jpg\r\nX-Time: 1\r\n\r\n", b"\n--\n\n"])
def test_the_codec_library_reads_each_picture(between: bytes, size: int) -> None:
    with av.open(parts(between.join(PICTURES), size), "r", format="mpjpeg") as container:
        assert [bytes(packet) for packet in container.demux() if packet.size] == PICTURES


def test_a_source_without_pictures_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(picture_parts, "LARGEST_PICTURE", 100)
    assert PictureParts(lambda most: b"x" * 50).read(1) == b""
