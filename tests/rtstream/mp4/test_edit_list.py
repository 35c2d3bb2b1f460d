"""Edit lists in the header of a file: a player begins at 0, and the init segment of the recording has none."""

from __future__ import annotations

from pathlib import Path

import av
import pytest

from rtstream.mp4.edit_list import with_edit_list, without_edit_list
from rtstream.mp4.fragments import codecs, find, track_scales
from rtstream.mp4.recovery import header_length
from tests.rtstream.recorder.test_writer import picture_file, record, recording_of, segments_of


def test_each_recorded_file_is_shown_from_0_and_has_a_dated_name(tmp_path: Path) -> None:
    sent = record(picture_file(tmp_path / "minutes.mkv", [n * 500 for n in range(280)], 4), tmp_path, segment_s=4.0)
    files = sorted({segment.path for segment in segments_of(sent)})
    assert len(files) > 1
    for path in files:
        assert len(Path(path).name) == len("000000_2026-11-27T08-09-12Z.m4s")
        with av.open(str(tmp_path / path)) as opened:
            first = next(opened.decode(video=0))
            assert first.time == pytest.approx(0, abs=0.6)
            assert opened.start_time == pytest.approx(0, abs=600_000)


def test_the_header_differs_from_the_init_segment_by_the_edit_list_only(tmp_path: Path) -> None:
    sent = record(picture_file(tmp_path / "short.mkv", [n * 100 for n in range(50)], 10), tmp_path, segment_s=4.0)
    init = recording_of(sent).payload
    data = (tmp_path / segments_of(sent)[0].path).read_bytes()
    header = data[: header_length(data)]
    assert find(init, [b"moov", b"trak", b"edts"]) is None
    assert find(header, [b"moov", b"trak", b"edts", b"elst"]) is not None
    assert len(header) == len(init) + 44 * len(track_scales(init))
    assert without_edit_list(header) == init
    assert without_edit_list(init) == init
    assert codecs(header) == codecs(init)
    assert with_edit_list(init, {}) == init


def test_what_is_not_an_init_segment_is_refused_or_returned(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no moov"):
        with_edit_list(b"", {1: 1})
    assert without_edit_list(b"") == b""
