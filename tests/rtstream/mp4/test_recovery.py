"""Whole fragments at the end of an unfinished file are found, and nothing else."""

from __future__ import annotations

import pytest

from rtstream.mp4.moov import box
from rtstream.mp4.recordings import StoredRecording
from rtstream.mp4.recovery import PAGE, find_fragments, header_length, lead_track, written_length
from tests.rtstream.mp4.conftest import SECONDS, START


def test_all_fragments_are_found_with_their_times(recorded: StoredRecording, media: bytes) -> None:
    found = find_fragments(media, recorded.init)
    assert found is not None
    assert (found.offset, found.length) == (0, len(media))
    assert found.end_time - found.first_time == pytest.approx(SECONDS, abs=0.2)
    assert found.first_time == pytest.approx(int(START), abs=0.2)


def test_a_fragment_that_was_cut_off_is_left_out(recorded: StoredRecording, media: bytes) -> None:
    whole = find_fragments(media, recorded.init)
    assert whole is not None
    last = media.rindex(b"moof") - 4
    for cut in (len(media) - 1, last + 20, last + 4):
        found = find_fragments(media[:cut], recorded.init)
        assert found is not None
        assert found.length == last
        assert found.end_time <= whole.end_time


def test_damage_ends_the_search(recorded: StoredRecording, media: bytes) -> None:
    second = media.index(b"moof", 100) - 4
    damaged = media[:second] + bytes(len(media) - second)
    found = find_fragments(damaged, recorded.init)
    assert found is not None
    assert found.length == second
    assert find_fragments(bytes(1000), recorded.init) is None
    assert find_fragments(b"", recorded.init) is None


def test_the_header_of_a_file_is_measured(recorded: StoredRecording, media: bytes) -> None:
    assert header_length(recorded.init + media) == len(recorded.init)
    assert header_length(media) == header_length(recorded.init[:-1]) == header_length(b"") == 0


def test_video_leads_and_without_tracks_nothing_does(recorded: StoredRecording) -> None:
    assert lead_track(recorded.init)[0] == 1
    with pytest.raises(ValueError, match="no video and no audio"):
        lead_track(box(b"moov"))


@pytest.mark.parametrize(
    ("data", "wanted"),
    [
        (b"", 0),
        (b"x" * 5000, 5000),
        (b"x" * PAGE + bytes(PAGE) + b"x", PAGE),
        (b"x" * (PAGE - 1) + bytes(PAGE + 1) + b"x", PAGE),
        (b"x" + bytes(2 * PAGE - 2) + b"x", 2 * PAGE),  # many zeros, but in pages that have been written
        (b"x" + bytes(2 * PAGE - 2) + b"x" + bytes(PAGE) + b"x", 2 * PAGE),
        (b"x" * PAGE + bytes(10), PAGE),
        (b"x" * PAGE + bytes(9) + b"x", PAGE + 10),
    ],
)
def test_only_whole_pages_of_zeros_were_never_written(data: bytes, wanted: int) -> None:
    assert written_length(data) == wanted
