"""Writes the second of silence that the player page puts where a recording has no audio that the browser can play."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np

TARGET = Path(__file__).parents[1] / "rtstream" / "api" / "static" / "silence.mp4"
RATE, FRAME = 48_000, 1024
FRAMES = 47  # a second and 2.7 ms, so that one follows the other without a hole


def main() -> None:
    """Encode the silence as AAC, in one fragment."""
    options = {"movflags": "empty_moov+default_base_moof+delay_moov", "use_editlist": "0", "frag_duration": "5000000"}
    with av.open(str(TARGET), "w", format="mp4", options=options) as out:
        stream = out.add_stream("aac", rate=RATE, layout="mono", bit_rate=16_000)
        number = 0
        for at in range(FRAMES + 3):
            frame = av.AudioFrame.from_ndarray(np.zeros((1, FRAME), np.float32), "fltp", "mono")
            frame.sample_rate, frame.pts, frame.time_base = RATE, at * FRAME, Fraction(1, RATE)
            for packet in stream.encode(frame):
                if number < FRAMES:
                    packet.pts = packet.dts = number * FRAME
                    out.mux(packet)
                    number += 1


if __name__ == "__main__":
    main()
