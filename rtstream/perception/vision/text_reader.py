"""Reads the text in a picture, and later only the parts that have changed.

This code runs in the child process. The OCR engine is RapidOCR. Its settings follow measurements on screens: no angle
classifier (which turns screen text upside down), no enlargement of small crops, and one thread (several streams share
the machine).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import TYPE_CHECKING, cast

import numpy as np

from rtstream.perception import telemetry
from rtstream.perception.protocols import TextLine
from rtstream.perception.vision.features import Picture, Tiles
from rtstream.rules.screen_layout import same_row
from rtstream.rules.text_safety import clean

if TYPE_CHECKING:  # takes long to load
    from rapidocr.utils.output import RapidOCROutput

MAX_LINES = 300
MAX_LINE = 500  # characters
MAX_REGIONS = 4
MAX_SCATTERED = 40
"""Number of separate changed regions beyond which joining them takes too long (a moving camera, noise)."""
FULL_SHARE = 0.5
"""Changed share of the picture beyond which the whole picture is read."""

Box = tuple[float, float, float, float]  # left, top, right, bottom as fractions of the picture


class Reader:
    """The OCR engine, which takes about 1 s and 500 MB to load."""

    def __init__(self) -> None:
        telemetry.disable()
        import cv2
        from rapidocr import RapidOCR

        cv2.setNumThreads(1)
        self._engine = RapidOCR(
            params={
                "Global.use_cls": False,
                "Global.log_level": "error",
                "Det.limit_type": "max",
                "Det.limit_side_len": 1280,
                "EngineConfig.onnxruntime.intra_op_num_threads": 1,
                "EngineConfig.onnxruntime.inter_op_num_threads": 1,
            }
        )

    def read(self, picture: Picture) -> list[TextLine]:
        """Return the lines of a BGR picture, uint8 [height, width, 3], in reading order."""
        return in_reading_order(self._lines(picture, (0.0, 0.0, 1.0, 1.0)))

    def read_again(self, picture: Picture, known: Sequence[TextLine], changed: Tiles) -> list[TextLine]:
        """Return the lines of a picture that differs only in some tiles from one whose lines are known.

        Args:
            picture: A BGR picture, uint8 [height, width, 3].
            known: The lines of the earlier picture.
            changed: The tiles that differ.
        """
        if changed.mean() >= FULL_SHARE:
            return self.read(picture)
        regions = regions_to_read(changed, [line.box for line in known])
        if sum((r - l) * (b - t) for l, t, r, b in regions) >= FULL_SHARE:  # noqa: E741
            return self.read(picture)
        lines = [line for line in known if not any(_overlap(line.box, region) for region in regions)]
        for region in regions:
            lines += self._lines(picture, region)
        return in_reading_order(lines)

    def _lines(self, picture: Picture, region: Box) -> list[TextLine]:
        height, width = picture.shape[:2]
        left, top = int(region[0] * width), int(region[1] * height)
        crop = picture[top : int(np.ceil(region[3] * height)), left : int(np.ceil(region[2] * width))]
        # Its other results belong to settings in which one of the steps is left out.
        result = cast("RapidOCROutput", self._engine(np.ascontiguousarray(crop)))
        if result.txts is None or result.boxes is None or result.scores is None:
            return []
        lines = []
        for text, score, corners in zip(result.txts, result.scores, result.boxes, strict=True):
            text = clean(text, MAX_LINE).strip()
            (x0, y0), (x1, y1) = np.min(corners, axis=0), np.max(corners, axis=0)
            box = ((left + x0) / width, (top + y0) / height, (left + x1) / width, (top + y1) / height)
            if text:
                lines.append(TextLine(text, round(float(score), 3), _rounded(box)))
        return lines


def in_reading_order(lines: Sequence[TextLine]) -> list[TextLine]:
    """Sort lines from top to bottom, and from left to right within a row. Returns at most ``MAX_LINES``."""
    ordered: list[TextLine] = []
    row: list[TextLine] = []
    for line in sorted(lines, key=lambda line: (line.box[1] + line.box[3], line.box[0])):
        if row and not same_row(row[0].box, line.box):
            ordered += sorted(row, key=lambda line: line.box[0])
            row = []
        row.append(line)
    ordered += sorted(row, key=lambda line: line.box[0])
    return ordered[:MAX_LINES]


def regions_to_read(changed: Tiles, lines: Sequence[Box]) -> list[Box]:
    """Return rectangles that cover every changed tile with a margin.

    They contain completely each known line that they touch, and do not overlap.
    """
    rows, columns = changed.shape
    regions: list[Box] = []
    for row, column in np.argwhere(changed):
        tile = ((column - 1) / columns, (row - 0.5) / rows, (column + 2) / columns, (row + 1.5) / rows)
        _join(regions, tile)
    if len(regions) > MAX_SCATTERED:
        return [(0.0, 0.0, 1.0, 1.0)]
    while True:
        cut_off = next((box for box in lines for region in regions if _cuts_off(region, box)), None)
        if cut_off:
            _join(regions, cut_off)
        elif len(regions) > MAX_REGIONS:
            # Each region takes a detection of its own, so join the two whose union is smallest.
            _join(regions, min((_union(one, other) for one, other in combinations(regions, 2)), key=_area))
        else:
            return [_clip(region) for region in regions]


def _join(regions: list[Box], box: Box) -> None:
    """Add a box, merged with all regions that it overlaps."""
    while touched := [region for region in regions if _overlap(region, box)]:
        for region in touched:
            regions.remove(region)
            box = _union(box, region)
    regions.append(box)


def _overlap(one: Box, other: Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def _cuts_off(region: Box, line: Box) -> bool:
    """Return whether the region contains a part of the line but not all of it."""
    return _overlap(region, line) and _union(region, line) != region


def _union(one: Box, other: Box) -> Box:
    return min(one[0], other[0]), min(one[1], other[1]), max(one[2], other[2]), max(one[3], other[3])


def _area(box: Box) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])


def _clip(box: Box) -> Box:
    return max(0.0, box[0]), max(0.0, box[1]), min(1.0, box[2]), min(1.0, box[3])


def _rounded(box: Sequence[float]) -> Box:
    left, top, right, bottom = (round(min(1.0, max(0.0, float(value))), 4) for value in box)
    return left, top, right, bottom
