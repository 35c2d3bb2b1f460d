"""Pictures are found in a stream of bytes by their own structure."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from rtstream.rules.jpeg_pictures import LARGEST_PICTURE, JpegPictures


def picture(shade: int, **options: object) -> bytes:
    sink = io.BytesIO()
    image = Image.effect_noise((40, 30), 80).point([(value + shade) % 256 for value in range(256)])
    image.save(sink, "JPEG", **options)
    return sink.getvalue()


def with_thumbnail(whole: bytes, thumbnail: bytes) -> bytes:
    """A picture with another one in its APP1 segment."""
    return whole[:2] + b"\xff\xe1" + (len(thumbnail) + 2).to_bytes(2, "big") + thumbnail + whole[2:]


PICTURES = [
    picture(0),
    picture(1, progressive=True),
    picture(2, quality=95, restart_marker_blocks=1),
    with_thumbnail(picture(3), picture(4, quality=10)),
    picture(5)[:-2] + b"\xff\xff\xff\xd9",  # fill bytes
]


@pytest.mark.parametrize(
    "between",
    [b"", b"\r\n", b"\0" * 50, b"\r\n--b\r\nContent-Type: image/jpg\r\n\r\n", b"\xff", b"\xff\xd8", b"\n--b\n\n"],
)
def test_pictures_are_found_whatever_is_between_them(between: bytes) -> None:
    data = between + between.join(PICTURES) + between
    for size in (1, 7, 1000, len(data)):
        splitter = JpegPictures()
        found = [each for at in range(0, len(data), size) for each in splitter.feed(data[at : at + size])]
        assert found == PICTURES


def test_a_picture_is_there_with_its_last_byte() -> None:
    splitter = JpegPictures()
    assert splitter.feed(PICTURES[0][:-1]) == []
    assert splitter.feed(PICTURES[0][-1:]) == [PICTURES[0]]


def test_a_picture_without_an_end_is_ended_by_the_next_one() -> None:
    splitter = JpegPictures()
    cut = [each[:-2] for each in PICTURES[:3]]
    found = splitter.feed(b"\r\n--b\r\n\r\n".join([*cut, PICTURES[0]]))
    for each, before in zip(found, [*PICTURES[:3], PICTURES[0]], strict=True):
        with Image.open(io.BytesIO(each)) as one, Image.open(io.BytesIO(before)) as other:
            assert one.tobytes() == other.tobytes()


def test_damage_costs_the_picture_that_it_is_in() -> None:
    damaged = PICTURES[0][:3] + b"\0" * 40 + PICTURES[0][43:]
    assert JpegPictures().feed(damaged + PICTURES[1] + PICTURES[2])[-2:] == PICTURES[1:3]


def test_memory_is_bounded() -> None:
    splitter = JpegPictures()
    assert splitter.feed(PICTURES[0][:-2] + bytes(LARGEST_PICTURE)) == []
    assert splitter.feed(PICTURES[1]) == [PICTURES[1]]


@given(st.lists(st.binary(max_size=60), max_size=6), st.integers(1, 50))
def test_no_bytes_break_it(garbage: list[bytes], size: int) -> None:
    data = b"".join(b"\xff\xd8\xff" + each for each in garbage)
    pieces = [data[at : at + size] for at in range(0, len(data), size)]
    splitter, whole = JpegPictures(), JpegPictures()
    assert [each for piece in pieces for each in splitter.feed(piece)] == whole.feed(data)
