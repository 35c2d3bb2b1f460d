"""Decides whether a window shows anything that the last described window did not, so that no model needs to be called.

On a screen (slides, documents, a shared desktop), some small parts may move all the time: the picture of a speaker, a
clock, a level meter. They are learnt and do not count, but every ``REFRESH_S`` they are looked at again. In the picture
of a camera, every change counts.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from rtstream.perception.vision.features import TILE, Grey, Tiles, changed_tiles

REFRESH_S = 30.0
"""Longest time in seconds for which a part of a screen that moves all the time is not described again."""
LEARNT = 3
"""Windows in a row in which a part has to move until it does not count."""
MAX_MOVING = 0.25
"""Share of the picture that may move on a screen."""
FLAT = 1.5
"""Standard deviation of the grey levels in a tile of plain paper or of a plain background."""
FLAT_SHARE = 0.4
"""Share of plain tiles in a screen. Pictures of cameras have hardly any, because of noise and shading."""


class ScreenWatch:
    """Compares the windows of one index with the last one that was described. Thumbnails are those of ``features``."""

    def __init__(self) -> None:
        self._shown: Grey | None = None
        self._shown_at = 0.0
        self._last: Grey | None = None
        self._moved: deque[Tiles] = deque(maxlen=LEARNT)

    def describe(self, shown: Grey, time: float) -> None:
        """Note the last picture of a window that was described, and its Unix time."""
        self._shown, self._shown_at = shown, time

    def is_unchanged(self, pictures: Sequence[Grey], time: float) -> bool:
        """Return whether the pictures of a window, oldest first, show nothing new. ``time``: Unix time of the last."""
        self._note_motion(pictures)
        shown = self._shown
        if shown is None or any(picture.shape != shown.shape for picture in pictures):
            return False
        changed = np.logical_or.reduce([changed_tiles(shown, picture) for picture in pictures])
        if not changed.any():
            return True
        if abs(time - self._shown_at) >= REFRESH_S or not is_screen(pictures[-1]):
            return False
        moving = self._moving(changed)
        return moving is not None and not (changed & ~moving).any()

    def _note_motion(self, pictures: Sequence[Grey]) -> None:
        """Note the parts that moved since the window before or within this one."""
        seen = [*([self._last] if self._last is not None else []), *pictures]
        self._last = pictures[-1]
        if any(picture.shape != self._last.shape for picture in seen):
            self._moved.clear()
        elif len(seen) > 1:
            moved = [changed_tiles(old, new) for old, new in pairwise(seen)]
            self._moved.append(np.logical_or.reduce(moved))

    def _moving(self, changed: Tiles) -> Tiles | None:
        """Return the parts that move all the time with a margin of one tile, or None while they are not known."""
        if len(self._moved) < LEARNT:
            return None
        always = _grown(np.logical_and.reduce([_grown(one) for one in self._moved]))
        return always if always.shape == changed.shape and always.mean() <= MAX_MOVING else None


def is_screen(picture: Grey) -> bool:
    """Return whether a picture has the plain areas of a screen."""
    rows, columns = picture.shape[0] // TILE, picture.shape[1] // TILE
    if not rows or not columns:
        return False
    tiles = picture[: rows * TILE, : columns * TILE].reshape(rows, TILE, columns, TILE)
    return float((tiles.std(axis=(1, 3)) < FLAT).mean()) >= FLAT_SHARE


def _grown(tiles: Tiles) -> Tiles:
    """Return tiles and their neighbours."""
    wide = np.pad(tiles, 1)
    rows, columns = tiles.shape
    shifted = [wide[y : y + rows, x : x + columns] for y in range(3) for x in range(3)]
    return np.logical_or.reduce(shifted)
