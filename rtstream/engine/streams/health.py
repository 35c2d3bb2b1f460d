"""Health of all streams. The current state is in memory, and each change is written to the journal."""

from __future__ import annotations

import time
from collections.abc import Sequence

from sqlalchemy import Connection

from rtstream.concurrency import Broadcast
from rtstream.engine.journal import Journal
from rtstream.models import Health, HealthCode, HealthReason
from rtstream.rules.redaction import redact
from rtstream.rules.text_safety import clean
from rtstream.states import HealthLevel, HealthState
from rtstream.store import journal as journal_rows
from rtstream.store import streams as rows
from rtstream.store.journal import Entry
from rtstream.store.queue import WriteQueue

MAX_REASON = 500
NOTE_S = 60.0
"""Seconds after which a note disappears."""
NEXT_STEPS = {
    HealthCode.SOURCE_UNREACHABLE: "Check that the source is live and can be reached. It is tried again by itself.",
    HealthCode.LOGIN_REFUSED: "Set the right user name and password in the URL of the stream.",
    HealthCode.SOURCE_ENDED: "Nothing has to be done if the source comes back. It is tried again by itself.",
    HealthCode.NOT_MEDIA: "Check the path of the URL in a player.",
    HealthCode.NO_KEYFRAME: "Set a shorter keyframe interval in the camera or encoder, such as two seconds.",
    HealthCode.NO_VIDEO_TRACK: "Connect a source with video, or stop the indexes of the stream.",
    HealthCode.NO_AUDIO_TRACK: "Turn audio on in the camera or encoder, or stop the transcript of the stream.",
    HealthCode.TRACK_SILENT: "Check the camera or encoder. If it is meant to send none, nothing has to be done.",
    HealthCode.TIMES_UNUSABLE: "Restart the camera or encoder, and check its clock.",
    HealthCode.FORMAT_NOT_RECORDABLE: "Set another codec in the camera or encoder, such as H.264 and AAC.",
    HealthCode.FORMAT_CHANGED: "Nothing has to be done. Export the parts before and after the change separately.",
    HealthCode.RECORDING_STALLED: "Look at the log of the engine. Stop and start the stream if this does not end.",
    HealthCode.INDEX_STALLED: "Look at the status of the index or alert. A faster model or longer windows may help.",
    HealthCode.TRANSCRIPT_STALLED: "Look at the status of the transcript. A faster speech engine may help.",
    HealthCode.MODEL_UNAVAILABLE: "Check the model with `rtstream-mcp doctor`. It is tried again by itself.",
    HealthCode.READER_UNAVAILABLE: "Check the installation with `rtstream-mcp doctor`. It is tried again by itself.",
    HealthCode.OVERLOADED: "A faster model, longer windows or fewer streams help if this continues.",
    HealthCode.BUDGET_SPENT: "Raise the cap of model calls, or wait until it allows further calls.",
    HealthCode.DISK_FULL: "Free some space, or lower keep_days or keep_gb of a stream. Recording then continues.",
    HealthCode.DISK_ERROR: "Check the disk of the data folder. Recording continues as soon as it can be written.",
    HealthCode.STORAGE_UNAVAILABLE: "Check that its folder is mounted and readable. It is tried again by itself.",
    HealthCode.DELIVERY_FAILING: "Check the receiver and the URL. Failed webhooks are sent again for hours.",
    HealthCode.CLOCK_STEPPED: "Nothing has to be done. Times before and after the step may overlap or leave a hole.",
    HealthCode.ENGINE_RESTARTED: "Nothing has to be done. Windows and speech of the meantime are analysed afterwards.",
}


class HealthLog:
    """Tracks the health of every stream that has run since the engine started."""

    def __init__(self, queue: WriteQueue, journal: Journal) -> None:
        self._queue = queue
        self._journal = journal
        self._problems: dict[HealthCode, HealthReason] = {}  # of the engine
        self._own: dict[str, list[HealthReason]] = {}  # of the recorders
        self._stalls: dict[str, list[HealthReason]] = {}  # of indexes and transcripts
        self._lasting: dict[str, HealthReason] = {}  # notes about sub streams
        # Notes of the engine about a stream, with the monotonic time at which each disappears.
        self._notes: dict[str, dict[HealthCode, tuple[HealthReason, float]]] = {}
        self._connection: dict[str, str] = {}  # reason for the state of the connection
        self._health: dict[str, Health] = {}
        self._changed: dict[str, Broadcast] = {}
        self._names: dict[str, str] = {}
        self._urls: dict[str, tuple[str, ...]] = {}
        self._trial: set[str] = set()  # streams that are not accepted yet, so that the journal does not mention them

    def add(self, stream_id: str, name: str, *urls: str, trial: bool = False) -> None:
        """Remember a stream's name, and the URLs whose credentials its reasons must not show.

        Nothing is written to the journal about a stream on ``trial`` until it is accepted.
        """
        self._names[stream_id] = name
        self._urls[stream_id] = urls
        if trial:
            self._trial.add(stream_id)

    async def accept(self, stream_id: str) -> None:
        """End a stream's trial, and write its health to the journal."""
        self._trial.discard(stream_id)
        health = self._health.get(stream_id)
        if health is not None:
            await self._journal.append(self._entry(stream_id, health))

    def rename(self, stream_id: str, name: str) -> None:
        """Use another name in journal entries from now on."""
        self._names[stream_id] = name

    def get(self, stream_id: str) -> Health | None:
        """Return the health of a stream, or None when it has not run since the engine started."""
        return self._health.get(stream_id)

    def streams(self) -> list[str]:
        """Return the ids of all streams that have run since the engine started."""
        return list(self._health)

    def changed(self, stream_id: str) -> Broadcast:
        """Return the broadcast that is notified of each change of a stream's health."""
        return self._changed.setdefault(stream_id, Broadcast())

    async def set(
        self,
        stream_id: str,
        state: str,
        reason: str,
        *,
        attempts: int = 0,
        code: HealthCode | None = None,
        reasons: Sequence[tuple[HealthCode, HealthLevel, str]] = (),
    ) -> None:
        """Store the health of a stream, and write a journal entry when state or reason differ from before.

        Never fails: while the database is unavailable, rows and entries wait for it.

        Args:
            stream_id: The stream.
            state: State of its connection.
            reason: Reason of the state.
            attempts: Connection attempts since the last success.
            code: Code of the reason.
            reasons: Code, level and text of further problems and notes.
        """
        before = self._health.get(stream_id)
        now = time.time()
        reason = self._clean(stream_id, reason)
        listed = [] if code is None else [(code, HealthLevel.PROBLEM, reason)]
        listed += [(each, level, self._clean(stream_id, text)) for each, level, text in reasons]
        known = {(each.code, each.text): each.since for each in self._own.get(stream_id, ())}
        self._own[stream_id] = [
            HealthReason(
                code=each,
                level=level,
                since=known.get((each, text), now),
                text=text,
                next_step=NEXT_STEPS.get(each, ""),
            )
            for each, level, text in listed
        ]
        health = Health(state=HealthState(state), reason=reason, since=now, attempts=attempts)
        if before is not None:
            health.packets = before.packets
            if before.state == state:
                health.since = before.since
        self._health[stream_id] = health
        self._connection[stream_id] = reason
        await self._publish(stream_id, before)

    async def set_stalls(self, stream_id: str, found: Sequence[tuple[HealthCode, str]]) -> None:
        """Set the problems of a stream's indexes and transcripts, each with its code and text."""
        before, health = self._stalls.get(stream_id, []), self._health.get(stream_id)
        texts = [(code, self._clean(stream_id, text)) for code, text in found]
        if health is None or texts == [(each.code, each.text) for each in before]:
            return
        known = {(each.code, each.text): each for each in before}
        now = time.time()
        self._stalls[stream_id] = [
            known.get((code, text)) or HealthReason(code=code, since=now, text=text, next_step=NEXT_STEPS.get(code, ""))
            for code, text in texts
        ]
        await self._publish(stream_id, health.model_copy())

    async def note(self, stream_id: str, code: HealthCode, text: str) -> None:
        """Show a note of the engine about a stream for a minute. One that is shown already lasts longer."""
        notes = self._notes.setdefault(stream_id, {})
        until = time.monotonic() + NOTE_S
        if code in notes and notes[code][0].text == text:
            notes[code] = notes[code][0], until
            return
        step = NEXT_STEPS.get(code, "")
        reason = HealthReason(code=code, level=HealthLevel.NOTE, since=time.time(), text=text, next_step=step)
        notes[code] = reason, until
        if (health := self._health.get(stream_id)) is not None:
            await self._publish(stream_id, health.model_copy())

    async def set_note(self, stream_id: str, code: HealthCode | None, text: str = "") -> None:
        """Show a note of the engine about a stream until it is replaced, or removed by a code of None."""
        before, text = self._lasting.pop(stream_id, None), self._clean(stream_id, text)
        if code is not None:
            if before is not None and (before.code, before.text) == (code, text):
                self._lasting[stream_id] = before
                return
            step = NEXT_STEPS.get(code, "")
            note = HealthReason(code=code, level=HealthLevel.NOTE, since=time.time(), text=text, next_step=step)
            self._lasting[stream_id] = note
        if (code or before) is not None and (health := self._health.get(stream_id)) is not None:
            await self._publish(stream_id, health.model_copy())

    async def expire_notes(self) -> None:
        """Remove the notes whose time is over. To be called every few seconds."""
        now = time.monotonic()
        for stream_id, notes in list(self._notes.items()):
            left = {code: (reason, until) for code, (reason, until) in notes.items() if now < until}
            if left:
                self._notes[stream_id] = left
            else:
                del self._notes[stream_id]
            if len(left) < len(notes) and (health := self._health.get(stream_id)) is not None:
                await self._publish(stream_id, health.model_copy())

    def _clean(self, stream_id: str, text: str) -> str:
        return clean(redact(text, self._urls.get(stream_id, ())), MAX_REASON)

    async def set_problem(self, code: HealthCode, text: str, next_step: str) -> None:
        """Add a problem of the engine, which concerns every stream that runs."""
        known = self._problems.get(code)
        if known is not None and known.text == text:
            return
        since = known.since if known else time.time()
        self._problems[code] = HealthReason(code=code, since=since, text=text, next_step=next_step)
        await self._publish_all()

    async def clear_problem(self, code: HealthCode) -> None:
        """Remove a problem of the engine."""
        if self._problems.pop(code, None) is not None:
            await self._publish_all()

    @property
    def problems(self) -> list[HealthReason]:
        """Problems of the engine."""
        return list(self._problems.values())

    async def _publish_all(self) -> None:
        for stream_id, health in list(self._health.items()):
            await self._publish(stream_id, health.model_copy())

    async def _publish(self, stream_id: str, before: Health | None) -> None:
        """Complete the health of a stream by its reasons, store it and write a journal entry if it has changed."""
        health = self._health[stream_id]
        own = [*self._own.get(stream_id, ()), *self._stalls.get(stream_id, ())]
        own += [reason for reason, _ in self._notes.get(stream_id, {}).values()]
        own += [self._lasting[stream_id]] if stream_id in self._lasting else []
        shared = [] if health.state is HealthState.STOPPED else self.problems
        codes = {reason.code for reason in own}
        health.reasons = own + [reason for reason in shared if reason.code not in codes]
        health.reason = self._connection[stream_id] or next((reason.text for reason in health.reasons), "")
        values = health.model_dump(mode="json")
        entry = None
        if stream_id not in self._trial and (before is None or _shown(before) != _shown(health)):
            entry = self._entry(stream_id, health)

        def write(conn: Connection) -> None:
            rows.update_stream(conn, stream_id, health=values)
            if entry is not None:
                journal_rows.append(conn, entry)

        await self._queue.write_then(write, None if entry is None else self._journal.wake)
        self.changed(stream_id).notify()

    def forget(self, stream_id: str) -> None:
        """Forget a stream that was removed."""
        reasons = (self._own, self._stalls, self._notes, self._lasting, self._connection)
        for table in (self._health, self._changed, self._names, self._urls, *reasons):
            table.pop(stream_id, None)
        self._trial.discard(stream_id)

    def _entry(self, stream_id: str, health: Health) -> Entry:
        data = health.model_dump(mode="json", include={"state", "reason", "reasons", "since", "attempts"})
        return Entry("health", data, stream_id=stream_id, stream_name=self._names.get(stream_id, ""))


def _shown(health: Health) -> tuple[str, str, list[tuple[str, str]]]:
    return health.state, health.reason, [(reason.code, reason.text) for reason in health.reasons]
