"""Events and alerts as the API has them: create, list, enable, disable; and the marks they leave on the time line."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Any

from sqlalchemy import Connection, Row, select

from rtstream import ids
from rtstream.engine.alerting import Alerting
from rtstream.engine.bindings import Bindings
from rtstream.errors import InvalidRequest
from rtstream.models import Alert, AlertStatus, CreateAlert, CreateEvent, Event, Matching
from rtstream.perception.protocols import LanguageProvider
from rtstream.rules import firing
from rtstream.rules.phrases import plan
from rtstream.rules.untrusted import clean
from rtstream.store import alerts as rows
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


class Watches:
    """All events and alerts. ``check_webhook(url)`` raises RTStreamError for an address that is not allowed."""

    def __init__(
        self,
        db: Database,
        language: LanguageProvider,
        alerting: Alerting,
        bindings: Bindings,
        check_webhook: Callable[[str], Awaitable[str]],
    ) -> None:
        self._db = db
        self._language = language
        self._alerting = alerting
        self._bindings = bindings
        self._check_webhook = check_webhook

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
        return [self._alert(row, stream_id) for row in await self._db.read(rows.of_index, index_id)]

    async def set_status(self, stream_id: str, index_id: str, alert_id: str, status: AlertStatus) -> Alert:
        """Enable or disable an alert. Raises NotFound."""

        def change(conn: Connection) -> Row[Any]:
            index_rows.get(conn, index_id, stream_id)
            rows.get_alert(conn, alert_id, index_id)
            rows.change_alert(conn, alert_id, status=status)
            return rows.get_alert(conn, alert_id)

        return self._alert(await self._db.write(change), stream_id)

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

    def _alert(self, row: Row[Any], stream_id: str) -> Alert:
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
