"""Creates, lists, updates, tests and deletes events and alerts, and reports their decisions and deliveries."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence

from sqlalchemy import Connection

from rtstream import ids
from rtstream.engine.alerts.evaluation import NO_DESCRIPTION
from rtstream.engine.alerts.matcher import EventMatcher, MatchRequest, MatchResult
from rtstream.engine.alerts.scene_evaluator import SceneEvaluator
from rtstream.engine.alerts.state import restart
from rtstream.engine.alerts.transcripts import AlertTranscripts
from rtstream.engine.alerts.trial import PastMoment, PastMoments
from rtstream.engine.alerts.validation import (
    check_consecutive,
    checked_label,
    checked_options,
    checked_prompt,
    checked_rule,
)
from rtstream.engine.subscriptions import Subscriptions
from rtstream.errors import InvalidRequest, NotFound
from rtstream.json_types import JsonObject
from rtstream.models import (
    Alert,
    CreateAlert,
    CreateEvent,
    Decision,
    Delivery,
    DeliveryAttempt,
    Event,
    EventTest,
    Page,
    UpdateEvent,
)
from rtstream.perception.protocols import ProviderError
from rtstream.rules import event_rules
from rtstream.rules.event_media import IndexKind, medium_of
from rtstream.rules.redaction import without_login
from rtstream.states import AlertStatus, DeliveryState, Outcome
from rtstream.store import alerts as rows
from rtstream.store import deliveries as outbox
from rtstream.store import indexes as index_rows
from rtstream.store import streams as stream_rows
from rtstream.store.alerts import AlertRow, EventRow
from rtstream.store.database import Database
from rtstream.store.indexes import IndexRow

ON_TRANSCRIPT = IndexKind(audio=True)
MAX_MODEL_TRIALS = 20
"""Maximum number of scenes that a model is asked about when an event is tested."""


class AlertService:
    """The events and alerts of the engine.

    Args:
        db: The database.
        matcher: Decides events.
        evaluator: Evaluates the alerts.
        subscriptions: Connects alerts to WebSocket connections.
        check_webhook: Raises RTStreamError for a webhook URL that is not allowed.
        on_webhooks: Called with the ids of alerts that have a webhook to send.
        speech: The transcripts that alerts read.
        kind_of: Returns the properties of an index that decide which events it can decide.
    """

    def __init__(
        self,
        db: Database,
        matcher: EventMatcher,
        evaluator: SceneEvaluator,
        subscriptions: Subscriptions,
        check_webhook: Callable[[str], Awaitable[object]],
        on_webhooks: Callable[[list[str]], None],
        speech: AlertTranscripts,
        kind_of: Callable[[IndexRow], IndexKind],
    ) -> None:
        self._db = db
        self._matcher = matcher
        self._evaluator = evaluator
        self._subscriptions = subscriptions
        self._check_webhook = check_webhook
        self._on_webhooks = on_webhooks
        self._speech = speech
        self._kind_of = kind_of

    async def create_event(self, request: CreateEvent) -> Event:
        """Add an event. Raises InvalidRequest."""
        rule = checked_rule(request.rule)
        prompt = checked_prompt(request.event_prompt, rule)
        values = {"prompt": prompt, "label": checked_label(request.label), "rule": rule}
        event_id = ids.event_id()
        await self._db.write(lambda conn: rows.insert_event(conn, id=event_id, **values, created_at=time.time()))
        return self._event(await self._db.read(rows.get_event, event_id))

    async def list_events(self) -> list[Event]:
        """Return all events, oldest first."""
        return [self._event(row) for row in await self._db.read(rows.list_events)]

    async def update_event(self, event_id: str, request: UpdateEvent) -> Event:
        """Update an event. Fields that are None stay as they are.

        The event's alerts use it from their next scene on.

        Raises:
            InvalidRequest: The prompt, label or rule is invalid.
            NotFound: There is no such event.
        """
        changes: JsonObject = {}
        if request.event_prompt is not None:
            changes["prompt"] = checked_prompt(request.event_prompt)
        if request.label is not None:
            changes["label"] = checked_label(request.label)
        if request.rule is not None:
            changes["rule"] = checked_rule(request.rule)

        def change(conn: Connection) -> tuple[EventRow, list[AlertRow]]:
            event = rows.get_event(conn, event_id)
            if changes:
                rows.update_event(conn, event.id, **changes)
            affected = rows.of_event(conn, event.id)
            if changes.keys() & {"prompt", "rule"}:
                for alert in affected:  # the state of the previous event does not apply to the changed one
                    restart(conn, alert.id, changed=True)
            return rows.get_event(conn, event.id), affected

        row, affected = await self._db.write(change)
        for alert in affected:
            if alert.index_id:
                self._evaluator.start_index(alert.index_id)
        await self.settle()
        return self._event(row)

    async def delete_event(self, event_id: str) -> None:
        """Delete an event and its alerts. Raises NotFound."""
        await self._db.write(lambda conn: rows.delete_event(conn, rows.get_event(conn, event_id).id))
        await self.settle()

    async def test_event(self, stream_id: str, request: EventTest) -> list[Decision]:
        """Decide an event on past scenes without creating anything.

        Returns:
            The decisions, newest first.

        Raises:
            InvalidRequest: The event is invalid, or is about the stream itself.
            NotFound: There is no such stream or index.
        """
        given = checked_rule(request.rule)
        prompt = checked_prompt(request.event_prompt, given)
        rule = event_rules.rule_for_event(prompt, given)
        if rule is not None and rule.concerns_stream:
            raise InvalidRequest(
                "This event is about the stream itself, not its scenes, so it cannot be tested. "
                "Create an alert instead."
            )
        medium = medium_of(prompt, given)
        limit = min(request.limit, MAX_MODEL_TRIALS) if self._matcher.asks_model(prompt, given) else request.limit

        moments = PastMoments(stream_id, request.rtstream_index_id, medium, rule, request.start, request.end, limit)
        decided: list[Decision] = []
        last: dict[str, bool | None] = {}  # by source, whether the rule found its condition met in the moment before
        for moment in await self._db.read(moments.read):
            match_request = MatchRequest("event-test", prompt, given, last.get(moment.source))
            result = await self._try_match(match_request, moment)
            last[moment.source] = result.present
            decided.append(
                Decision(
                    at=time.time(),
                    start=moment.start,
                    end=moment.end,
                    outcome=result.outcome,
                    reason=result.reason,
                    confidence=None if result.outcome is Outcome.FAILED else result.confidence,
                    explanation=result.explanation,
                    text=moment.text,
                )
            )
        return decided[::-1]

    async def _try_match(self, match_request: MatchRequest, moment: PastMoment) -> MatchResult:
        if moment.evidence is None:
            return MatchResult(Outcome.FAILED, reason=NO_DESCRIPTION, present=match_request.previously)
        try:
            return (await self._matcher.match([match_request], moment.evidence))[0]
        except ProviderError as exc:
            return MatchResult(Outcome.FAILED, reason=str(exc), present=match_request.previously)

    async def create_alert(self, stream_id: str, index_id: str, request: CreateAlert) -> Alert:
        """Watch for an event on an index, from its next scene on.

        An event that the index can never decide is accepted. The ``matching`` of the alert shows it.

        Raises:
            InvalidRequest: The options are invalid.
            NotFound: There is no such event, stream or index.
            RTStreamError: The callback URL is not allowed.
        """
        await self._db.read(index_rows.get, index_id, stream_id)
        callback = await self.checked_callback(request.callback_url)
        options = checked_options(request)

        def insert(conn: Connection) -> tuple[AlertRow, IndexRow]:
            event, index = rows.get_event(conn, request.event_id), index_rows.get(conn, index_id, stream_id)
            check_consecutive(event_rules.rule_for_event(event.prompt, event.rule), options)
            return insert_alert(conn, stream_id, index_id, event.id, callback, options), index

        row, index = await self._db.write(insert)
        await self.watch(row, request.ws_connection_id)
        return self.shown(row, index)

    async def checked_callback(self, url: str | None) -> str | None:
        """Return the URL of a webhook, or None if it is empty. Raises RTStreamError if it is not allowed."""
        callback = (url or "").strip()
        if callback:
            await self._check_webhook(callback)
        return callback or None

    async def watch(self, row: AlertRow, connection_id: str | None) -> None:
        """Evaluate a new alert from now on, and send its firings to a WebSocket connection."""
        await self._subscriptions.bind(connection_id, "alert", row.id)
        if row.index_id:
            self._evaluator.start_index(row.index_id)
        else:
            await self.settle()

    async def forget(self, index_ids: Sequence[str]) -> None:
        """End the evaluation of alerts that were deleted from indexes, or from streams themselves."""
        for index_id in filter(None, index_ids):
            self._evaluator.scene_stored(index_id)
        await self.settle()

    async def settle(self) -> None:
        """Start and stop transcripts after a change of the alerts that read them, and evaluate new alerts."""
        await self._speech.agree()
        self._evaluator.start_stream()

    async def list_alerts(self, stream_id: str, index_id: str) -> list[Alert]:
        """Return the alerts of an index, or with an empty ``index_id`` those on the stream itself, oldest first.

        Raises:
            NotFound: There is no such stream or index.
        """

        def query(conn: Connection) -> list[Alert]:
            if not index_id:
                stream_rows.get(conn, stream_id)
                return self.all_shown(conn, rows.without_index(conn, stream_id), {})
            index = index_rows.get(conn, index_id, stream_id)
            return self.all_shown(conn, rows.of_index(conn, index_id), {index_id: index})

        return await self._db.read(query)

    def all_shown(self, conn: Connection, found: Sequence[AlertRow], indexes: Mapping[str, IndexRow]) -> list[Alert]:
        """Return alerts with their deliveries. ``indexes`` has the index of each that has one, by its id."""
        alert_ids = [row.id for row in found]
        sent, errors = outbox.states(conn, alert_ids), outbox.last_errors(conn, alert_ids)
        late = rows.late_firings(conn, alert_ids)
        return [
            self.shown(row, indexes.get(row.index_id), sent.get(row.id), errors.get(row.id, ""), late.get(row.id, 0))
            for row in found
        ]

    async def enable_alert(self, stream_id: str, index_id: str, alert_id: str) -> Alert:
        """Allow an alert to fire again. Raises NotFound."""
        return await self._set_status(stream_id, index_id, alert_id, AlertStatus.ENABLED)

    async def disable_alert(self, stream_id: str, index_id: str, alert_id: str) -> Alert:
        """Prevent an alert from firing. Its decisions are still logged. Raises NotFound."""
        return await self._set_status(stream_id, index_id, alert_id, AlertStatus.DISABLED)

    async def _set_status(self, stream_id: str, index_id: str, alert_id: str, status: AlertStatus) -> Alert:
        def change(conn: Connection) -> tuple[AlertRow, IndexRow | None]:
            index = _own(conn, stream_id, index_id, alert_id)
            rows.update_alert(conn, alert_id, status=status)
            return rows.get_alert(conn, alert_id), index

        changed = await self._db.write(change)
        await self.settle()
        return self.shown(*changed)

    async def delete_alert(self, stream_id: str, index_id: str, alert_id: str) -> None:
        """Delete an alert with its decisions and deliveries. Raises NotFound."""
        await self._db.read(_own, stream_id, index_id, alert_id)
        await self._db.write(rows.delete_alert, alert_id)
        await self.settle()

    async def list_decisions(
        self,
        stream_id: str,
        index_id: str,
        alert_id: str,
        page: Page,
        *,
        start: float | None = None,
        end: float | None = None,
    ) -> tuple[list[Decision], bool]:
        """Return one page of an alert's decisions on the scenes of a time range, and whether more pages follow.

        Args:
            stream_id: Id of the stream.
            index_id: Id of the index.
            alert_id: Id of the alert.
            page: The page to return. The first one has the newest decisions.
            start: Start of the range in Unix seconds, or None for no bound.
            end: End of the range in Unix seconds, or None for no bound.

        Raises:
            NotFound: There is no such alert on that index.
        """
        await self._db.read(_own, stream_id, index_id, alert_id)
        found, more = await self._db.read(rows.list_decisions, alert_id, start, end, page)
        return [
            Decision(
                at=row.at,
                start=row.start if row.start is not None else row.at,
                end=row.end if row.end is not None else row.at,
                outcome=row.outcome,
                reason=row.reason,
                confidence=row.confidence,
                explanation=row.explanation,
                text=row.text or "",
                seq=row.seq,
                late=row.late,
            )
            for row in found
        ], more

    async def list_deliveries(self, stream_id: str, index_id: str, alert_id: str, limit: int) -> list[Delivery]:
        """Return up to ``limit`` deliveries of an alert with all their attempts, newest first. Raises NotFound."""
        await self._db.read(_own, stream_id, index_id, alert_id)
        found = await self._db.read(outbox.of_alert, alert_id, limit)
        return [
            Delivery(
                delivery_id=row.id,
                seq=row.seq,
                state=row.state,
                attempts=[
                    DeliveryAttempt(at=a.at, status=a.status, latency_s=a.latency_s, error=a.error) for a in attempts
                ],
                next_at=row.next_at if row.state is DeliveryState.PENDING else None,
            )
            for row, attempts in found
        ]

    async def redeliver(self, stream_id: str, index_id: str, alert_id: str, delivery_id: str | None) -> int:
        """Send one webhook again, or all failed ones if ``delivery_id`` is None.

        Returns:
            The number of webhooks that will be sent.

        Raises:
            NotFound: There is no such alert or delivery.
        """
        await self._db.read(_own, stream_id, index_id, alert_id)
        number = await self._db.write(outbox.retry, alert_id, delivery_id, time.time())
        if delivery_id is not None and not number:
            raise NotFound(f"This alert has no delivery {delivery_id[:80]}. List its deliveries to see their ids.")
        self._on_webhooks([alert_id])
        return number

    def _event(self, row: EventRow) -> Event:
        matching, note = self._matcher.matching(row.prompt, row.rule)
        return Event(
            event_id=row.id, event_prompt=row.prompt, label=row.label, rule=row.rule, matching=matching, note=note
        )

    def shown(
        self,
        row: AlertRow,
        index: IndexRow | None,
        sent: dict[str, int] | None = None,
        last_error: str = "",
        late: int = 0,
    ) -> Alert:
        """Return an alert as the API shows it."""
        kind = ON_TRANSCRIPT if index is None else self._kind_of(index)
        matching, note = self._matcher.matching(row.event_prompt, row.event_rule, kind)
        return Alert(
            alert_id=row.id,
            event_id=row.event_id,
            prompt=row.event_prompt,
            label=row.event_label,
            callback_url=without_login(row.callback_url or "") or None,
            status=row.status,
            rtstream_id=row.stream_id,
            rtstream_index_id=row.index_id,
            matching=matching,
            note=note,
            fired=row.fired,
            fired_late=late,
            options=row.options,
            deliveries=sent or {},
            last_delivery_error=last_error,
        )


def _own(conn: Connection, stream_id: str, index_id: str, alert_id: str) -> IndexRow | None:
    """Return the index of an alert, or None for one on the stream itself, for which ``index_id`` is empty.

    Raises:
        NotFound: The alert is not on that index of that stream.
    """
    index = index_rows.get(conn, index_id, stream_id) if index_id else None
    if rows.get_alert(conn, alert_id, index_id).stream_id != stream_id:
        raise NotFound(f"There is no alert {alert_id[:80]} on this stream. List the alerts to see their ids.")
    return index


def insert_alert(
    conn: Connection,
    stream_id: str,
    index_id: str,
    event_id: str,
    callback: str | None,
    options: JsonObject,
    status: AlertStatus = AlertStatus.ENABLED,
) -> AlertRow:
    """Add an alert, which evaluates what follows. ``index_id`` is empty for one on the stream itself."""
    alert_id = ids.alert_id()
    rows.insert_alert(
        conn,
        id=alert_id,
        stream_id=stream_id,
        index_id=index_id or None,
        event_id=event_id,
        callback_url=callback,
        status=status,
        options=options,
        fired=0,
        created_at=time.time(),
    )
    restart(conn, alert_id)
    return rows.get_alert(conn, alert_id)
