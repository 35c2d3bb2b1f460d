"""Faults of a test source lose and damage packets."""

from __future__ import annotations

from pathlib import Path

import av
import httpx
import numpy as np

from rtstream.testsource import Faults, LiveSource
from tests.rtstream.testsource.test_live import TCP


def test_lost_packets_lose_pictures(clip: Path) -> None:
    with LiveSource(clip, faults=Faults(drop=0.2)) as source, av.open(source.rtsp_url, options=TCP) as container:
        packets = [packet for packet, _ in zip(container.demux(video=0), range(40), strict=False)]
        steps = np.diff([float(p.dts * p.time_base) for p in packets if p.dts is not None and p.time_base is not None])
    assert steps.max() > 1.5 / 30


def test_corrupt_packets_arrive_damaged(clip: Path, live_source: LiveSource) -> None:
    live_source.faults.corrupt = 0.3
    with httpx.stream("GET", live_source.http_url) as response:
        data = b""
        for chunk in response.iter_raw():
            data += chunk
            if len(data) > 100_000:
                break
    assert any(data[at + 96 : at + 188] == bytes(92) for at in range(0, 100_000 - 188, 188))
