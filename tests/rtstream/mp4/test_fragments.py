"""Fragmented MP4 as bytes: boxes, fragments and codecs."""

from __future__ import annotations

import pytest

from rtstream.mp4.fragments import FragmentSplitter, boxes, codecs, delay, find, track_runs, track_scales
from rtstream.mp4.moov import box
from rtstream.mp4.recordings import StoredRecording


def split(init: bytes, media: bytes, size: int) -> FragmentSplitter:
    splitter = FragmentSplitter()
    data = init + media
    for at in range(0, len(data), size):
        splitter.write(data[at : at + size])
    return splitter


@pytest.mark.parametrize("size", [1000, 4096, 1 << 30])
def test_the_output_of_a_muxer_is_split_however_it_arrives(recorded: StoredRecording, media: bytes, size: int) -> None:
    splitter = split(recorded.init, media, size)
    assert splitter.init == recorded.init
    assert b"".join(splitter.fragments) == media
    assert all(fragment[4:8] == b"moof" for fragment in splitter.fragments)


def test_an_unfinished_fragment_waits_for_its_rest(recorded: StoredRecording, media: bytes) -> None:
    whole = len(split(recorded.init, media, 1 << 20).fragments)
    assert len(split(recorded.init, media[:-1], 1 << 20).fragments) == whole - 1


def test_a_fragment_is_delayed_by_the_ticks_of_each_track(recorded: StoredRecording, media: bytes) -> None:
    fragment = split(recorded.init, media, 1 << 20).fragments[0]
    before = track_runs(fragment)
    ticks = {run.track_id: 1000 * run.track_id for run in before}
    delay(fragment, before, ticks)
    for old, new in zip(before, track_runs(fragment), strict=True):
        assert new.first_dts == old.first_dts + ticks[old.track_id]
        assert new.end_pts - new.first_dts == old.end_pts - old.first_dts


def test_tracks_and_codecs_are_named(recorded: StoredRecording) -> None:
    assert [handler for handler, _ in track_scales(recorded.init).values()] == [b"vide", b"soun"]
    video, audio = codecs(recorded.init).split(",")
    assert video.startswith("avc1.")
    assert audio == "mp4a.40.2"


def test_a_box_that_exceeds_its_container_is_an_error(recorded: StoredRecording) -> None:
    assert [kind for kind, _, _ in boxes(box(b"free", b"x") + box(b"moov"))] == [b"free", b"moov"]
    assert find(box(b"moov", box(b"trak")), [b"moov", b"mvhd"]) is None
    for damaged in (box(b"free", b"x")[:-1], b"\0\0\0\4free", b"\0\0\0"):
        with pytest.raises(ValueError, match="box"):
            list(boxes(damaged))
    for read in (codecs, track_scales):
        with pytest.raises(ValueError, match="moov"):
            read(box(b"free"))
    with pytest.raises(ValueError, match="moof"):
        track_runs(box(b"mdat"))
