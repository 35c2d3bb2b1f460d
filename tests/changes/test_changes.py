"""The changing sources and their checker, with planted losses."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import av
import pytest

from tests.changes.checker import Sample, check
from tests.changes.clips import FPS, GOP, Clips, made
from tests.changes.containers import FlvStream, Format, TransportStream, mp4_segment
from tests.changes.plan import PROTOCOLS, Change, Kind, draw
from tests.changes.senders import FLV_HEADER, Sender
from tests.changes.sources import Source, Span
from tests.faults.footage import Recording, Row, number_of

FORMATS = [
    Format("h264", "aac-48"),
    Format("h264", "aac-48", silent=True),
    Format("h264-large", "aac-44"),
]


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clips]:
    with made(tmp_path_factory.mktemp("clips")) as found:
        yield found


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_seed_repeats_its_plan_and_changes_keep_their_distance(protocol: str) -> None:
    plan = draw(7, protocol, 600, (10, 60), 2.0)
    assert plan == draw(7, protocol, 600, (10, 60), 2.0)
    assert plan != draw(8, protocol, 600, (10, 60), 2.0)
    assert len(plan) >= 8
    assert {change.kind for change in plan} <= {*PROTOCOLS[protocol]}
    assert all(after.at - before.at >= 9 for before, after in pairwise(plan))


@pytest.mark.long
@pytest.mark.parametrize("kind", ["ts", "flv"])
def test_a_stream_that_changes_its_format_can_be_decoded(kind: str, clips: Clips) -> None:
    ts, flv, data = TransportStream(), FlvStream(), b"" if kind == "ts" else FLV_HEADER
    for group, form in enumerate(FORMATS):
        units = clips.units(form.shown(), form.sounding(), group * GOP, GOP)
        if kind == "ts":
            data += b"".join(piece for _, piece in ts.group(clips, form, units))
        else:
            data += b"".join(tag.flv() for _, tag in flv.group(clips, form, units))
    numbers = []
    with av.open(io.BytesIO(data), "r") as container:
        for packet in container.demux(*container.streams.video):
            numbers += [number_of(frame) for frame in packet.decode() if isinstance(frame, av.VideoFrame)]
    assert sorted(numbers) == list(range(3 * GOP))


@pytest.mark.long
def test_a_loss_and_a_silent_problem_are_found(clips: Clips, tmp_path: Path) -> None:
    form, seconds, lost = Format("h264", "aac-48"), 60, range(20, 26)
    change = Change(Kind.JUMP, 20.0, form)
    source = Source("cam", "HLS with fMP4", Sender(clips), form, [change], epoch=1_000_000.0)
    source.frames = list(range(seconds * FPS))
    source.spans, source.done = [Span(source.epoch, form)], [(source.epoch + 20, change)]
    whole = stored(clips, source, [*range(seconds)], tmp_path / "whole")
    holed = stored(clips, source, [at for at in range(seconds) if at not in lost], tmp_path / "holed")
    short = stored(clips, source, [*range(25)], tmp_path / "short")
    end = source.epoch + seconds
    samples = [Sample(source.epoch + at, "connected", (), ()) for at in range(seconds)]
    fine = check(source, [whole], samples, source.epoch, end)
    assert fine.broken == []
    assert (fine.missing, fine.twice, fine.audio_missing_s) == (0, 0, 0)
    bad = check(source, [holed], samples, source.epoch, end)
    assert bad.missing == len(lost) * FPS
    assert bad.broken == ["6.0 s of video are missing after:     20 s  timestamps jump"]
    silent = check(source, [short], samples, source.epoch, end)
    assert [text.partition(" ")[0] for text in silent.broken if "without a reason" in text] == ["video", "audio"]
    explained = [replace_problem(one) if one.at > source.epoch + 30 else one for one in samples]
    assert not [text for text in check(source, [short], explained, source.epoch, end).broken if "reason" in text]


def replace_problem(sample: Sample) -> Sample:
    return sample._replace(problems=("recording_stalled",))


def stored(clips: Clips, source: Source, seconds: list[int], folder: Path) -> Recording:
    """A recording of the groups that begin at these seconds."""
    (folder / "rec").mkdir(parents=True)
    form = replace(source.first, base_s=source.epoch)
    init, data, rows = b"", b"", []
    for at in seconds:
        init, media = mp4_segment(clips, form, clips.units(form.shown(), form.sounding(), at * FPS, GOP))
        rows.append(Row(source.epoch + at, 1.0, "rec/1.m4s", len(data), len(media)))
        data += media
    (folder / "rec" / "1.m4s").write_bytes(data)
    return Recording("rec", source.epoch, source.epoch, init, folder, rows)
