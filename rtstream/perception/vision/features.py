"""Measures pictures without a model: changes, cuts, motion, black and blank pictures, main colours.

Pictures are compared as area-averaged grey thumbnails, about a quarter of 1280x720, in square tiles. This code runs in
the child process and imports only numpy, Pillow and simplejpeg.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import simplejpeg
from numpy.typing import NDArray
from PIL import Image

Picture = NDArray[np.uint8]  # [height, width, channels]
Grey = NDArray[np.uint8]  # [height, width]
Tiles = NDArray[np.bool_]  # [rows, columns], True where changed

LONG_SIDE = 320  # pixels of a thumbnail
TILE = 8  # thumbnail pixels
# Measured on still 720p screens (H.264 at CRF 32 and at 300 kbit/s), a tile differs by up to 3.3 grey levels on
# average and a pixel by up to 14. One changed digit of 14-pixel text differs by 72 or more in some pixel.
CHANGED_MEAN = 4.0
CHANGED_PEAK = 28
CUT = 18.0  # grey levels; mean difference of the whole picture at a cut
BLACK = 24  # grey level below which a pixel is black
BLANK_SPREAD = 3.0  # standard deviation below which a picture is one plain colour


class BadPicture(ValueError):
    """The JPEG could not be decoded."""


def decode(jpeg: bytes, colours: str = "RGB", side: int = 0) -> Picture:
    """Decode a JPEG to a uint8 array [height, width, channels].

    Args:
        jpeg: The JPEG.
        colours: Colour space, as simplejpeg names it.
        side: Longest side, in pixels, that the caller needs. A larger picture is decoded at a reduced size. 0 means
            full size.

    Raises:
        BadPicture: The JPEG could not be decoded.
    """
    try:
        height, width = (int(size) for size in simplejpeg.decode_jpeg_header(jpeg)[:2])
        scale = side / max(height, width)
        want = (int(height * scale), int(width * scale)) if 0 < scale < 1 else (0, 0)
        return simplejpeg.decode_jpeg(jpeg, colours, min_height=want[0], min_width=want[1], min_factor=1 / 8)
    except ValueError as exc:
        raise BadPicture(str(exc)) from exc


def thumbnail(jpeg: bytes) -> Grey:
    """Return an area-averaged grey thumbnail with ``LONG_SIDE`` as its longest side.

    A smaller picture retains its size.
    """
    grey = decode(jpeg, "GRAY", LONG_SIDE)[:, :, 0]
    height, width = grey.shape
    scale = min(1.0, LONG_SIDE / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(Image.fromarray(grey).resize(size, Image.Resampling.BOX)) if scale < 1 else grey


def changed_tiles(old: Grey, new: Grey) -> Tiles:
    """Return the tiles that differ, or all tiles if the sizes differ."""
    rows, columns = -(-new.shape[0] // TILE), -(-new.shape[1] // TILE)
    if old.shape != new.shape:
        return np.ones((rows, columns), dtype=bool)
    difference = np.zeros((rows * TILE, columns * TILE), dtype=np.uint8)
    difference[: new.shape[0], : new.shape[1]] = np.maximum(old, new) - np.minimum(old, new)
    tiles = difference.reshape(rows, TILE, columns, TILE)
    return (tiles.mean(axis=(1, 3)) >= CHANGED_MEAN) | (tiles.max(axis=(1, 3)) >= CHANGED_PEAK)


def is_cut(old: Grey, new: Grey) -> bool:
    """Return whether the new picture is entirely different."""
    if old.shape != new.shape:
        return True
    return float(np.mean(np.maximum(old, new) - np.minimum(old, new))) >= CUT


@dataclass(frozen=True)
class Motion:
    """The motion within consecutive pictures.

    Attributes:
        cuts: Number of cuts.
        share: Share of tiles (0 to 1) that change from one picture to the next.
    """

    cuts: int
    share: float


def motion(pictures: list[Grey]) -> Motion:
    """Measure the motion over consecutive thumbnails. Cuts do not count as motion."""
    cuts, shares = 0, []
    for old, new in pairwise(pictures):
        if is_cut(old, new):
            cuts += 1
        else:
            shares.append(float(changed_tiles(old, new).mean()))
    return Motion(cuts, sum(shares) / len(shares) if shares else 0.0)


def is_black(picture: Grey) -> bool:
    """Return whether hardly any pixel is lighter than black."""
    return float((picture < BLACK).mean()) >= 0.995


def is_blank(picture: Grey) -> bool:
    """Return whether the picture is one plain colour, with no more structure than coding noise."""
    return float(picture.std()) < BLANK_SPREAD


_COLOURS = {
    "black": (0, 0, 0),
    "dark grey": (64, 64, 64),
    "grey": (128, 128, 128),
    "light grey": (200, 200, 200),
    "white": (250, 250, 250),
    "red": (210, 35, 35),
    "orange": (245, 140, 30),
    "yellow": (245, 225, 60),
    "green": (50, 160, 60),
    "light green": (150, 220, 150),
    "dark green": (20, 75, 35),
    "cyan": (50, 200, 210),
    "blue": (40, 90, 215),
    "light blue": (150, 195, 240),
    "dark blue": (20, 35, 95),
    "purple": (130, 50, 170),
    "pink": (240, 140, 180),
    "brown": (120, 75, 40),
    "beige": (225, 205, 170),
}
_NAMES = tuple(_COLOURS)
_PALETTE = np.array(list(_COLOURS.values()), dtype=np.float32)


def main_colours(jpeg: bytes, most: int = 3, least_share: float = 0.08) -> list[str]:
    """Return the names of the colours that cover most of a picture, the largest first."""
    small = Image.fromarray(decode(jpeg, "RGB", 160)).resize((48, 27), Image.Resampling.BOX)
    pixels = np.asarray(small, dtype=np.float32).reshape(-1, 1, 3)
    # Weighted for the eye's sensitivity (the "redmean" approximation of colour distance, CompuPhase).
    delta = pixels - _PALETTE
    red = (pixels[..., 0] + _PALETTE[:, 0]) / 2
    distance = (
        (2 + red / 256) * delta[..., 0] ** 2 + 4 * delta[..., 1] ** 2 + (2 + (255 - red) / 256) * delta[..., 2] ** 2
    )
    shares = np.bincount(distance.argmin(axis=1), minlength=len(_NAMES)) / len(pixels)
    return [_NAMES[i] for i in np.argsort(-shares, kind="stable")[:most] if shares[i] >= least_share]
