"""Metrics of the engine in the text format of Prometheus."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from rtstream.engine.streams.health import HealthLog
from rtstream.models import Health, HealthReason
from rtstream.states import HealthLevel, HealthState
from rtstream.store import metrics as rows
from rtstream.store.database import Database
from rtstream.store.metrics import Totals
from rtstream.store.queue import WriteQueue

if TYPE_CHECKING:  # loaded when metrics are asked for
    from prometheus_client import Metric

WINDOWS = ("done", "failed", "skipped", "late", "unchanged", "capped")
"""Counters of an index that count windows."""


class Metrics:
    """Reads the present values from the database, the health of the streams and the queue of writes."""

    def __init__(self, db: Database, health: HealthLog, queue: WriteQueue) -> None:
        self._db, self._health, self._queue = db, health, queue

    async def text(self) -> bytes:
        """Return all metrics in the format 0.0.4."""
        from prometheus_client import CollectorRegistry, generate_latest

        totals = await self._db.read(rows.totals)
        health = {one.id: self._health.get(one.id) or Health() for one in totals.streams}
        registry = CollectorRegistry()
        registry.register(_Collected(totals, health, self._health.problems, self._queue.waiting))
        return generate_latest(registry)


class _Collected:
    """The present values, as a collector of the Prometheus client. See docs/reference/metrics.md."""

    def __init__(
        self, totals: Totals, health: dict[str, Health], problems: list[HealthReason], writes_waiting: int
    ) -> None:
        self._totals, self._health, self._problems = totals, health, problems
        self._writes_waiting = writes_waiting
        self._names = {one.id: one.name for one in totals.streams}

    def collect(self) -> Iterator[Metric]:
        """Return the metrics, as ``prometheus_client.registry.Collector`` describes it."""
        yield from self._of_streams()
        yield from self._of_packets()
        yield from self._of_indexes()
        yield from self._of_engine()

    def _of_streams(self) -> Iterator[Metric]:
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

        labels = ["stream_id", "stream"]
        connected = GaugeMetricFamily(
            "rtstream_stream_connected", "1 while the source of the stream is connected.", labels=labels
        )
        lag = GaugeMetricFamily(
            "rtstream_stream_lag_seconds", "Seconds by which the recorder is behind live.", labels=labels
        )
        problems = GaugeMetricFamily(
            "rtstream_stream_problem", "1 for each problem in the health of the stream.", labels=[*labels, "code"]
        )
        recorded = GaugeMetricFamily(
            "rtstream_stream_recorded_bytes", "Disk space of the recordings of the stream.", labels=labels
        )
        skipped = CounterMetricFamily(
            "rtstream_stream_skipped",
            "Amounts that the recorder skipped to keep up with live, by kind.",
            labels=[*labels, "kind"],
        )
        for one in self._totals.streams:
            own, health = [one.id, one.name], self._health[one.id]
            connected.add_metric(own, health.state is HealthState.CONNECTED)
            recorded.add_metric(own, one.recorded_bytes)
            if health.lag_s is not None:
                lag.add_metric(own, health.lag_s)
            for code in {reason.code for reason in health.reasons if reason.level is HealthLevel.PROBLEM}:
                problems.add_metric([*own, code], 1)
            for kind, amount in health.skipped.items():
                skipped.add_metric([*own, kind], amount)
        yield from (connected, lag, problems, recorded, skipped)

    def _of_packets(self) -> Iterator[Metric]:
        from prometheus_client.core import CounterMetricFamily

        labels = ["stream_id", "stream", "track"]
        received = CounterMetricFamily(
            "rtstream_track_packets_received", "Packets of the track that arrived.", labels=labels
        )
        stored = CounterMetricFamily(
            "rtstream_track_packets_stored", "Packets of the track that were added to a recording.", labels=labels
        )
        dropped = CounterMetricFamily(
            "rtstream_track_packets_dropped",
            "Packets of the track that were not recorded, by reason.",
            labels=[*labels, "reason"],
        )
        for stream_id, health in self._health.items():
            for track, packets in health.packets.items():
                own = [stream_id, self._names[stream_id], track]
                received.add_metric(own, packets.received)
                stored.add_metric(own, packets.stored)
                for reason, count in packets.dropped.items():
                    dropped.add_metric([*own, reason], count)
        yield from (received, stored, dropped)

    def _of_indexes(self) -> Iterator[Metric]:
        from prometheus_client.core import CounterMetricFamily

        labels = ["index_id", "index", "stream_id"]
        windows = CounterMetricFamily(
            "rtstream_index_windows", "Windows of the index, by result.", labels=[*labels, "result"]
        )
        calls = CounterMetricFamily("rtstream_index_model_calls", "Model calls of the index.", labels=labels)
        for one in self._totals.indexes:
            own = [one.id, one.name, one.stream_id]
            for result in WINDOWS:
                windows.add_metric([*own, result], one.counters.get(result, 0))
            calls.add_metric(own, one.counters.get("calls", 0))
        yield from (windows, calls)

    def _of_engine(self) -> Iterator[Metric]:
        from prometheus_client.core import GaugeMetricFamily

        webhooks = GaugeMetricFamily("rtstream_webhooks", "Stored webhooks, by state.", labels=["state"])
        for state, count in self._totals.webhooks.items():
            webhooks.add_metric([state], count)
        problems = GaugeMetricFamily("rtstream_engine_problem", "1 for each problem of the engine.", labels=["code"])
        for reason in self._problems:
            problems.add_metric([reason.code], 1)
        yield webhooks
        yield problems
        yield GaugeMetricFamily(
            "rtstream_journal_seq", "Number of the newest journal entry.", value=self._totals.journal_seq
        )
        yield GaugeMetricFamily(
            "rtstream_writes_waiting",
            "Writes that wait for the database.",
            value=self._writes_waiting,
        )
