"""Parameter sets that are cut off, flipped, absurd or missing: the recorder runs on and records whole pictures."""

from __future__ import annotations

import io
import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.error import FFmpegError

from rtstream.messages import RecorderHealth, RecordingEnded, RecordingStarted, SegmentClosed
from rtstream.mp4.fragments import codecs
from rtstream.recorder.parameter_sets import decoder_configuration, is_vp9_keyframe
from rtstream.recorder.writer import DamagedMedia, RecordingWriter
from rtstream.rules.wall_clock import WallClock
from tests.rtstream.recorder.recorder_client import RecorderClient, decoded, recorder
from tests.rtstream.recorder.recorder_sources import served, video_file

SECONDS, GOP = 4, 15
PACE_S = 1.5
"""Seconds in which a source sends everything, as one does after a pause."""
ENCODERS = {
    "hevc": ("libx265", {"preset": "ultrafast", "x265_params": "log-level=none:repeat-headers=1:bframes=0"}),
    "h264": ("libx264", {"preset": "ultrafast", "tune": "zerolatency", "x264_params": "repeat-headers=1"}),
}
KINDS = {"hevc": (32, 33, 34), "h264": (7, 8)}
Damage = Callable[[int, bytes], list[bytes]]
"""From the kind and bytes of a parameter set to the ones that are sent."""


@pytest.fixture(scope="module", params=["hevc", "h264"])
def codec(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def whole(codec: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    encoder, options = ENCODERS[codec]
    return video_file(tmp_path_factory.mktemp("whole") / "whole.ts", encoder, seconds=SECONDS, gop=GOP, **options)


def damaged(whole: Path, codec: str, damage: Damage, gops: set[int]) -> bytes:
    """A transport stream whose parameter sets are damaged in these GOPs."""
    sink, gop = io.BytesIO(), -1
    with av.open(str(whole)) as source, av.open(sink, "w", format="mpegts") as out:
        copy = out.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.dts is None:
                continue
            gop += packet.is_keyframe
            changed = av.Packet(_with_damage(bytes(packet), codec, damage) if gop in gops else bytes(packet))
            changed.dts, changed.pts, changed.time_base = packet.dts, packet.pts, packet.time_base
            changed.is_keyframe, changed.stream = packet.is_keyframe, copy
            out.mux_one(changed)
    return sink.getvalue()


def _with_damage(data: bytes, codec: str, damage: Damage) -> bytes:
    units = [unit for unit in re.split(b"\0?\0\0\1", data) if unit]
    sent: list[bytes] = []
    for unit in units:
        kind = unit[0] >> 1 & 63 if codec == "hevc" else unit[0] & 31
        sent += damage(kind, unit) if kind in KINDS[codec] else [unit]
    return b"".join(b"\0\0\0\1" + unit for unit in sent)


def head(codec_kind: int) -> int:
    """Bytes of the header of a unit."""
    return 2 if codec_kind >= 32 else 1


DAMAGES: dict[str, Damage] = {
    "cut": lambda kind, unit: [unit[: head(kind) + 1]],
    "empty": lambda kind, unit: [unit[: head(kind)]],
    "missing": lambda kind, unit: [],
    "flipped": lambda kind, unit: [unit[: head(kind)] + bytes(byte ^ 0x5A for byte in unit[head(kind) :])],
    "absurd": lambda kind, unit: [unit[: head(kind)] + b"\x01\x02" * 20_000],
    "ones": lambda kind, unit: [unit[: head(kind)] + b"\xff" * 300],
    "first kind only": lambda kind, unit: [unit[: head(kind)] if kind in (7, 32) else unit],
    "last kind only": lambda kind, unit: [unit[: head(kind)] if kind in (8, 34) else unit],
    "three hundred": lambda kind, unit: [unit[: head(kind)] + bytes([number % 250 + 1] * 9) for number in range(300)],
}


def record(data: bytes, folder: Path) -> RecorderClient:
    """Record a live source that sends these bytes once."""
    folder.mkdir(exist_ok=True)
    with served((data, PACE_S)) as url, recorder(url, folder, media_types=["video"], segment_s=0.5) as client:
        client.set_taps(pictures=(0.2, 160))
        client.wait_for(RecorderHealth, where=lambda health: health.state in ("reconnecting", "error"))
        client.stop()
        assert client.process.exitcode == 0, "the recorder died"
    return client


@pytest.mark.parametrize("damage", ["cut", "empty", "missing", "absurd"])
def test_what_was_recorded_before_the_damage_stays_and_what_follows_it_is_recorded(
    whole: Path, codec: str, tmp_path: Path, damage: str
) -> None:
    client = record(damaged(whole, codec, DAMAGES[damage], {3, 4}), tmp_path / "out")
    recorded = [
        decoded(client.recorded(recording)) for recording in client.of(RecordingStarted) if client.segments(recording)
    ]
    numbers = {number for pictures in recorded for _, number in pictures}
    assert set(range(40)) <= numbers, "the recording before the damage"
    assert len(client.of(RecordingEnded)) == len(client.of(RecordingStarted))


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_source_whose_first_parameter_sets_are_damaged_is_recorded_from_the_first_whole_ones(
    whole: Path, codec: str, tmp_path: Path, damage: str
) -> None:
    client = record(damaged(whole, codec, DAMAGES[damage], {0, 1}), tmp_path / "out")
    assert all(codecs(recording.payload).startswith(("hvc1.", "avc1.")) for recording in client.of(RecordingStarted))
    pictures = [number for recording in client.of(RecordingStarted) for _, number in _pictures(client, recording)]
    assert pictures, [health.reason for health in client.of(RecorderHealth)]


def _pictures(client: RecorderClient, recording: RecordingStarted) -> list[tuple[float, int]]:
    try:
        return decoded(client.recorded(recording)) if client.segments(recording) else []
    except FFmpegError:  # a set that can be read, but has wrong values
        return []


def test_health_says_that_the_parameter_sets_are_damaged(tmp_path: Path, whole: Path, codec: str) -> None:
    if codec == "h264":
        pytest.skip("the muxer writes whatever sets H.264 has")
    client = record(damaged(whole, codec, DAMAGES["ones"], set(range(20))), tmp_path / "out")
    reasons = [health.reason for health in client.of(RecorderHealth)]
    assert not client.of(SegmentClosed)
    assert any("damaged parameter sets" in reason for reason in reasons), reasons


@pytest.mark.parametrize("seed", [*range(8), *(pytest.param(seed, marks=pytest.mark.long) for seed in range(8, 40))])
def test_no_mixture_of_damage_breaks_the_writer(whole: Path, codec: str, tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)

    def damage(kind: int, unit: bytes) -> list[bytes]:
        if chance.random() < 0.5:
            return [unit]
        changed = bytearray(unit)
        for _ in range(chance.randrange(1, 4)):
            changed[chance.randrange(head(kind), len(changed))] = chance.randrange(256)
        return [bytes(changed[: chance.choice([len(changed), chance.randrange(head(kind), len(changed) + 1)])])]

    data = damaged(whole, codec, damage, set(range(20)))
    messages: list[Any] = []
    clock = WallClock(1.0, 1.0)
    clock.offset = 1_700_000_000.0
    with av.open(io.BytesIO(data), "r") as source:
        video = source.streams.video[0]
        writer = RecordingWriter(tmp_path, 1.0, clock, messages.append, video, None)
        try:
            for packet in source.demux(video):
                if packet.dts is not None and packet.size:
                    dts, pts = packet.dts, packet.pts
                    writer.add(packet, True, dts, dts if pts is None else pts)
            writer.finish()
        except (DamagedMedia, FFmpegError):
            writer.abandon()
    started, ended = ([one for one in messages if isinstance(one, kind)] for kind in (RecordingStarted, RecordingEnded))
    assert len(started) == len(ended) <= 1
    for segment in (one for one in messages if isinstance(one, SegmentClosed)):
        assert (tmp_path / segment.path).stat().st_size >= segment.offset + segment.length


def test_a_cut_codec_description_is_an_error_with_a_sentence(whole: Path, codec: str, tmp_path: Path) -> None:
    client = record(damaged(whole, codec, DAMAGES["cut"], set()), tmp_path / "out")
    init = client.of(RecordingStarted)[0].payload
    box = init.index(b"hvcC" if codec == "hevc" else b"avcC") - 4
    size = int.from_bytes(init[box : box + 4])
    for kept in range(7):
        # The box keeps its place, and a free box takes the rest of it.
        free = (size - 8 - kept).to_bytes(4) + b"free"
        cut = init[:box] + (8 + kept).to_bytes(4) + init[box + 4 : box + 8 + kept] + free + bytes(size - 16 - kept)
        with pytest.raises(ValueError, match=r"description of the (hvc1|avc1) track is damaged"):
            codecs(cut + init[box + size :])


def test_a_keyframe_without_all_kinds_of_sets_configures_nothing(whole: Path, codec: str) -> None:
    with av.open(str(whole)) as source:
        keyframe = next(packet for packet in source.demux(video=0) if packet.is_keyframe)
    found = decoder_configuration(keyframe, codec)
    assert found.count(b"\0\0\0\1") == len(KINDS[codec])
    only = DAMAGES["missing"]
    assert decoder_configuration(av.Packet(_with_damage(bytes(keyframe), codec, only)), codec) == b""
    assert decoder_configuration(av.Packet(b"\0\0\0\5" + bytes(5)), codec) == b""


@pytest.mark.parametrize("profile", ["yuv420p", "yuv444p"])
def test_keyframes_of_vp9_are_known_by_their_first_byte(tmp_path: Path, profile: str) -> None:
    path = tmp_path / "a.webm"
    with av.open(str(path), "w") as out:
        video: Any = out.add_stream("libvpx-vp9", rate=10, options={"deadline": "realtime", "cpu-used": "8"})
        video.width, video.height, video.pix_fmt, video.codec_context.gop_size = 64, 48, profile, 4
        for number in range(12):
            out.mux(video.encode(av.VideoFrame.from_ndarray(np.full((48, 64, 3), number * 20, np.uint8))))
        out.mux(video.encode())
    with av.open(str(path)) as container:
        packets = [packet for packet in container.demux() if packet.size]
    marks = [is_vp9_keyframe(bytes(packet)[:1]) for packet in packets]
    assert marks == [packet.is_keyframe for packet in packets]
    assert marks.count(True) == 3
    assert not is_vp9_keyframe(b"")


def test_keyframes_of_vp9_in_profile_3_have_one_more_bit() -> None:
    assert is_vp9_keyframe(bytes([0b10_11_0_0_00]))
    assert not is_vp9_keyframe(bytes([0b10_11_0_0_10]))  # inter
    assert not is_vp9_keyframe(bytes([0b10_11_0_1_00]))  # shows an existing frame
    assert not is_vp9_keyframe(bytes([0b01_00_0_0_00]))
