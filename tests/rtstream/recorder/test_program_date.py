"""HLS sources are recorded with the dates of their playlist: the sender's clock, not the time of arrival."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from rtstream.messages import FrameTaken, RecorderSpec, RecordingStarted, SegmentClosed
from rtstream.recorder.program_date import WRAP_S, ProgramDate, program_date
from rtstream.recorder.source import open_source
from rtstream.testsource import ClipSpec
from tests.rtstream.recorder.hls_source import SEGMENT_S, HlsSource, hls_segments
from tests.rtstream.recorder.recorder_client import RecorderClient, jpeg_barcode, recorder

FRAME_S = 1 / 30
TOLERANCE_S = FRAME_S + 0.05
LATE_S = 23.0
COUNT = 12  # segments of the clip


def dates(epoch: float, count: int = COUNT) -> list[float | None]:
    return [epoch + number * SEGMENT_S for number in range(count)]


def made(clip: Path, folder: Path, epoch: float, kind: str = "mpegts", offset_s: float = 0.0, **how: Any) -> HlsSource:
    """The clip as live HLS whose first picture happened at ``epoch``."""
    init, segments = hls_segments(clip, folder, kind, offset_s)
    assert len(segments) == COUNT
    return HlsSource(segments, dates(epoch), init, **how)


def shown(client: RecorderClient) -> list[tuple[float, int]]:
    """Times and numbers of all recorded pictures."""
    return [(picture.time, picture.number) for segment in client.of(SegmentClosed) for picture in client.shown(segment)]


def asked_of(source: HlsSource, folder: Path, path: str = "/live.m3u8", tracks: str = "") -> ProgramDate | None:
    """The dates in the playlist of a source, read in this process while these tracks are played."""
    with source.served() as url:
        if source.auth:
            url = url.replace("//", f"//{quote(source.auth, safe=':')}@")
        settings: dict[str, Any] = {"allow_networks": "loopback", "tracks": tracks}
        spec = RecorderSpec("rts-test", url + path, ["video"], True, str(folder), **settings)
        opened = open_source(spec)
        source.asked.clear()
        try:
            return program_date(spec, opened)
        finally:
            opened.close()


@pytest.fixture
def bframes_clip(clip_of: Callable[[ClipSpec], Path]) -> Path:
    return clip_of(ClipSpec(width=320, height=180, seconds=6, gop=15, bframes=2, bitrate=300_000, voice="tones"))


@pytest.mark.parametrize("kind", ["mpegts", pytest.param("fmp4", marks=pytest.mark.long)])
@pytest.mark.parametrize("reordered", [False, True], ids=["no-bframes", "bframes"])
def test_pictures_that_are_published_late_have_the_time_at_which_they_happened(
    kind: str, reordered: bool, clip: Path, bframes_clip: Path, tmp_path: Path
) -> None:
    epoch = time.time() - LATE_S
    source = made(bframes_clip if reordered else clip, tmp_path / "hls", epoch, kind, 100.0)
    with source.served() as url, recorder(f"{url}/live.m3u8", tmp_path) as client:
        client.set_taps(each=(0.5, 320))
        client.wait_for(SegmentClosed, 3)
        client.wait_for(FrameTaken, 3)
        client.stop()
    assert len(client.of(RecordingStarted)) == 1
    pictures = shown(client)
    assert len(pictures) >= 90
    pictures += [(frame.time, jpeg_barcode(frame.payload)) for frame in client.of(FrameTaken)]
    assert all(abs(at - epoch - number * FRAME_S) <= TOLERANCE_S for at, number in pictures)


def test_timestamps_that_wrap_keep_their_dates(clip: Path, tmp_path: Path) -> None:
    epoch = time.time() - LATE_S
    source = made(clip, tmp_path / "hls", epoch, offset_s=WRAP_S - 2.5)
    with source.served() as url, recorder(f"{url}/live.m3u8", tmp_path) as client:
        client.wait_for(SegmentClosed, 3)
        client.stop()
    pictures = shown(client)
    assert pictures[-1][1] > 2.5 / FRAME_S
    assert all(abs(at - epoch - number * FRAME_S) <= TOLERANCE_S for at, number in pictures)


def test_a_demuxer_that_is_whole_turns_of_the_counter_off_is_understood() -> None:
    known = ProgramDate(zero=1000.0 - 5.0, since=1000.0, until=1003.0, slack_s=1.0)
    assert known.of(6.0, 1020.0) == pytest.approx(1001.0)
    assert known.of(6.0 + WRAP_S, 1020.0) == pytest.approx(1001.0)
    assert known.of(6.0 - WRAP_S, 1020.0) == pytest.approx(1001.0)
    assert known.of(3.0, 1020.0) is None
    assert known.of(12.0, 1020.0) is None


@pytest.mark.parametrize("wrong_s", [-3600.0, -150.0, 30.0], ids=["an hour ago", "too long ago", "in the future"])
def test_a_date_that_cannot_be_is_not_believed(wrong_s: float, clip: Path, tmp_path: Path) -> None:
    began = time.time()
    source = made(clip, tmp_path / "hls", began + wrong_s)
    assert_dated_by_arrival(source, tmp_path, began)


def test_without_dates_the_time_is_that_of_arrival_and_no_segment_is_asked_for(clip: Path, tmp_path: Path) -> None:
    began = time.time()
    source = made(clip, tmp_path / "hls", began)
    source.dates = [None] * COUNT
    assert_dated_by_arrival(source, tmp_path, began)
    assert max(number for path, number in source.asked.items() if path.endswith(".ts")) == 1


def test_a_segment_on_another_host_is_not_asked_for(clip: Path, tmp_path: Path) -> None:
    began = time.time()
    source = made(clip, tmp_path / "hls", began - LATE_S)
    with source.served() as url:
        source.host = url.replace("127.0.0.1", "localhost") + "/"
        assert_dated_by_arrival(source, tmp_path, began, url)
    assert max(number for path, number in source.asked.items() if path.endswith(".ts")) == 1


def assert_dated_by_arrival(source: HlsSource, folder: Path, began: float, url: str = "") -> None:
    if not url:
        with source.served() as url:
            return assert_dated_by_arrival(source, folder, began, url)
    with recorder(f"{url}/live.m3u8", folder) as client:
        client.wait_for(SegmentClosed, 2)
        client.stop()
    recording = client.of(RecordingStarted)[0]
    assert began - 2.0 <= recording.started_at <= time.time()  # a segment may hold two seconds
    return None


def test_after_a_discontinuity_the_playlist_is_asked_anew(clip: Path, tmp_path: Path) -> None:
    # The sender was away for 4 s. Its timestamps and its picture numbers begin again.
    epoch = time.time() - LATE_S
    _, before = hls_segments(clip, tmp_path / "before", offset_s=100.0)
    source = made(clip, tmp_path / "after", epoch, offset_s=10.0)
    epochs = [epoch, epoch + 6 * SEGMENT_S + 4.0]
    source.segments = before[:6] + source.segments
    source.dates = dates(epochs[0], 6) + dates(epochs[1])
    source.breaks = (6,)
    with source.served() as url, recorder(f"{url}/live.m3u8", tmp_path) as client:
        second = client.wait_for(RecordingStarted, 2)
        client.wait_for(SegmentClosed, 2, lambda segment: segment.recording_id == second.recording_id)
        client.stop()
    recordings = client.of(RecordingStarted)
    assert len(recordings) == 2
    for recording, zero in zip(recordings, epochs, strict=True):
        pictures = [picture for segment in client.segments(recording) for picture in client.shown(segment)]
        assert pictures
        assert all(abs(picture.time - zero - picture.number * FRAME_S) <= TOLERANCE_S for picture in pictures)


def test_only_dates_of_the_newest_discontinuity_sequence_count(clip: Path, tmp_path: Path) -> None:
    source = made(clip, tmp_path / "hls", time.time() - LATE_S, breaks=(2,), published=4)
    known = asked_of(source, tmp_path)
    assert known is not None
    assert known.since == pytest.approx(source.dates[2], abs=0.001)
    source.dates[2:] = [None] * (COUNT - 2)
    assert asked_of(source, tmp_path) is None


@pytest.mark.parametrize("how", [{"bytes_of_one": True}, {"auth": "user:pass word"}], ids=["byte ranges", "password"])
def test_the_segment_is_found_where_the_playlist_says(how: dict[str, Any], clip: Path, tmp_path: Path) -> None:
    epoch = time.time() - LATE_S
    source = made(clip, tmp_path / "hls", epoch, offset_s=100.0, **how)
    known = asked_of(source, tmp_path)
    assert known is not None
    assert known.zero == pytest.approx(epoch - 100.0, abs=TOLERANCE_S)


@pytest.mark.parametrize("played", [0, 1])
def test_of_several_variants_the_one_that_is_played_is_asked(played: int, clip: Path, tmp_path: Path) -> None:
    source = made(clip, tmp_path / "hls", time.time() - LATE_S)
    known = asked_of(source, tmp_path, "/master.m3u8", f"v{played + 1}")
    assert (known is not None) == (played == 1)
    assert (source.asked["/none.m3u8"], source.asked["/live.m3u8"]) == (1 - played, played)


def test_a_redirect_on_the_same_host_is_followed_and_no_log_has_the_address(
    clip: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    source = made(clip, tmp_path / "hls", time.time() - LATE_S, redirected=True, auth="user:secret")
    assert asked_of(source, tmp_path) is not None
    assert not any(word in caplog.text for word in ("secret", "127.0.0.1", "live.m3u8"))


def test_a_server_that_does_not_answer_is_not_waited_for(clip: Path, tmp_path: Path) -> None:
    source = made(clip, tmp_path / "hls", time.time() - LATE_S)
    with source.served() as url:
        opened = open_source(
            RecorderSpec("rts-test", f"{url}/live.m3u8", ["video"], True, str(tmp_path), allow_networks="loopback")
        )
        began = time.monotonic()
        silent = RecorderSpec(
            "rts-test", f"{url}/stuck.m3u8", ["video"], True, str(tmp_path), allow_networks="loopback"
        )
        assert program_date(silent, opened) is None
        assert time.monotonic() - began < 4.0
        opened.close()
    for thread in threading.enumerate():
        if thread.name == "program date":
            thread.join(10)
            assert not thread.is_alive()
