"""Evaluates alerts on speech as such over a gap of a transcript, once the gap is transcribed.

An alert begins with the state that it had when the gap began, as with late scenes. The decisions and firings are
written in the transaction that ends the gap, so each gap is evaluated once. Live, silence counts from the end of a gap.
Alerts on words are evaluated by ``GapEvaluator`` afterwards.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from sqlalchemy import Connection

from rtstream.engine.alerts.firings import EvaluatedMoment, Evaluation, Firings
from rtstream.engine.alerts.matcher import EventMatcher
from rtstream.engine.alerts.state import hears_speech, reads_transcript
from rtstream.rules import alert_policy
from rtstream.rules.alert_policy import AlertState
from rtstream.rules.detection import Facts, Rule, Speech
from rtstream.rules.event_rules import rule_for_event
from rtstream.rules.gaps import speech_moments
from rtstream.store import alerts as rows
from rtstream.store import gap_alerts
from rtstream.store import transcripts as transcript_rows
from rtstream.store.alerts import AlertRow
from rtstream.store.gaps import GapRow


class SpeechGaps:
    """Evaluates the gaps of transcripts.

    Args:
        matcher: Decides events.
        firings: Stores decisions and firings.
        engine_of: Returns the speech engine whose transcript alerts of a stream read, or an empty string.
        on_stored: Called when a gap is done, so that alerts on its words are evaluated.
    """

    def __init__(
        self,
        matcher: EventMatcher,
        firings: Firings,
        engine_of: Callable[[str], str],
        on_stored: Callable[[], None],
    ) -> None:
        self._matcher = matcher
        self._firings = firings
        self._engine_of = engine_of
        self._on_stored = on_stored
        self._sent: list[str] = []

    def evaluate(self, conn: Connection, gap: GapRow) -> bool:
        """Evaluate the alerts on speech of the gap's stream, in the transaction that ends the gap.

        Returns:
            Whether alerts on words have to evaluate the gap before it is removed.
        """
        self._evaluate_speech(conn, gap)
        read = gap.engine == self._engine_of(gap.stream_id)
        return read and any(reads_transcript(alert) for alert in rows.without_index(conn, gap.stream_id))

    def _evaluate_speech(self, conn: Connection, gap: GapRow) -> None:
        self._sent = []
        engines = [job.engine for job in transcript_rows.jobs(conn, gap.stream_id)] or [gap.engine]
        if gap.end is None or gap.engine not in engines[:1]:  # of several transcripts, the oldest one counts
            return
        for alert in rows.of_streams(conn, gap.stream_id):
            if gap.requested and not alert_policy.options(alert.options).fires_on_past:
                continue
            rule = rule_for_event(alert.event_prompt, alert.event_rule)
            if rule is not None and isinstance(rule.conditions[0], Speech) and hears_speech(alert):
                self._evaluate(conn, gap, gap.end, alert, rule, rule.conditions[0].for_s)

    def announce(self) -> None:
        """Announce the firings of the last call of ``evaluate``, after its transaction."""
        self._firings.announce(self._sent)
        self._on_stored()

    def _evaluate(
        self, conn: Connection, gap: GapRow, end: float, alert: AlertRow, rule: Rule, silent_s: float
    ) -> None:
        known = gap_alerts.get(conn, gap.id, alert.id)
        if known is None:  # nothing was evaluated live since the gap began, or a user asked for its analysis
            gap_alerts.insert(conn, gap.id, alert.id, AlertState(journal=0) if gap.requested else alert.state)
            known = gap_alerts.get(conn, gap.id, alert.id)
        if known is not None and known.state is not None:
            spoken, speech = transcript_rows.speech_of_gap(conn, gap.stream_id, gap.engine, gap.start, end)
            state = known.state
            for moment in speech_moments(spoken if state.present else None, speech, gap.start, end, silent_s):
                if moment.end <= alert.created_at and not gap.requested:
                    continue
                silence_s = moment.silence_s
                facts = Facts(speech=silence_s is None, silence_s=silence_s or 0.0)
                evaluation = Evaluation(
                    replace(alert, state=state), self._matcher.match_rule(rule, facts, state.present)
                )
                at = EvaluatedMoment(moment.start, moment.end, gap_id=gap.id)
                self._sent += self._firings.store_within(conn, at, [evaluation])
                after = gap_alerts.get(conn, gap.id, alert.id)
                state = after.state if after is not None and after.state is not None else state
        if gap.requested:  # the past says nothing about the present silence
            return
        live = replace(alert.state, heard_from=max(end, alert.state.heard_from or 0.0))
        rows.store_evaluations(
            conn, [{"alert_id": alert.id, "judged_scene": alert.judged_scene, "state": live.to_json(), "fires": 0}]
        )
