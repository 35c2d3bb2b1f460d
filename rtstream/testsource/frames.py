"""Draws the pictures of the synthetic source: slides of a fictional desktop, a moving ball, a clock and a barcode.

The barcode contains the frame number. A frame is drawn directly into its YUV 4:2:0 planes. The slide is copied, then
only the moving parts are painted.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

SLIDE_SECONDS = 5.0
BARCODE_BITS = 24

Bytes = NDArray[np.uint8]


@dataclass(frozen=True)
class Slide:
    """One screen, and the sentence that a voice speaks meanwhile."""

    title: str
    background: str
    ink: str
    lines: tuple[str, ...]
    spoken: str


SLIDES = (
    Slide(
        "Slack",
        "#4a154b",
        "white",
        ("# billing", "Ana: can you pay invoice 4711 today?", "Ben: yes, right after the stand-up"),
        "I open Slack. Ana asks me to pay invoice four seven one one today.",
    ),
    Slide(
        "Terminal",
        "#101418",
        "#d7f5d0",
        ("$ git pull --rebase", "$ pytest -q", "312 passed in 8.41s", "$ git push origin main"),
        "In the terminal I run the tests. Three hundred and twelve of them passed.",
    ),
    Slide(
        "Invoice 4711",
        "#f4f1e8",
        "#111111",
        ("Customer: Northwind GmbH", "Amount due: EUR 1,284.50", "Due date: 2031-03-14"),
        "This is invoice four seven one one, for twelve hundred and eighty four euros.",
    ),
    Slide(
        "Browser - Bank",
        "#0b5fa5",
        "white",
        ("Transfer to: Northwind GmbH", "Reference: 4711", "[ Confirm ]"),
        "Now I open the bank in the browser and confirm the transfer.",
    ),
    Slide(
        "Calendar",
        "#1e7d4f",
        "white",
        ("09:30 Stand-up", "11:00 Design review", "15:00 Call with Priya"),
        "My calendar shows a design review at eleven and a call with Priya at three.",
    ),
    Slide(
        "Error 503",
        "#8b1a1a",
        "white",
        ("upstream connect error", "request id 7f3a-22", "retrying in 5 s"),
        "The dashboard shows error five oh three. I will try again in five seconds.",
    ),
)

# Position of the barcode as fractions of the picture, so that it can be read from a scaled picture as well.
_BARCODE_LEFT, _BARCODE_TOP, _CELL_WIDTH, _CELL_HEIGHT = 0.05, 0.92, 0.025, 0.05


class Painter:
    """Draws the frames of one clip. ``width`` and ``height`` are in pixels and even."""

    def __init__(self, width: int, height: int, fps: int) -> None:
        self.width, self.height, self.fps = width, height, fps
        self._slides = [self._planes(_draw_slide(slide, width, height)) for slide in SLIDES]
        self._ball = _disc(_even(height * 0.07))
        self._glyphs = _glyphs(max(8, height // 24))

    def frame(self, number: int) -> av.VideoFrame:
        """Return frame ``number`` as yuv420p, without timestamps."""
        seconds = number / self.fps
        planes = self._slides[int(seconds / SLIDE_SECONDS) % len(SLIDES)].copy()
        luma, chroma_u, chroma_v = self._split(planes)
        self._paint_ball(luma, chroma_u, chroma_v, seconds)
        self._paint_clock(luma, seconds)
        self._paint_barcode(luma, number)
        return av.VideoFrame.from_ndarray(planes, format="yuv420p")

    def _planes(self, image: Image.Image) -> Bytes:
        return av.VideoFrame.from_image(image).reformat(format="yuv420p").to_ndarray()

    def _split(self, planes: Bytes) -> tuple[Bytes, Bytes, Bytes]:
        """Return views of the three planes, with shapes [height, width] and twice [height/2, width/2]."""
        flat, size = planes.reshape(-1), self.width * self.height
        half = (self.height // 2, self.width // 2)
        return (
            flat[:size].reshape(self.height, self.width),
            flat[size : size + size // 4].reshape(half),
            flat[size + size // 4 :].reshape(half),
        )

    def _paint_ball(self, luma: Bytes, chroma_u: Bytes, chroma_v: Bytes, seconds: float) -> None:
        side = self._ball.shape[0]
        x = _even((0.5 + 0.45 * math.sin(seconds * 1.3)) * (self.width - side))
        y = _even(self.height * 0.83)
        half = self._ball[::2, ::2]
        for plane, mask, left, top, value in (
            (luma, self._ball, x, y, 190),
            (chroma_u, half, x // 2, y // 2, 40),
            (chroma_v, half, x // 2, y // 2, 160),
        ):
            plane[top : top + mask.shape[0], left : left + mask.shape[1]][mask] = value

    def _paint_clock(self, luma: Bytes, seconds: float) -> None:
        text = f"{int(seconds) // 60:02d}:{seconds % 60:04.1f}"
        height, width = self._glyphs["0"].shape
        x, y = self.width - width * (len(text) + 1), max(0, self.height // 16 - height) // 2
        for index, character in enumerate(text):
            luma[y : y + height, x + index * width : x + (index + 1) * width] = self._glyphs[character]

    def _paint_barcode(self, luma: Bytes, number: int) -> None:
        for bit in range(BARCODE_BITS):
            top, bottom, left, right = _cell(bit, self.width, self.height)
            luma[top:bottom, left:right] = 235 if (number >> bit) & 1 else 16


def read_barcode(picture: NDArray[np.number]) -> int:
    """Return the frame number shown in a picture of the synthetic source.

    Args:
        picture: uint8 [height, width, 3] RGB or BGR, or [height, width] grey. It may be scaled.

    Raises:
        ValueError: The picture contains no clear barcode.
    """
    grey = picture.mean(axis=2) if picture.ndim == 3 else picture
    number = 0
    for bit in range(BARCODE_BITS):
        top, bottom, left, right = _cell(bit, grey.shape[1], grey.shape[0])
        inset_y, inset_x = (bottom - top) // 4, (right - left) // 4
        value = float(grey[top + inset_y : bottom - inset_y, left + inset_x : right - inset_x].mean())
        if 90 < value < 165:
            raise ValueError(f"no clear barcode: cell {bit} has brightness {value:.0f}")
        number |= int(value >= 165) << bit
    return number


def _cell(bit: int, width: int, height: int) -> tuple[int, int, int, int]:
    """Return top, bottom, left and right of one barcode cell in pixels."""
    left = (_BARCODE_LEFT + bit * _CELL_WIDTH) * width
    top = _BARCODE_TOP * height
    return round(top), round(top + _CELL_HEIGHT * height), round(left), round(left + _CELL_WIDTH * width)


def _draw_slide(slide: Slide, width: int, height: int) -> Image.Image:
    unit = height / 720
    image = Image.new("RGB", (width, height), slide.background)
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 0, width, height // 16), fill="#2b2b2b")
    for index, colour in enumerate(("#ff5f57", "#febc2e", "#28c840")):
        left = (14 + index * 26) * unit
        draw.ellipse((left, 14 * unit, left + 16 * unit, 30 * unit), fill=colour)
    draw.text((120 * unit, 10 * unit), slide.title, font=_font(22 * unit), fill="#dddddd")
    draw.text((60 * unit, 80 * unit), slide.title, font=_font(72 * unit), fill=slide.ink)
    for index, line in enumerate(slide.lines):
        draw.text((60 * unit, (220 + index * 66) * unit), line, font=_font(38 * unit), fill=slide.ink)
    return image


def _font(size: float) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    # Pillow includes this font, so the pictures look the same on every machine.
    return ImageFont.load_default(max(6, round(size)))


def _glyphs(size: int) -> dict[str, Bytes]:
    """Return the clock's characters as luma cells of one size."""
    font, width, height = _font(size), _even(size * 0.6) + 2, _even(size * 1.2)
    cells: dict[str, Bytes] = {}
    for character in "0123456789:.":
        image = Image.new("L", (width, height), 53)
        ImageDraw.Draw(image).text((width // 2, height // 2), character, font=font, fill=225, anchor="mm")
        cells[character] = np.asarray(image)
    return cells


def _disc(side: int) -> NDArray[np.bool_]:
    y, x = np.mgrid[:side, :side] - (side - 1) / 2
    return x * x + y * y <= side * side / 4


def _even(value: float) -> int:
    return int(value) // 2 * 2
