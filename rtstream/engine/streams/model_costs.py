"""Lists and stops the parts of streams that call models which may cost money."""

from __future__ import annotations

from rtstream.engine.alerts import NEEDED_BY, AlertService
from rtstream.engine.backfill import BackfillService
from rtstream.engine.indexes import IndexService
from rtstream.engine.transcripts import TranscriptService
from rtstream.models import AlertStatus, AnalysisState, Matching, PaidPart
from rtstream.rules.model_cost import is_paid


class ModelCosts:
    """The running indexes, transcripts and alerts of streams, as far as they call paid models.

    Args:
        indexes: The indexes.
        transcripts: The transcripts.
        alerts: The alerts.
        backfills: The backfills.
        language: Name of the language model that decides events.
    """

    def __init__(
        self,
        indexes: IndexService,
        transcripts: TranscriptService,
        alerts: AlertService,
        backfills: BackfillService,
        language: str,
    ) -> None:
        self._indexes = indexes
        self._transcripts = transcripts
        self._alerts = alerts
        self._backfills = backfills
        self._language = language

    async def list(self, stream_id: str) -> list[PaidPart]:
        """Return the running parts of a stream that call a paid model, indexes first.

        An alert is a part of its own if its index is free. Parts of a stopped stream resume with it, so they are listed
        as well. Raises NotFound.
        """
        parts: list[PaidPart] = []
        for index in await self._indexes.list(stream_id):
            if index.state in (AnalysisState.STOPPED, AnalysisState.ERROR):
                continue
            index_id = index.rtstream_index_id
            speech = self._transcripts.needed_by(stream_id, index_id)
            if paid := [model for model in (index.model, speech) if is_paid(model)]:
                parts.append(PaidPart(kind="index", id=index_id, name=index.name or "", model=paid[0]))
            elif is_paid(self._language):
                parts += await self._list_alerts(stream_id, index_id)
        parts += await self._list_listening(stream_id)
        engines = await self._transcripts.list_running(stream_id)
        parts += [PaidPart(kind="transcript", id=one, model=one) for one in engines if is_paid(one)]
        return parts + await self._backfills.list_paid(stream_id)

    async def _list_alerts(self, stream_id: str, index_id: str) -> list[PaidPart]:
        return [
            PaidPart(
                kind="alert", id=alert.alert_id, rtstream_index_id=index_id, name=alert.label, model=self._language
            )
            for alert in await self._alerts.list_alerts(stream_id, index_id)
            if alert.status is AlertStatus.ENABLED and alert.matching is Matching.MODEL
        ]

    async def _list_listening(self, stream_id: str) -> list[PaidPart]:
        """Return the alerts on speech that keep a paid speech engine running, or are decided by a paid model."""
        speech = self._transcripts.needed_by(stream_id, NEEDED_BY)
        parts: list[PaidPart] = []
        for alert in await self._alerts.list_alerts(stream_id, ""):
            decided = self._language if alert.matching is Matching.MODEL else ""
            paid = [model for model in (decided, speech) if is_paid(model)]
            if paid and alert.status is AlertStatus.ENABLED:
                parts.append(PaidPart(kind="alert", id=alert.alert_id, name=alert.label, model=paid[0]))
        return parts

    async def stop(self, stream_id: str) -> list[PaidPart]:
        """Stop everything of a stream that ``list`` returns, and return it. Recording continues. Raises NotFound."""
        stopped = await self.list(stream_id)
        # Backfills first, because they end with their index.
        for part in sorted(stopped, key=lambda part: part.kind != "backfill"):
            match part.kind:
                case "index":
                    await self._indexes.stop(stream_id, part.id)
                case "transcript":
                    await self._transcripts.stop(stream_id, part.id)
                case "backfill":
                    await self._backfills.cancel(part.id)
                case "alert":
                    await self._alerts.disable_alert(stream_id, part.rtstream_index_id, part.id)
        return stopped
