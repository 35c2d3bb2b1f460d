"""Fragments of a stored segment, with the times at which their pictures are shown."""

from __future__ import annotations

import io

import pytest

from rtstream.mp4.fragment_reader import each_fragment, lead_track, segment_fragments, source_fragment
from rtstream.mp4.recordings import StoredRecording
from rtstream.mp4.sample_tables import read_fragment, read_init
from tests.rtstream.mp4.conftest import FPS
from tests.sources import FILES


def test_each_fragment_of_a_segment_begins_with_its_keyframe(recorded: StoredRecording) -> None:
    segment = recorded.pieces[1]
    found = segment_fragments(recorded.init, segment, FILES.open)
    assert all(fragment.keyframe for fragment in found)
    assert found[0].start == segment.start
    assert [fragment.start - segment.start for fragment in found] == pytest.approx(range(len(found)), abs=0.01)
    assert found[0].offset == segment.offset
    assert found[-1].offset + found[-1].length == segment.offset + segment.length


def test_the_fragments_of_a_file_follow_each_other(media: bytes) -> None:
    found = [stretch for stretch, _ in each_fragment(io.BytesIO(media), "k", 0, len(media))]
    assert sum(stretch.length for stretch in found) == len(media)
    assert [stretch.offset + stretch.length for stretch in found[:-1]] == [stretch.offset for stretch in found[1:]]


def test_a_file_that_was_cut_short_is_an_error(media: bytes) -> None:
    with pytest.raises(ValueError, match="truncated"):
        list(each_fragment(io.BytesIO(media[:10]), "k", 0, len(media)))
    with pytest.raises(ValueError, match="damaged"):
        list(each_fragment(io.BytesIO(media), "k", 0, len(media) - 1))


def test_a_fragment_knows_its_times(recorded: StoredRecording, media: bytes) -> None:
    tracks = read_init(recorded.init)
    lead = lead_track(tracks)
    assert lead.handler == b"vide"
    stretch, moof = next(each_fragment(io.BytesIO(media), "k", 0, len(media)))
    samples = read_fragment(moof, tracks)
    found = source_fragment(stretch, samples, tracks, lead)
    assert found.keyframe
    assert found.decoded_to - found.decoded == pytest.approx(len(samples[lead.id].sizes) / FPS, abs=0.001)
    assert found.earliest <= found.shown < found.end
    audio = {track: own for track, own in samples.items() if track != lead.id}
    alone = source_fragment(stretch, audio, tracks, lead)
    assert (alone.keyframe, alone.shown) == (False, alone.end)
    with pytest.raises(ValueError, match="neither"):
        lead_track({})
