"""Reads the results of one stream for a timeline, and the facts that explain where there are none."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection

from rtstream.models import TimelineChannel
from rtstream.rules.playlist import Range
from rtstream.rules.timeline import (
    Firing,
    ScreenLane,
    SpeechLane,
    TimedText,
    TimelineItem,
    firings,
    interruptions,
    summaries,
)
from rtstream.rules.timeline_folding import shorten
from rtstream.rules.timeline_gaps import AnalysisFacts, StreamFacts
from rtstream.states import AnalysisState, DesiredState, ExtractionType, GapReason, SkipReason
from rtstream.store import gaps as gap_rows
from rtstream.store import indexes as index_rows
from rtstream.store import streams as stream_rows
from rtstream.store import timeline as rows
from rtstream.store import transcripts as transcript_rows
from rtstream.store.indexes import IndexRow
from rtstream.store.streams import StreamRow

RECORDED_JOIN_S = 10.0
"""Shorter holes in the recording do not explain why there are no results."""
MAX_SUMMARIES = 4000
MAX_FAILURES = 2000


@dataclass
class StreamResults:
    """The results of one stream in a range.

    Attributes:
        stream_id: The stream.
        name: Its name.
        has_pictures: Whether pictures of it can be taken.
        screens: The screens of each visual index, the oldest index first.
        turns: The turns of each transcript.
        others: The summaries, alerts and interruptions of each source.
        covered: The ranges in which windows were described.
        facts: Facts that explain where there are no results.
    """

    stream_id: str
    name: str
    has_pictures: bool
    facts: StreamFacts
    screens: list[list[TimelineItem]] = field(default_factory=list)
    turns: list[list[TimelineItem]] = field(default_factory=list)
    others: list[list[TimelineItem]] = field(default_factory=list)
    covered: list[Range] = field(default_factory=list)


def read_stream(
    conn: Connection,
    stream_id: str,
    channels: Sequence[TimelineChannel],
    start: float,
    end: float,
    newest: tuple[int, int, int],
) -> StreamResults:
    """Read the results of a stream in [start, end) (Unix seconds).

    Args:
        conn: The connection.
        stream_id: The stream.
        channels: The channels to read.
        start: Start of the range.
        end: End of the range.
        newest: Numbers of the newest scene, transcript segment and journal entry to read.

    Raises:
        NotFound: There is no such stream.
    """
    stream = stream_rows.get(conn, stream_id)
    scene, segment, entry = newest
    changes = rows.state_changes(conn, stream_id, start, end, entry)
    lost = interruptions(stream_id, changes, start, end)
    found = StreamResults(stream_id, stream.name, _has(stream, "video") is not False, _no_facts(stream))
    indexes = index_rows.of_stream(conn, stream_id)
    failures: dict[str, list[TimedText]] = {}
    for index in indexes:
        if index.extraction_type is ExtractionType.TIME and "scenes" in channels:
            lane = ScreenLane(stream_id, index.id, start, end, shorten)
            for window in rows.scene_windows(conn, index.id, start, end, scene):
                lane.add(window)
            found.screens.append(lane.finish())
            found.covered += lane.covered
            failures[index.id] = lane.failures
        elif index.extraction_type is ExtractionType.TRANSCRIPT and "audio" in channels:
            found.others.append(_summaries(conn, stream_id, index.id, start, end, scene))
    if "transcript" in channels:
        found.turns = _turns(conn, stream_id, start, end, segment)
    if "alerts" in channels:
        by_alert: defaultdict[str, list[Firing]] = defaultdict(list)
        for firing in rows.fired(conn, stream_id, start, end, entry):
            by_alert[firing.alert_id].append(firing)
        found.others += [firings(own) for own in by_alert.values()]
    if "health" in channels:
        found.others.append(lost)
    found.facts = _facts(conn, stream, start, end, lost, indexes, failures)
    return found


def _summaries(
    conn: Connection, stream_id: str, index_id: str, start: float, end: float, until: int
) -> list[TimelineItem]:
    items: list[TimelineItem] = []
    for number, text, described in rows.summaries(conn, index_id, start, end, until):
        if described:
            items = summaries(stream_id, index_id, [(number, text)], items)
            if len(items) >= MAX_SUMMARIES:
                items = shorten(items)
    return items


def _turns(conn: Connection, stream_id: str, start: float, end: float, until: int) -> list[list[TimelineItem]]:
    lanes: dict[str, SpeechLane] = {}
    for number, text, engine, is_speech, speaker in rows.speech(conn, stream_id, start, end, until):
        if is_speech and text.text.strip():
            lanes.setdefault(engine, SpeechLane(stream_id, engine, shorten)).add(number, text, speaker)
    return [lane.finish() for lane in lanes.values()]


def _has(stream: StreamRow, kind: str) -> bool | None:
    """Return whether a source has a kind of track, or None if that is not known."""
    if kind == "audio" and not stream.audio:
        return False
    return None if not stream.media else bool(stream.media.get(f"{kind}_codec"))


def _no_facts(stream: StreamRow) -> StreamFacts:
    return StreamFacts(stream.created_at, stream.desired is DesiredState.RUNNING, stream.store)


def _facts(
    conn: Connection,
    stream: StreamRow,
    start: float,
    end: float,
    lost: Sequence[TimelineItem],
    indexes: Sequence[IndexRow],
    failures: dict[str, list[TimedText]],
) -> StreamFacts:
    return StreamFacts(
        created_at=stream.created_at,
        running=stream.desired is DesiredState.RUNNING,
        stored=stream.store,
        has_video=_has(stream, "video"),
        has_audio=_has(stream, "audio"),
        recorded=rows.recorded_ranges(conn, stream.id, start, end, RECORDED_JOIN_S),
        lost=[(item.start, item.end, item.text) for item in lost],
        indexes=[
            _of_index(conn, index, failures.get(index.id, []), end)
            for index in indexes
            if index.extraction_type is ExtractionType.TIME
        ],
        transcripts=[
            AnalysisFacts(
                created_at=job.created_at,
                running=job.status is DesiredState.RUNNING,
                stopped_at=None if job.status is DesiredState.RUNNING else job.updated_at,
                gaps=_gaps(gap_rows.of_transcript(conn, stream.id, job.engine), end),
            )
            for job in transcript_rows.jobs(conn, stream.id)
        ],
    )


def _of_index(conn: Connection, index: IndexRow, failures: Sequence[TimedText], end: float) -> AnalysisFacts:
    counters = index.counters or {}
    skipped = {reason: int(counters.get(f"skipped_{reason}", 0)) for reason in SkipReason}
    skipped[SkipReason.BUDGET_SPENT] = int(counters.get("capped", 0))
    return AnalysisFacts(
        created_at=index.created_at,
        running=index.status in (AnalysisState.RUNNING, AnalysisState.PAUSED),
        reason=index.status_reason,
        gaps=_gaps(gap_rows.of_index(conn, index.id), end),
        skipped={reason: count for reason, count in skipped.items() if count},
        failures=list(failures[:MAX_FAILURES]),
    )


def _gaps(found: Sequence[gap_rows.GapRow], end: float) -> list[tuple[float, float, GapReason]]:
    return [(gap.start, end if gap.end is None else gap.end, gap.reason) for gap in found if not gap.analysed]
