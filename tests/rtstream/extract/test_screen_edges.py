"""The first picture of a new screen, in files that a recorder wrote."""

from __future__ import annotations

from pathlib import Path

import pytest

from rtstream.extract.screen_edges import changed_at
from rtstream.mp4.recordings import StoredRecording
from tests.sources import FILES, key_of, record

START = 1_800_000_000.0
FPS = 30
CHANGE = START + 5.0  # the slide of the clip changes here, while a ball, a clock and a barcode move all the time


@pytest.fixture
def footage(clip: Path, tmp_path: Path) -> StoredRecording:
    """Six seconds of the clip."""
    return record(clip, tmp_path / "run", start=START)


@pytest.mark.parametrize(("before", "after"), [(3.2, 5.9), (4.9, 5.1), (0.4, 5.5), (4.98, 5.02)])
def test_a_change_is_found_to_the_picture_while_other_parts_move(
    footage: StoredRecording, before: float, after: float
) -> None:
    found = changed_at(FILES, [footage], START + before, START + after)
    assert found == pytest.approx(CHANGE, abs=0.5 / FPS)


def test_the_change_of_a_part_of_a_long_recording_is_found(footage: StoredRecording) -> None:
    late = [piece for piece in footage.pieces if piece.start >= START + 3.9]
    assert 0 < len(late) < len(footage.pieces)
    found = changed_at(FILES, [StoredRecording(footage.init, late)], START + 4.4, START + 5.7)
    assert found == pytest.approx(CHANGE, abs=0.5 / FPS)


def test_a_range_with_one_picture_or_without_footage_has_no_change(footage: StoredRecording, tmp_path: Path) -> None:
    assert changed_at(FILES, [footage], START + 1.0, START + 1.01) is None
    assert changed_at(FILES, [], START, START + 5) is None
    assert changed_at(FILES, [StoredRecording(footage.init, [])], START, START + 5) is None


def test_footage_that_cannot_be_read_is_an_error(footage: StoredRecording, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="cannot be decoded"):
        changed_at(FILES, [StoredRecording(b"no init segment", footage.pieces)], START, START + 5)
    gone = type(footage.pieces[0])(key_of(tmp_path / "gone.m4s"), 0, 100, START)
    with pytest.raises(ValueError, match="no longer exists"):
        changed_at(FILES, [StoredRecording(footage.init, [gone])], START, START + 5)
