"""Alerts: every stored scene is judged against the index's events, once, also after a crash.

What was judged, the alert, its journal entry and its webhook are written in one transaction, and each alert remembers
the newest scene it has judged: a kill at any moment neither loses an alert nor fires it twice.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import anyio
from anyio.abc import TaskGroup
from sqlalchemy import Connection, Row

from rtstream import ids
from rtstream.engine.journal import Journal
from rtstream.perception.protocols import EventQuestion, LanguageProvider, ProviderError, SceneFacts, Verdict
from rtstream.rules import firing
from rtstream.rules.untrusted import clean
from rtstream.store import alerts as rows
from rtstream.store import deliveries as outbox
from rtstream.store import indexes as index_rows
from rtstream.store import journal as journal_rows
from rtstream.store import recordings as recording_rows
from rtstream.store import streams as stream_rows
from rtstream.store.database import Database
from rtstream.store.journal import Entry

log = logging.getLogger(__name__)

BATCH = 50
RETRY_S = 5.0
"""Pause after a failure of the language model before the same scenes are tried again."""
ATTEMPTS = 3
MODEL_TIMEOUT_S = 60.0
MAX_EXPLANATION = 2000


class Alerting:
    """One judging task per index that has alerts. ``links(stream_id, start, end, title)`` gives the evidence URLs."""

    def __init__(
        self,
        tasks: TaskGroup,
        db: Database,
        journal: Journal,
        language: LanguageProvider,
        links: Callable[[str, float, float, str], dict[str, str]],
        on_delivery: Callable[[], None],
        pre_s: float,
        post_s: float,
    ) -> None:
        self._tasks = tasks
        self._db = db
        self._journal = journal
        self._language = language
        self._links = links
        self._on_delivery = on_delivery
        self._pre_s = pre_s
        self._post_s = post_s
        self._wake: dict[str, anyio.Event] = {}

    async def start(self) -> None:
        """Go on with every index that has alerts, from the scene each had judged."""
        for index_id in await self._db.read(rows.indexes_with_alerts):
            self.watch(index_id)

    def watch(self, index_id: str) -> None:
        """An alert was created on this index: judge its scenes from now on."""
        if index_id not in self._wake:
            self._wake[index_id] = anyio.Event()
            self._tasks.start_soon(self._judge_index, index_id)

    def scene_stored(self, index_id: str) -> None:
        """A scene of this index is in the store."""
        wake = self._wake.get(index_id)
        if wake is not None:
            wake.set()

    async def _judge_index(self, index_id: str) -> None:
        failures = 0
        while True:
            self._wake[index_id] = wake = anyio.Event()
            try:
                alerts = await self._db.read(rows.of_index, index_id)
                if not alerts:
                    del self._wake[index_id]
                    return
                more = await self._judge_next(index_id, alerts, last_try=failures >= ATTEMPTS - 1)
                failures = 0
            except (ProviderError, TimeoutError) as exc:
                failures += 1
                log.warning("events of index %s could not be judged: %s", index_id, exc)
                await anyio.sleep(RETRY_S)
                continue
            except Exception:
                log.exception("alerts of index %s could not be judged", index_id)
                await anyio.sleep(RETRY_S)
                continue
            if not more:
                await wake.wait()

    async def _judge_next(self, index_id: str, alerts: list[Row[Any]], *, last_try: bool) -> bool:
        """Judge the oldest scene some alert has not judged; False when there is none."""
        since = min(alert.judged_scene for alert in alerts)
        scenes = await self._db.read(index_rows.scenes_after, index_id, since, 1)
        if not scenes:
            return False
        scene = scenes[0]
        due = [alert for alert in alerts if alert.judged_scene < scene.id]
        # The embedded matcher costs nothing, so disabled alerts are judged too: the log says what they would have done.
        free = self._language.name == "local"
        open_questions = [a for a in due if scene.status == "ok" and (free or a.status == "enabled")]
        failure = ""
        verdicts: dict[str, Verdict] = {}
        if open_questions:
            try:
                verdicts = await self._ask(open_questions, scene)
            except (ProviderError, TimeoutError) as exc:
                if not last_try and not (isinstance(exc, ProviderError) and exc.permanent):
                    raise
                failure = str(exc) or "The language model did not answer in time."
        fired = await self._db.write(self._record, scene, due, verdicts, failure)
        if fired:
            self._journal.wake()
            self._on_delivery()
        return True

    async def _ask(self, alerts: list[Row[Any]], scene: Row[Any]) -> dict[str, Verdict]:
        # An event on several alerts of one index is asked once: they look at the same scenes.
        questions = {alert.event_id: EventQuestion(alert.event_id, alert.event_prompt) for alert in alerts}
        facts = scene_facts(scene)
        with anyio.fail_after(MODEL_TIMEOUT_S):
            return {
                verdict.event_id: verdict for verdict in await self._language.judge(list(questions.values()), facts)
            }

    def _record(
        self, conn: Connection, scene: Row[Any], alerts: list[Row[Any]], verdicts: dict[str, Verdict], failure: str
    ) -> int:
        """Write all that follows from one scene in one transaction; returns how many alerts fired."""
        fired = 0
        for alert in alerts:
            changes: dict[str, Any] = {"judged_scene": scene.id}
            decision: dict[str, Any] = {"alert_id": alert.id, "scene_id": scene.id, "at": time.time()}
            verdict = verdicts.get(alert.event_id)
            if verdict is None:
                decision |= _undecided(scene, alert, failure)
            else:
                state, fires, reason = firing.step(
                    firing.options(alert.options),
                    firing.State.from_json(alert.state),
                    verdict.confidence if verdict.outcome == "match" else None,
                    scene.end,
                    alert.status == "enabled",
                )
                changes["state"] = state.as_json()
                decision |= {"outcome": "suppressed" if reason else verdict.outcome, "reason": firing.IN_WORDS[reason]}
                if fires:
                    fired += 1
                    changes["fired"] = alert.fired + 1
                    decision |= {"outcome": "fired", "seq": self._fire(conn, scene, alert, verdict)}
                score = verdict.candidate_score if verdict.outcome == "needs_model" else verdict.confidence
                decision |= {"confidence": score, "explanation": clean(verdict.explanation, MAX_EXPLANATION)}
            rows.add_decision(conn, **decision)
            rows.change_alert(conn, alert.id, **changes)
        return fired

    def _fire(self, conn: Connection, scene: Row[Any], alert: Row[Any], verdict: Verdict) -> int:
        index = index_rows.get(conn, alert.index_id)
        name = stream_rows.get(conn, index.stream_id).name
        start = scene.start - alert.options.get("pre_s", self._pre_s)
        end = scene.end + alert.options.get("post_s", self._post_s)
        links = self._links(index.stream_id, start, end, alert.event_label)
        now = time.time()
        explanation = clean(verdict.explanation, MAX_EXPLANATION)
        data = {
            "alert_id": alert.id,
            "event_id": alert.event_id,
            "label": alert.event_label,
            "event_label": alert.event_label,
            "triggered": True,
            "confidence": verdict.confidence,
            "explanation": explanation,
            "text": explanation,
            "timestamp": now,
            "start": scene.start,
            "end": scene.end,
            "scene_id": scene.id,
            "rtstream_index_id": index.id,
            "index_name": index.name or "",
            **links,
        }
        recording_rows.pin(conn, index.stream_id, start, end, alert.id)
        entry = Entry("alert", data, index.stream_id, name, index.id, alert.id, at=now)
        seq = journal_rows.append(conn, entry)
        if alert.callback_url:
            payload = {
                "event_id": alert.event_id,
                "label": alert.event_label,
                "confidence": verdict.confidence,
                "explanation": explanation,
                "timestamp": _iso(now),
                "start_time": _iso(scene.start),
                "end_time": _iso(scene.end),
                **links,
                "rtstream_id": index.stream_id,
                "rtstream_name": name,
                "rtstream_index_id": index.id,
                "alert_id": alert.id,
                "seq": seq,
            }
            outbox.insert(
                conn,
                id=ids.delivery_id(),
                alert_id=alert.id,
                seq=seq,
                url=alert.callback_url,
                payload=payload,
                state="pending",
                attempts=0,
                next_at=now,
                created_at=now,
            )
        return seq


def scene_facts(scene: Row[Any]) -> SceneFacts:
    """What a matcher may look at of a stored scene."""
    detail = scene.detail
    return SceneFacts(text=scene.text, lines=detail.get("lines", ()), changes=detail.get("changes", {}))


def _undecided(scene: Row[Any], alert: Row[Any], failure: str) -> dict[str, Any]:
    """The decision when nobody was asked, or nobody answered."""
    if alert.status != "enabled":
        return {"outcome": "suppressed", "reason": firing.IN_WORDS["disabled"]}
    if scene.status != "ok":
        return {"outcome": "failed", "reason": "the scene has no description"}
    return {"outcome": "failed", "reason": failure or "the language model gave no answer for this event"}


def _iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat()
