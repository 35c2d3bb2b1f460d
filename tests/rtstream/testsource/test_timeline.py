"""The timeline of a looped clip."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest

from rtstream.testsource import ClipSpec, LiveSource
from tests.rtstream.testsource.test_live import TCP, barcode, options_for, url_for


@pytest.mark.parametrize(("transport", "bframes"), [("http", 0), ("http", 2), ("tcp", 2)])
def test_timestamps_go_on_where_the_clip_begins_again(
    clip_of: Callable[[ClipSpec], Path], transport: str, bframes: int
) -> None:
    path = clip_of(ClipSpec(width=160, height=90, seconds=1, gop=15, bframes=bframes, bitrate=100_000, voice="tones"))
    times: dict[str, list[float]] = {"video": [], "audio": []}
    with LiveSource(path) as source, av.open(url_for(source, transport), options=options_for(transport)) as container:
        for packet in container.demux():
            if packet.pts is not None and packet.time_base is not None:
                times[packet.stream.type].append(float(packet.pts * packet.time_base))
            if len(times["video"]) > 60:
                break
    shown = sorted(times["video"])[:-3]  # pictures before the last ones shown may still be on their way
    assert np.diff(shown) == pytest.approx(1 / 30, abs=1e-3)
    assert np.diff(times["audio"]) == pytest.approx(1024 / 48000, abs=1e-3)


def test_the_picture_shown_is_the_one_of_that_moment(live_source: LiveSource) -> None:
    with av.open(live_source.rtsp_url, options=TCP) as container:
        frames = list(zip(container.decode(video=0), range(20), strict=False))
        # From the sender reports: Unix time of time stamp zero.
        assert container.start_time_realtime is not None
        anchor = container.start_time_realtime / 1e6
    for frame, _ in frames[3:]:
        assert live_source.frame_number(anchor + frame.time + 0.001) == barcode(frame)
