"""A declared track that sends nothing holds nothing back, and is recorded from the moment at which it begins."""

from __future__ import annotations

import io
from itertools import pairwise
from pathlib import Path

import av
import pytest
from av.packet import Packet

from rtstream.messages import RecorderHealth, RecordingEnded, RecordingStarted, SegmentClosed
from rtstream.recorder.recording_wait import LONGEST_WAIT_S, MAX_BYTES, WAIT_S, RecordingWait, WaitingPacket
from tests.rtstream.recorder.recorder_client import recorder
from tests.rtstream.recorder.recorder_sources import served

RATE = 48_000


OPTIONS = {"cluster_time_limit": "500", "max_interleave_delta": "100000", "flush_packets": "1"}


def matroska(clip: Path, seconds: int, *gaps: tuple[float, float]) -> list[tuple[bytes, float]]:
    """``clip``, repeated, whose audio track sends nothing in these gaps (from, to), in parts of a second."""
    sink, cuts = io.BytesIO(), [0]
    with av.open(sink, "w", format="matroska", options=OPTIONS) as out:
        loop = 0
        copies: dict[str, av.VideoStream | av.AudioStream] = {}
        last = {"video": -1, "audio": -1}
        while loop < seconds:
            with av.open(str(clip)) as source:
                video, audio = source.streams.video[0], source.streams.audio[0]
                if not copies:
                    copies = {each.type: out.add_stream_from_template(each) for each in (video, audio)}
                for packet in source.demux(video, audio):
                    if packet.dts is None or packet.pts is None:
                        continue
                    shift, kind = round(loop / packet.time_base), packet.stream.type
                    packet.dts, packet.pts = packet.dts + shift, packet.pts + shift
                    at = float(packet.dts * packet.time_base)
                    silent = kind == "audio" and any(begin <= at < end for begin, end in gaps)
                    if silent or packet.dts <= last[kind] or at >= seconds:
                        continue
                    last[kind] = packet.dts
                    packet.stream = copies[kind]
                    out.mux(packet)
                    if at >= len(cuts):
                        cuts.append(sink.tell())
            loop += 6
    data = sink.getvalue()
    return [(data[begin:end], 1.0) for begin, end in pairwise([*cuts, len(data)])]


def test_video_is_recorded_while_a_declared_audio_track_is_silent(clip: Path, tmp_path: Path) -> None:
    media = matroska(clip, 6, (0, 100))
    with served(*media) as url, recorder(url, tmp_path, segment_s=1.0) as client:
        client.wait_for(SegmentClosed, 3)
        silent = client.wait_for(RecorderHealth, where=lambda health: "sends no audio" in health.reason)
        assert silent.state == "connected"
        client.wait_for(RecordingEnded)
        client.stop()
    (recording,) = client.of(RecordingStarted)[:1]
    assert recording.codecs.startswith("avc1.")
    assert "mp4a" not in recording.codecs
    recorded_s = sum(segment.duration for segment in client.segments(recording))
    assert recorded_s == pytest.approx(6, abs=0.6)


def test_audio_that_begins_later_is_recorded_from_the_next_keyframe_on(clip: Path, tmp_path: Path) -> None:
    media = matroska(clip, 9, (0, 5))
    with served(*media) as url, recorder(url, tmp_path, segment_s=1.0) as client:
        client.wait_for(RecordingEnded, 2)
        client.stop()
        reasons = [health.reason for health in client.of(RecorderHealth) if health.state == "connected"]
    first, second = client.of(RecordingStarted)[:2]
    assert "mp4a" not in first.codecs
    assert second.codecs.endswith(",mp4a.40.2")
    end = max(segment.start + segment.duration for segment in client.segments(first))
    assert second.started_at == pytest.approx(end, abs=0.05)  # no picture is lost
    assert second.started_at - first.started_at == pytest.approx(5, abs=0.75)  # a GOP is 0.5 s
    assert [("sends no audio" in reason) for reason in reasons][-2:] == [True, False]


def test_audio_that_pauses_stays_in_the_recording(clip: Path, tmp_path: Path) -> None:
    media = matroska(clip, 8, (2, 7))
    with served(*media) as url, recorder(url, tmp_path, segment_s=1.0) as client:
        client.wait_for(RecordingEnded)
        client.stop()
    recording = client.of(RecordingStarted)[0]
    assert recording.codecs.endswith(",mp4a.40.2")
    assert sum(segment.duration for segment in client.segments(recording)) == pytest.approx(8, abs=0.6)


def test_a_connection_shorter_than_the_wait_is_recorded(clip: Path, tmp_path: Path) -> None:
    path = tmp_path / "short.mkv"
    path.write_bytes(b"".join(part for part, _ in matroska(clip, 1, (0, 100))))
    with recorder(str(path), tmp_path) as client:
        client.wait_for(RecordingEnded)
        client.wait_end()
    recording = client.of(RecordingStarted)[0]
    assert sum(segment.duration for segment in client.segments(recording)) == pytest.approx(1, abs=0.1)


def waiting(size: int, dts: int, is_video: bool = True) -> WaitingPacket:
    return WaitingPacket(Packet(size), is_video, dts, dts)


def test_a_wait_ends_with_the_first_audio_after_the_keyframe() -> None:
    wait = RecordingWait(RATE)
    wait.begin(b"", 5.0)
    wait.add(waiting(10, 0), 5.0)
    wait.add(waiting(10, round(4.9 * RATE), False), 5.0)
    assert not wait.is_over
    wait.add(waiting(10, 5 * RATE, False), 5.0)
    assert wait.is_over
    assert wait.has_audio
    assert len(wait.take()) == 3
    assert wait.take() == []


@pytest.mark.parametrize(
    ("size", "at", "over"), [(10, 5 + WAIT_S / 2, False), (10, 5 + WAIT_S, True), (MAX_BYTES, 5, True)]
)
def test_a_wait_is_bounded_in_time_and_memory(size: int, at: float, over: bool) -> None:
    wait = RecordingWait(RATE)
    wait.begin(b"", 5.0)
    wait.add(waiting(size, 0), at)
    assert wait.is_over is over
    assert not wait.has_audio


def test_a_recording_with_one_track_waits_for_nothing() -> None:
    wait = RecordingWait(0)
    wait.begin(b"", 0.0)
    wait.add(waiting(10, 0), 0.0)
    assert wait.is_over


def test_audio_that_comes_and_goes_begins_few_recordings() -> None:
    wait = RecordingWait(RATE)
    assert not wait.joins()
    wait.note_audio()
    assert wait.joins()
    assert not wait.joins()  # the first attempt needs time


def test_a_wait_is_not_shortened_by_a_busy_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    wait = RecordingWait(RATE)
    wait.begin(b"", 5.0)
    wait.add(waiting(10, 0), 5.0)
    now[0] += 2 * WAIT_S
    assert not wait.is_over
    now[0] += LONGEST_WAIT_S
    assert wait.is_over
