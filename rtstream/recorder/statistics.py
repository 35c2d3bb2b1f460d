"""Statistics of a recorder: its lag, what it skipped, and the packets of each track."""

from __future__ import annotations

from collections.abc import Mapping

from rtstream.messages import RecorderStats
from rtstream.recorder.outbox import Outbox
from rtstream.rules.track_flow import TrackFlow

LAG_CHANGE_S = 0.5
QUIET_TICKS = 6
"""Every one of this many reports is sent even if nothing has changed."""


class Statistics:
    """Reports to the engine. Healthy streams stay silent most of the time, because each message wakes the engine."""

    def __init__(self, outbox: Outbox, flows: Mapping[str, TrackFlow]) -> None:
        """Report the counts of ``outbox`` and of ``flows``, by kind of track."""
        self._outbox, self._flows = outbox, flows
        self._reports = 0
        self._told = RecorderStats(-LAG_CHANGE_S)

    def report(self, lag_s: float) -> None:
        """Send the present statistics if they have changed. To be called every few seconds."""
        self._reports += 1
        tracks = {kind: flow.counts for kind, flow in self._flows.items() if flow.received}
        stats = RecorderStats(round(lag_s, 3), dict(self._outbox.dropped), tracks)
        quiet = stats.dropped == self._told.dropped and abs(stats.lag_s - self._told.lag_s) < LAG_CHANGE_S
        if not quiet or self._reports % QUIET_TICKS == 0:
            self._told = stats
            self._outbox.send(stats)
