"""Events and alerts as the API has them: create, list, enable, disable; and the marks they leave on the time line."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Any

from sqlalchemy import Connection, Row, select

from rtstream import ids
from rtstream.engine.alerting import MAX_EXPLANATION, Alerting, scene_facts
from rtstream.engine.bindings import Bindings
from rtstream.errors import InvalidRequest, NotFound
from rtstream.models import (
    Alert,
    AlertStatus,
    CreateAlert,
    CreateEvent,
    Decision,
    Delivery,
    DeliveryAttempt,
    Event,
    EventTest,
    Matching,
    UpdateEvent,
)
from rtstream.perception.protocols import EventQuestion, LanguageProvider, ProviderError, Verdict
from rtstream.rules import firing
from rtstream.rules.phrases import plan
from rtstream.rules.untrusted import clean
from rtstream.store import alerts as rows
from rtstream.store import deliveries as outbox
from rtstream.store import indexes as index_rows
from rtstream.store.database import Database
from rtstream.store.tables import journal

NEEDS_MODEL = (
    "This event cannot be decided without a language model, so it will not fire: scenes are only ranked as candidates. "
    'Set a model, or name what must be seen in quotation marks, for example: "Invoice 4711" is on the screen.'
)
BY_RULE = (
    "Decided by looking for the quoted text in what is seen; "
    "capital letters, spacing and single misread letters do not matter."
)
MAX_MARKS = 500
MAX_PAGE_SIZE = 1000


class Watches:
    """All events and alerts. ``check_webhook(url)`` raises RTStreamError for an address that is not allowed."""

    def __init__(
        self,
        db: Database,
        language: LanguageProvider,
        alerting: Alerting,
        bindings: Bindings,
        check_webhook: Callable[[str], Awaitable[str]],
        on_delivery: Callable[[], None],
    ) -> None:
        self._db = db
        self._language = language
        self._alerting = alerting
        self._bindings = bindings
        self._check_webhook = check_webhook
        self._on_delivery = on_delivery

    async def create_event(self, request: CreateEvent) -> Event:
        """Add an event."""
        prompt, label = request.event_prompt.strip(), clean(request.label, 200).strip()
        if not prompt or not label:
            raise InvalidRequest("An event needs a prompt that says what to watch for, and a label.")
        event_id = ids.event_id()
        await self._db.write(
            lambda conn: rows.insert_event(conn, id=event_id, prompt=prompt, label=label, created_at=time.time())
        )
        return self._event(await self._db.read(rows.get_event, event_id))

    async def list_events(self) -> list[Event]:
        """All events, oldest first."""
        return [self._event(row) for row in await self._db.read(rows.list_events)]

    async def update_event(self, event_id: str, request: UpdateEvent) -> Event:
        """Change what is given of an event; its alerts go by the new prompt from their next scene on."""
        changes: dict[str, Any] = {}
        if request.event_prompt is not None:
            changes["prompt"] = request.event_prompt.strip()
        if request.label is not None:
            changes["label"] = clean(request.label, 200).strip()
        if not all(changes.values()):
            raise InvalidRequest("An event needs a prompt that says what to watch for, and a label.")

        def change(conn: Connection) -> Row[Any]:
            event = rows.get_event(conn, event_id)
            if changes:
                rows.change_event(conn, event.id, **changes)
            return rows.get_event(conn, event.id)

        return self._event(await self._db.write(change))

    async def delete_event(self, event_id: str) -> None:
        """Remove an event and its alerts. Raises NotFound."""
        await self._db.write(lambda conn: rows.delete_event(conn, rows.get_event(conn, event_id).id))

    async def test_event(self, stream_id: str, request: EventTest) -> list[Decision]:
        """Decide an event on past scenes without creating anything; newest first."""

        def query(conn: Connection) -> list[Row[Any]]:
            indexes = [row.id for row in index_rows.of_stream(conn, stream_id)]
            if request.rtstream_index_id is not None:
                indexes = [index_rows.get(conn, request.rtstream_index_id, stream_id).id]
            found = [
                scene
                for index_id in indexes
                for scene in index_rows.scene_page(conn, index_id, request.start, request.end, 1, request.limit)[0]
            ]
            return sorted(found, key=lambda scene: -scene.start)[: request.limit]

        question = EventQuestion("event-test", request.event_prompt)
        decided: list[Decision] = []
        for scene in await self._db.read(query):
            verdict: Verdict | None = None
            reason = "the scene has no description"
            if scene.status == "ok":
                try:
                    [verdict] = await self._language.judge([question], scene_facts(scene))
                except ProviderError as exc:
                    reason = str(exc)
            decided.append(_dry_decision(scene, verdict, reason))
        return decided

    async def create_alert(self, stream_id: str, index_id: str, request: CreateAlert) -> Alert:
        """Watch an event on an index, from its next scene on."""
        callback = (request.callback_url or "").strip()
        if callback:
            await self._check_webhook(callback)
        alert_id = ids.alert_id()
        options = _options(request)

        def insert(conn: Connection) -> Row[Any]:
            event = rows.get_event(conn, request.event_id)
            rows.insert_alert(
                conn,
                id=alert_id,
                index_id=index_id,
                event_id=event.id,
                callback_url=callback or None,
                status="enabled",
                options=options,
                state={},
                judged_scene=index_rows.last_scene_id(conn, index_id),
                fired=0,
                created_at=time.time(),
            )
            return rows.get_alert(conn, alert_id)

        row = await self._db.write(insert)
        await self._bindings.bind(request.ws_connection_id, "alert", alert_id)
        self._alerting.watch(index_id)
        return self._alert(row, stream_id)

    async def list_alerts(self, stream_id: str, index_id: str) -> list[Alert]:
        """The alerts of an index, oldest first."""

        def query(conn: Connection) -> tuple[list[Row[Any]], dict[str, dict[str, int]]]:
            found = rows.of_index(conn, index_id)
            return found, outbox.states(conn, [row.id for row in found])

        found, sent = await self._db.read(query)
        return [self._alert(row, stream_id, sent.get(row.id)) for row in found]

    async def set_status(self, stream_id: str, index_id: str, alert_id: str, status: AlertStatus) -> Alert:
        """Enable or disable an alert. Raises NotFound."""

        def change(conn: Connection) -> Row[Any]:
            index_rows.get(conn, index_id, stream_id)
            rows.get_alert(conn, alert_id, index_id)
            rows.change_alert(conn, alert_id, status=status)
            return rows.get_alert(conn, alert_id)

        return self._alert(await self._db.write(change), stream_id)

    async def delete_alert(self, stream_id: str, index_id: str, alert_id: str) -> None:
        """Remove an alert with its log. Raises NotFound."""
        await self._own(stream_id, index_id, alert_id)
        await self._db.write(rows.delete_alert, alert_id)

    async def decisions(
        self,
        stream_id: str,
        index_id: str,
        alert_id: str,
        start: float | None,
        end: float | None,
        page: int,
        page_size: int,
    ) -> tuple[list[Decision], bool]:
        """What was decided about each scene of a time range and why, newest first; and whether there is more."""
        if not (1 <= page <= 1_000_000 and 1 <= page_size <= MAX_PAGE_SIZE):
            raise InvalidRequest(f"page must be at least 1 and page_size from 1 to {MAX_PAGE_SIZE}.")
        await self._own(stream_id, index_id, alert_id)
        found, more = await self._db.read(rows.decisions_of, alert_id, start, end, page, page_size)
        return [
            Decision(
                at=row.at,
                start=row.start,
                end=row.end,
                outcome=row.outcome,
                reason=row.reason,
                confidence=row.confidence,
                explanation=row.explanation,
                text=row.text or "",
                seq=row.seq,
            )
            for row in found
        ], more

    async def deliveries(self, stream_id: str, index_id: str, alert_id: str, limit: int) -> list[Delivery]:
        """The newest webhooks of an alert with every attempt, newest first."""
        await self._own(stream_id, index_id, alert_id)
        found = await self._db.read(outbox.of_alert, alert_id, max(1, min(limit, MAX_PAGE_SIZE)))
        return [
            Delivery(
                delivery_id=row.id,
                seq=row.seq,
                state=row.state,
                attempts=[
                    DeliveryAttempt(at=a.at, status=a.status, latency_s=a.latency_s, error=a.error) for a in attempts
                ],
                next_at=row.next_at if row.state == "pending" else None,
            )
            for row, attempts in found
        ]

    async def redeliver(self, stream_id: str, index_id: str, alert_id: str, delivery_id: str | None) -> int:
        """Send one webhook again, or all that were given up; returns how many. Raises NotFound."""
        await self._own(stream_id, index_id, alert_id)
        number = await self._db.write(outbox.again, alert_id, delivery_id, time.time())
        if delivery_id is not None and not number:
            raise NotFound(f"This alert has no delivery {delivery_id[:80]}. List its deliveries to see their ids.")
        self._on_delivery()
        return number

    async def _own(self, stream_id: str, index_id: str, alert_id: str) -> None:
        """Raises NotFound unless the alert is on that index of that stream."""

        def query(conn: Connection) -> None:
            index_rows.get(conn, index_id, stream_id)
            rows.get_alert(conn, alert_id, index_id)

        await self._db.read(query)

    async def marks(self, stream_id: str, start: float, end: float) -> list[dict[str, Any]]:
        """Alerts of a window for the player's time line."""

        def query(conn: Connection) -> list[dict[str, Any]]:
            found = conn.execute(
                select(journal.c.data)
                .where(
                    journal.c.stream_id == stream_id,
                    journal.c.channel == "alert",
                    journal.c.data["end"].as_float() > start,
                    journal.c.data["start"].as_float() < end,
                )
                .order_by(journal.c.seq.desc())
                .limit(MAX_MARKS)
            ).scalars()
            return [
                {"kind": "alert", "start": data["start"], "end": data["end"], "label": data["label"]} for data in found
            ]

        return await self._db.read(query)

    def _matching(self, prompt: str) -> tuple[Matching, str]:
        """How an event is decided, and what the user should know about it."""
        if self._language.name != "local":
            return "model", ""
        if plan(prompt) is not None:
            return "rule", BY_RULE
        return "needs_model", NEEDS_MODEL

    def _event(self, row: Row[Any]) -> Event:
        matching, note = self._matching(row.prompt)
        return Event(event_id=row.id, event_prompt=row.prompt, label=row.label, matching=matching, note=note)

    def _alert(self, row: Row[Any], stream_id: str, sent: dict[str, int] | None = None) -> Alert:
        matching, note = self._matching(row.event_prompt)
        return Alert(
            alert_id=row.id,
            event_id=row.event_id,
            prompt=row.event_prompt,
            label=row.event_label,
            callback_url=row.callback_url,
            status=row.status,
            rtstream_id=stream_id,
            rtstream_index_id=row.index_id,
            matching=matching,
            note=note,
            fired=row.fired,
            options=row.options,
            deliveries=sent or {},
        )


def _dry_decision(scene: Row[Any], verdict: Verdict | None, reason: str) -> Decision:
    if verdict is None:
        return Decision(
            at=time.time(), start=scene.start, end=scene.end, outcome="failed", reason=reason, text=scene.text
        )
    return Decision(
        at=time.time(),
        start=scene.start,
        end=scene.end,
        outcome=verdict.outcome,
        confidence=verdict.candidate_score if verdict.outcome == "needs_model" else verdict.confidence,
        explanation=clean(verdict.explanation, MAX_EXPLANATION),
        text=scene.text,
    )


def _options(request: CreateAlert) -> dict[str, Any]:
    """What was given of an alert's options. Raises InvalidRequest."""
    names = ("cooldown_s", "consecutive", "min_confidence", "dedupe", "quiet_hours", "pre_s", "post_s")
    given = {name: value for name in names if (value := getattr(request, name)) is not None}
    try:
        firing.options(given)
    except ValueError as exc:
        raise InvalidRequest(str(exc)) from exc
    return given
