"""Times the pictures of a source without a clock, in the order in which they are shown."""

from __future__ import annotations

import time
from fractions import Fraction

from av.packet import Packet

from rtstream.recorder.parameter_sets import units_of
from rtstream.recorder.writer import VIDEO_RATE
from rtstream.rules.arrival_clock import ArrivalClock, ShownTimes
from rtstream.rules.picture_order import PictureOrder

ARRIVAL_BASE = Fraction(1, VIDEO_RATE)
MEASURED, REMEASURED = 20, 1000  # pictures after which the rate is shown


class PictureClock:
    """Replaces the times that the demuxer has invented by those of the arrival.

    Args:
        codec: Codec of the video.
        zero: Monotonic time at time 0 of the packets.
        configuration: Parameter sets that were known at opening, if any.
    """

    def __init__(self, codec: str, zero: float, configuration: bytes) -> None:
        self._codec, self._zero = codec, zero
        self._arrivals, self._order = ArrivalClock(), PictureOrder(codec)
        self._shown = ShownTimes(step=2 if codec == "h264" else 1)
        self._order.count(units_of(Packet(configuration), codec) if configuration else ())

    def set(self, packet: Packet) -> float | None:
        """Set the times of a packet that has arrived now.

        Returns:
            The measured rate in pictures per second, each time that it is due to be shown.
        """
        at = self._arrivals.place(time.monotonic()) - self._zero
        count = self._order.count(units_of(packet, self._codec))
        dts, pts = self._shown.place(at, count, self._arrivals.interval_s)
        packet.time_base = ARRIVAL_BASE
        packet.dts = round(dts * VIDEO_RATE)
        packet.pts = max(packet.dts, round(pts * VIDEO_RATE))
        pictures = self._arrivals.pictures
        due = pictures == MEASURED or pictures % REMEASURED == 0
        return 1 / max(self._arrivals.interval_s, 0.001) if due else None
