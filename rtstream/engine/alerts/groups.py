"""Alerts on any number of streams: creates them with everything that they need, also for streams connected later."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

import anyio
from anyio.abc import TaskGroup
from sqlalchemy import Connection

from rtstream import ids
from rtstream.concurrency import log_failure
from rtstream.engine.alerts.failures import AGAIN, APPLY_S, RETRY_MAX_S, RETRY_S, AlertFailures
from rtstream.engine.alerts.request import AlertRequest, EventValues, limits
from rtstream.engine.alerts.service import AlertService, insert_alert
from rtstream.engine.alerts.validation import check_consecutive, checked_options
from rtstream.engine.journal import Journal
from rtstream.engine.subscriptions import Subscriptions
from rtstream.errors import DatabaseUnavailable, InvalidRequest, NotFound
from rtstream.models import Alert, AlertGroup, CreateAlertGroup, Slice, StartedAnalysis, UnwatchedStream, UpdateAlert
from rtstream.rules.event_rules import rule_for_event
from rtstream.rules.redaction import without_login
from rtstream.states import AlertStatus
from rtstream.store import alert_groups as rows
from rtstream.store import alerts as alert_rows
from rtstream.store import indexes as index_rows
from rtstream.store import journal as journal_rows
from rtstream.store import streams as stream_rows
from rtstream.store.alert_groups import AlertGroupRow
from rtstream.store.alerts import AlertRow
from rtstream.store.database import Database
from rtstream.store.journal import Filter
from rtstream.store.streams import StreamRow

if TYPE_CHECKING:
    from rtstream.engine.alerts.indexes import AlertIndexes

log = logging.getLogger(__name__)

ALL = "all"
CHANGES = Filter(channels=("catalogue", "health"))
"""New streams, and streams that may send audio or video now."""
WAIT_S = 3600.0


class AlertGroups:
    """Creates, lists, updates and deletes alerts on any number of streams.

    An alert on one stream is an alert of an index, or of the stream itself if it is about speech or the connection. An
    alert on several or all streams is a *group*, which has such an alert on each stream. A group on all streams gets
    one for each stream that is connected later.

    Args:
        db: The database.
        journal: Journal that announces new streams.
        alerts: The alerts on indexes and on streams themselves.
        indexes: Chooses and starts the indexes of alerts.
        subscriptions: Connects alerts to WebSocket connections.
    """

    def __init__(
        self, db: Database, journal: Journal, alerts: AlertService, indexes: AlertIndexes, subscriptions: Subscriptions
    ) -> None:
        self._db = db
        self._journal = journal
        self._alerts = alerts
        self._indexes = indexes
        self._subscriptions = subscriptions
        self._applying = anyio.Lock()
        self.failures = AlertFailures()

    async def start(self, tasks: TaskGroup) -> None:
        """Create the alerts of streams that were connected while the engine did not run, then follow new streams."""
        cursor = await self._db.read(journal_rows.latest)
        tasks.start_soon(self._follow, cursor)

    async def create(self, request: CreateAlertGroup) -> AlertGroup:
        """Watch for an event on streams from now on, with the indexes and transcripts that it needs.

        Raises:
            InvalidRequest: The request is invalid, or with ``must_fire`` the alert could never fire.
            NotFound: There is no such event, stream or index.
            RTStreamError: The callback URL is not allowed.
        """
        self._subscriptions.check(request.ws_connection_id)
        wanted = await self._read(request)
        streams = await self._db.read(_streams, request.streams)
        everywhere = ALL in request.streams
        if request.rtstream_index_id and (everywhere or len(streams) != 1):
            raise InvalidRequest("An index belongs to one stream. Pass only its stream, or omit the index.")
        tolerated = request.rtstream_index_id is not None and not request.must_fire
        lacking = {} if tolerated else await self._indexes.lacking(wanted, streams)
        if lacking and (not everywhere or len(lacking) == len(streams)):
            raise InvalidRequest(_refusal(lacking, streams))
        started: list[StartedAnalysis] = []
        cursor = await self._journal.latest()
        async with self._applying:
            if everywhere or len(streams) > 1:
                named = None if everywhere else [row.id for row in streams]
                group = await self._create_group(wanted, named)
                alert_id = group.id
                await self._subscriptions.bind(request.ws_connection_id, "alert", alert_id)
                for stream in streams:
                    started += await self._apply(group, stream)
            else:
                alert_id = await self._create_alert(request, wanted, streams[0].id, started)
        made = await self.get(alert_id)
        missed = limits(wanted, streams, made, self._indexes.models)
        return made.model_copy(update={"started": started, "limits": missed, "cursor": cursor})

    async def _read(self, request: CreateAlertGroup) -> AlertRequest:
        described = request.event_prompt is not None or (request.rule is not None and request.event_id is None)
        if (request.event_id is None) != described:
            raise InvalidRequest("Pass either event_id, of an existing event, or event_prompt, for a new one.")
        if request.event_id is not None:
            if request.label is not None or request.rule is not None:
                raise InvalidRequest("label and rule belong to a new event. Omit them, or pass event_prompt instead.")
            event = EventValues.of(await self._db.read(alert_rows.get_event, request.event_id))
        else:
            event = EventValues.new(request.event_prompt, request.label, request.rule)
        options = checked_options(request)
        callback = await self._alerts.checked_callback(request.callback_url)
        check_consecutive(rule_for_event(event.prompt, event.rule), options)
        wanted = AlertRequest(event, options, callback, request.rtstream_index_id)
        if request.must_fire and (reason := self._indexes.never_fires(wanted)):
            raise InvalidRequest(reason)
        return wanted

    async def _create_group(self, wanted: AlertRequest, streams: list[str] | None) -> AlertGroupRow:
        group_id = ids.alert_id()

        def insert(conn: Connection) -> AlertGroupRow:
            values = {"callback_url": wanted.callback, "options": wanted.options, "status": AlertStatus.ENABLED}
            event_id = wanted.event.stored(conn)
            rows.insert(conn, id=group_id, event_id=event_id, streams=streams, created_at=time.time(), **values)
            return rows.get(conn, group_id)

        return await self._db.write(insert)

    async def _create_alert(
        self, request: CreateAlertGroup, wanted: AlertRequest, stream_id: str, started: list[StartedAnalysis]
    ) -> str:
        index_id, begun = await self._indexes.ensure(wanted, stream_id)

        def insert(conn: Connection) -> AlertRow:
            event_id = wanted.event.stored(conn)
            return insert_alert(conn, stream_id, index_id, event_id, wanted.callback, wanted.options)

        row = await self._db.write(insert)
        await self._alerts.watch(row, request.ws_connection_id)
        started += begun
        return row.id

    async def _apply(self, group: AlertGroupRow, stream: StreamRow) -> list[StartedAnalysis]:
        """Create the alert of a group on a stream, or store the reason why that is not possible.

        An unexpected failure is tried again later, and affects no other stream.

        Raises:
            DatabaseUnavailable: Nothing can be created at present.
        """
        place = group.id, stream.id
        try:
            with anyio.fail_after(APPLY_S):
                started = await self._create_on(group, stream)
        except DatabaseUnavailable:
            raise
        except (InvalidRequest, NotFound) as exc:
            reason = exc.message
            self.failures.forget(place)
        except Exception as exc:  # noqa: BLE001 - logged
            reason = self.failures.add(group, stream.id, exc)
        else:
            self.failures.forget(place)
            return started
        await self._db.write(_set_note, group.id, stream.id, reason)
        return []

    async def _create_on(self, group: AlertGroupRow, stream: StreamRow) -> list[StartedAnalysis]:
        wanted = AlertRequest.of(group)
        lacking = await self._indexes.lacking(wanted, [stream])
        if lacking:
            raise InvalidRequest(lacking[stream.id])
        index_id, started = await self._indexes.ensure(wanted, stream.id)

        def insert(conn: Connection) -> AlertRow | None:
            current = rows.find(conn, group.id)
            if current is None or stream.id not in rows.missing_streams(conn, current):
                return None
            made = (current.event_id, current.callback_url, current.options, current.status)
            row = insert_alert(conn, stream.id, index_id, *made)
            rows.set_stream(conn, current.id, stream.id, row.id)
            return row

        row = await self._db.write(insert)
        if row is not None:
            await self._subscriptions.copy("alert", group.id, row.id)
            await self._alerts.watch(row, None)
        return started

    async def _follow(self, cursor: int) -> None:
        """Create the missing alerts now, whenever a stream is added or changes its state, and after failures."""
        behind, failures = True, 0
        while True:
            try:
                if behind:
                    await self._apply_missing()
                    behind, failures = False, 0
                wait_s = self.failures.wait_s
                page = await self._journal.read(cursor, CHANGES, wait_s=WAIT_S if wait_s is None else wait_s)
                behind = bool(page.entries) or wait_s is not None
                cursor = page.cursor
            except Exception as exc:  # noqa: BLE001 - logged
                log_failure(log, "the missing alerts could not be read", exc)
                behind, failures = True, failures + 1
                await anyio.sleep(min(RETRY_MAX_S, RETRY_S * 2 ** min(failures - 1, 10)))

    async def _apply_missing(self) -> None:
        """Create the missing alerts, except those whose next attempt is later."""
        missing = await self._db.read(_missing)
        self.failures.keep({(group.id, stream.id) for group, stream in missing})
        for group, stream in missing:
            if self.failures.due((group.id, stream.id)):
                async with self._applying:
                    if await self._db.read(_is_missing, group.id, stream.id):
                        await self._apply(group, stream)

    async def get(self, alert_id: str) -> AlertGroup:
        """Return an alert, on one or on several streams. Raises NotFound."""
        return await self._db.read(self._get, alert_id)

    def _get(self, conn: Connection, alert_id: str) -> AlertGroup:
        group = rows.find(conn, alert_id)
        if group is not None:
            mine = {row.alert_id for row in rows.streams_of(conn, alert_id)}
            found = [row for row in alert_rows.of_event(conn, group.event_id) if row.id in mine]
            return _shown(conn, group, list(self._alerts_of(conn, found).values()))
        row = alert_rows.get_alert(conn, alert_id)
        return _single(row, self._alerts_of(conn, [row])[row.id])

    async def update(self, alert_id: str, request: UpdateAlert) -> AlertGroup:
        """Enable, disable or mute an alert, or change its options.

        Raises:
            InvalidRequest: An option is invalid.
            NotFound: There is no such alert.
        """

        def change(conn: Connection) -> AlertGroup:
            group = rows.find(conn, alert_id)
            known = group or alert_rows.get_alert(conn, alert_id)
            options = checked_options(request, known.options)
            check_consecutive(rule_for_event(known.event_prompt, known.event_rule), options)
            if request.mute_s is not None:
                options.pop("muted_until", None)
                if request.mute_s:
                    options["muted_until"] = time.time() + request.mute_s
            values: dict[str, object] = {"options": options}
            if request.enabled is not None:
                values["status"] = AlertStatus.ENABLED if request.enabled else AlertStatus.DISABLED
            (rows.update_group if group else alert_rows.update_alert)(conn, alert_id, **values)
            return self._get(conn, alert_id)

        changed = await self._db.write(change)
        if request.enabled is not None:
            await self._alerts.settle()
        return changed

    async def delete(self, alert_id: str) -> None:
        """Delete an alert, on one or on several streams, with its decisions and deliveries. Raises NotFound."""

        def remove(conn: Connection) -> list[str]:
            if rows.find(conn, alert_id) is not None:
                return rows.delete_group(conn, alert_id)
            row = alert_rows.get_alert(conn, alert_id)
            alert_rows.delete_alert(conn, row.id)
            return [row.index_id]

        async with self._applying:
            await self._alerts.forget(await self._db.write(remove))

    def _alerts_of(self, conn: Connection, found: Sequence[AlertRow]) -> dict[str, Alert]:
        """Return alerts by their ids, in the given order."""
        indexes = {index_id: index_rows.get(conn, index_id) for index_id in {row.index_id for row in found} - {""}}
        return {alert.alert_id: alert for alert in self._alerts.all_shown(conn, found, indexes)}

    async def list(
        self,
        part: Slice,
        streams: Sequence[str] | None = None,
        *,
        start: float | None = None,
        end: float | None = None,
    ) -> tuple[list[AlertGroup], int]:
        """Return alerts, oldest first, and their total number.

        Args:
            part: The part of the list to return.
            streams: Only alerts on these streams.
            start: Start of the range in which firings are counted, in Unix seconds.
            end: End of that range.

        Raises:
            NotFound: There is no such stream.
        """

        def query(conn: Connection) -> tuple[list[AlertGroup], int]:
            for stream_id in streams or ():
                stream_rows.get(conn, stream_id)
            group_of = rows.memberships(conn)
            by_group: dict[str, list[AlertRow]] = {}
            for row in alert_rows.of_streams(conn):
                by_group.setdefault(group_of.get(row.id, row.id), []).append(row)
            groups = {group.id: group for group in rows.all_groups(conn)}
            born = {key: found[0].created_at for key, found in by_group.items()}
            born |= {group.id: group.created_at for group in groups.values()}
            wanted = [
                key
                for key in sorted(born, key=lambda key: (born[key], key))
                if streams is None
                or any(row.stream_id in streams for row in by_group.get(key, ()))
                or (key in groups and groups[key].streams is None)
            ]
            listed = wanted[part.offset : part.offset + part.limit]
            alerts = self._alerts_of(conn, [row for key in listed for row in by_group.get(key, ())])
            found = [
                _shown(conn, groups[key], [alerts[row.id] for row in by_group.get(key, ())])
                if key in groups
                else _single(by_group[key][0], alerts[by_group[key][0].id])
                for key in listed
            ]
            if start is not None or end is not None:
                _count_firings(conn, found, start, end)
            return found, len(wanted)

        return await self._db.read(query)


def _streams(conn: Connection, wanted: Sequence[str]) -> list[StreamRow]:
    if ALL in wanted:
        return stream_rows.all_streams(conn)
    return [stream_rows.get(conn, stream_id) for stream_id in dict.fromkeys(wanted)]


def _single(row: AlertRow, alert: Alert) -> AlertGroup:
    return AlertGroup(
        alert_id=row.id,
        event_id=row.event_id,
        prompt=row.event_prompt,
        label=row.event_label,
        status=row.status,
        callback_url=alert.callback_url,
        options=row.options,
        created_at=row.created_at,
        alerts=[alert],
    )


def _shown(conn: Connection, group: AlertGroupRow, alerts: list[Alert]) -> AlertGroup:
    without = {row.stream_id: row.note for row in rows.streams_of(conn, group.id) if row.alert_id is None}
    # Those that were connected just now, and all of them while none can be created.
    untried = {one: f"Its alert is not created yet. {AGAIN}" for one in rows.missing_streams(conn, group)}
    return AlertGroup(
        alert_id=group.id,
        event_id=group.event_id,
        prompt=group.event_prompt,
        label=group.event_label,
        all_streams=group.streams is None,
        status=group.status,
        callback_url=without_login(group.callback_url or "") or None,
        options=group.options,
        created_at=group.created_at,
        alerts=alerts,
        unwatched=[
            UnwatchedStream(rtstream_id=one, name=stream_rows.get(conn, one).name, reason=note)
            for one, note in (untried | without).items()
        ],
    )


def _count_firings(conn: Connection, found: Sequence[AlertGroup], start: float | None, end: float | None) -> None:
    alerts = [alert for group in found for alert in group.alerts]
    counts = alert_rows.fired_between(conn, [alert.alert_id for alert in alerts], start, end)
    for alert in alerts:
        alert.fired_in_range = counts.get(alert.alert_id, 0)


def _missing(conn: Connection) -> list[tuple[AlertGroupRow, StreamRow]]:
    """Return the groups and the streams on which they lack an alert."""
    return [
        (group, stream_rows.get(conn, stream_id))
        for group in rows.all_groups(conn)
        for stream_id in rows.missing_streams(conn, group)
    ]


def _is_missing(conn: Connection, group_id: str, stream_id: str) -> bool:
    group = rows.find(conn, group_id)
    return group is not None and stream_id in rows.missing_streams(conn, group)


def _set_note(conn: Connection, group_id: str, stream_id: str, note: str) -> None:
    group = rows.find(conn, group_id)
    if group is not None and stream_id in rows.missing_streams(conn, group):
        rows.set_stream(conn, group_id, stream_id, None, note)


def _refusal(lacking: dict[str, str], streams: Sequence[StreamRow]) -> str:
    """Return the reason why an alert was not created, with the streams that lack something if there are others."""
    reasons = list(dict.fromkeys(lacking.values()))
    if len(streams) == 1 or (len(lacking) == len(streams) and len(reasons) == 1):
        return reasons[0]
    first = next(iter(lacking))
    more = f", and {len(lacking) - 1} more," if len(lacking) > 1 else ""
    return f"The stream {first}{more} cannot be watched for this: {lacking[first]} Omit it, or choose another event."
