"""Frames carry their number as a barcode."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from rtstream.testsource import read_barcode
from tests.rtstream.testsource.test_live import barcode


def test_a_clip_has_its_frame_number_in_every_picture(clip: Path) -> None:
    with av.open(str(clip)) as container:
        assert [barcode(frame) for frame in container.decode(video=0)] == list(range(180))


def test_the_barcode_can_be_read_from_a_scaled_picture(clip_720p: Path) -> None:
    with av.open(str(clip_720p)) as container:
        frame = next(container.decode(video=0))
        small = frame.reformat(width=768, height=432)
    assert barcode(small) == 0


def test_a_picture_without_a_barcode_is_refused() -> None:
    with pytest.raises(ValueError, match="no clear barcode"):
        read_barcode(np.full((180, 320, 3), 128, np.uint8))
