"""Queries on gaps: ranges that were recorded and not analysed live."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, case, delete, false, func, not_, select, update

from rtstream.rules.gaps import SET_BACK_S, joins
from rtstream.rules.speech_clock import CUT_S
from rtstream.states import GapReason, SceneStatus
from rtstream.store.gap_tables import gaps
from rtstream.store.recording_clock import around_step, last_step
from rtstream.store.rows import RowReader
from rtstream.store.tables import scene_indexes, scenes

LONGEST_BATCH_S = 3600.0
"""Longest scene of an audio index in seconds."""


@dataclass(frozen=True, slots=True)
class GapRow:
    """A stored gap. ``end`` is None until live analysis has begun again."""

    id: int
    stream_id: str
    index_id: str | None
    engine: str
    start: float
    end: float | None
    reached: float
    reason: GapReason
    dropped: int
    analysed: bool
    created_at: float
    after_scene: int | None
    after_media: float | None
    backfill_id: str | None = None

    @property
    def requested(self) -> bool:
        """Whether a user asked for its analysis. All other gaps are those of the engine."""
        return self.reason is GapReason.REQUESTED


GAPS = RowReader(GapRow, gaps)
"""Reads gaps, also in queries of other modules of the store."""
_OPEN = gaps.c.analysed.is_(False)


def insert(
    conn: Connection,
    *,
    stream_id: str,
    start: float,
    end: float | None,
    reason: GapReason,
    now: float,
    index_id: str | None = None,
    engine: str = "",
    dropped: int = 0,
    after_media: float | None = None,
    backfill_id: str | None = None,
) -> int:
    """Add a gap. Returns its id.

    By default, ``after_media`` is the last step of the clock, back in time, that is in the footage. In the gap of a
    backfill, scenes from before and after all steps count.
    """
    values = {
        "stream_id": stream_id,
        "index_id": index_id,
        "engine": engine,
        "start": start,
        "end": end,
        "reached": start,
        "reason": reason,
        "dropped": dropped,
        "analysed": False,
        "created_at": now,
        "after_scene": None if backfill_id else _after_scene(conn, index_id),
        "after_media": last_step(conn, stream_id) if after_media is None else after_media,
        "backfill_id": backfill_id,
    }
    key = conn.execute(gaps.insert().values(**values)).inserted_primary_key
    return int(key[0])  # pyright: ignore[reportOptionalSubscript]


def begin(
    conn: Connection, stream_id: str, index_id: str | None, engine: str, start: float, reason: GapReason, now: float
) -> None:
    """Add a gap whose end is not known yet, unless there is one that has not ended.

    If ``start`` is in the future, the clock was set back while no engine ran. A gap then ends with the footage from
    before that, and another one begins with the footage since then.
    """
    if open_gap(conn, stream_id, index_id, engine) is not None:
        return
    owner = {"stream_id": stream_id, "index_id": index_id, "engine": engine}
    if start > now + SET_BACK_S:
        step = around_step(conn, stream_id, start)
        if step.until > start:
            before = last_step(conn, stream_id, step.media)
            insert(conn, start=start, end=step.until, reason=reason, now=now, after_media=before, **owner)
        start = step.begins(now)
        if index_id is not None:
            note_set_back(conn, index_id, start)
        insert(conn, start=start, end=None, reason=reason, now=now, after_media=step.media, **owner)
    else:
        insert(conn, start=start, end=None, reason=reason, now=now, **owner)


def open_gap(conn: Connection, stream_id: str, index_id: str | None, engine: str = "") -> GapRow | None:
    """Return the gap of an index or a transcript that has not ended, if there is one."""
    return GAPS.first(conn, GAPS.select().where(*_owner(stream_id, index_id, engine), gaps.c.end.is_(None)))


def finish_open(conn: Connection, stream_id: str, index_id: str | None, engine: str, end: float) -> None:
    """Set the end of a gap that has not ended. One that would be empty is removed.

    If the clock was set back meanwhile, the gap ends with the footage from before that, and another one begins with the
    footage since then.
    """
    gap = open_gap(conn, stream_id, index_id, engine)
    if gap is None:
        return
    if end < gap.start - SET_BACK_S:
        step = around_step(conn, stream_id, gap.start)
        if index_id is not None:
            note_set_back(conn, index_id, step.begins(end))
        if step.begins(end) < end:
            insert(
                conn,
                stream_id=stream_id,
                index_id=index_id,
                engine=engine,
                start=step.begins(end),
                end=end,
                reason=gap.reason,
                now=gap.created_at,
                after_media=step.media,
            )
        end, after_media = step.until, last_step(conn, stream_id, step.media)
    else:
        after_media = gap.after_media
    if end <= gap.start:
        remove(conn, [gap.id])
    else:
        conn.execute(update(gaps).where(gaps.c.id == gap.id).values(end=end, after_media=after_media))


def add_hole(conn: Connection, stream_id: str, index_id: str | None, engine: str, start: float, end: float) -> None:
    """Add a gap for footage that did not arrive live, from ``start`` to ``end``, between which the clock may be set.

    Nothing is added while there is a gap that has not ended.
    """
    if open_gap(conn, stream_id, index_id, engine) is None:
        owner = {"stream_id": stream_id, "index_id": index_id, "engine": engine}
        insert(conn, start=start, end=None, reason=GapReason.NOT_RECEIVED, now=end, **owner)
        finish_open(conn, stream_id, index_id, engine, end)


def add_missed_speech(conn: Connection, stream_id: str, index_id: str, start: float, end: float) -> None:
    """Do the same as ``add_hole`` for an audio index, or extend the gap that ends where the speech begins."""
    query = GAPS.select().where(
        *_owner(stream_id, index_id, ""),
        gaps.c.reason == GapReason.NOT_RECEIVED,
        gaps.c.analysed.is_(False),
        gaps.c.end.is_not(None),
    )
    found = GAPS.first(conn, query.order_by(gaps.c.id.desc()).limit(1))
    if found is not None and found.end is not None and found.start <= start <= end and start - found.end <= CUT_S:
        conn.execute(update(gaps).where(gaps.c.id == found.id).values(end=max(end, found.end)))
        return
    add_hole(conn, stream_id, index_id, "", start, end)


def add_skipped(
    conn: Connection, stream_id: str, engine: str, start: float, end: float, reason: GapReason, now: float
) -> None:
    """Add audio that a transcript skipped to the newest gap of the same reason if it continues that, else add a gap."""
    where = (*_owner(stream_id, None, engine), gaps.c.reason == reason, gaps.c.end.is_not(None), _OPEN)
    found = GAPS.first(conn, GAPS.select().where(*where).order_by(gaps.c.id.desc()).limit(1))
    if found is not None and found.end is not None and found.start <= start and abs(start - found.end) <= CUT_S:
        conn.execute(update(gaps).where(gaps.c.id == found.id).values(end=max(end, found.end)))
        return
    insert(conn, stream_id=stream_id, engine=engine, start=start, end=end, reason=reason, now=now)


def finish_until(
    conn: Connection, gap_id: int, end: float | None, before: Callable[[Connection, GapRow], bool]
) -> None:
    """Remove a gap of a transcript that is done up to ``end``, or store that if it has grown meanwhile.

    ``before`` is called with a gap that would be removed. If it returns True, alerts still have to evaluate the speech,
    and the gap stays until then.
    """
    found = get(conn, gap_id)
    if found is not None and found.end is not None and end is not None and found.end > end:
        reach(conn, gap_id, end)
    elif found is not None:
        if before(conn, found):
            finish(conn, gap_id)
        else:
            remove(conn, [gap_id])


@dataclass(frozen=True)
class DroppedWindows:
    """Windows of an index that were not looked at live. ``count`` of them lie in [start, end)."""

    stream_id: str
    index_id: str
    start: float
    end: float
    count: int
    reason: GapReason


def extend(conn: Connection, dropped: DroppedWindows, now: float) -> None:
    """Add windows that were not looked at live to the newest gap of the same reason nearby, else add a gap."""
    stream_id, index_id, start, end = dropped.stream_id, dropped.index_id, dropped.start, dropped.end
    query = GAPS.select().where(
        *_owner(stream_id, index_id, ""),
        gaps.c.reason == dropped.reason,
        gaps.c.analysed.is_(False),
        gaps.c.end.is_not(None),
    )
    found = GAPS.first(conn, query.order_by(gaps.c.id.desc()).limit(1))
    set_back = found is not None and (found.after_scene or 0) != (_after_scene(conn, index_id) or 0)
    if found is None or found.end is None or set_back or not joins(start, end, (found.start, found.end)):
        insert(
            conn,
            stream_id=stream_id,
            index_id=index_id,
            start=start,
            end=end,
            reason=dropped.reason,
            now=now,
            dropped=dropped.count,
        )
        return
    values = {
        "start": min(found.start, start),
        "end": max(found.end, end),
        "reached": min(found.reached, start),
        "dropped": found.dropped + dropped.count,
    }
    conn.execute(update(gaps).where(gaps.c.id == found.id).values(**values))


def get(conn: Connection, gap_id: int) -> GapRow | None:
    """Return a gap, or None if it is gone."""
    return GAPS.first(conn, GAPS.select().where(gaps.c.id == gap_id))


def of_index(conn: Connection, index_id: str) -> list[GapRow]:
    """Return the gaps of an index, oldest first."""
    return GAPS.all(conn, GAPS.select().where(gaps.c.index_id == index_id).order_by(gaps.c.start))


def of_transcript(conn: Connection, stream_id: str, engine: str) -> list[GapRow]:
    """Return the gaps of a transcript that are not transcribed yet."""
    return GAPS.all(conn, GAPS.select().where(*_owner(stream_id, None, engine), _OPEN))


def all_gaps(conn: Connection) -> list[GapRow]:
    """Return all gaps, oldest first."""
    return GAPS.all(conn, GAPS.select().order_by(gaps.c.start))


def of_speech(conn: Connection) -> list[GapRow]:
    """Return the engine's gaps of all transcripts that are not transcribed yet, oldest first."""
    query = GAPS.select().where(gaps.c.index_id.is_(None), gaps.c.reason != GapReason.REQUESTED, _OPEN)
    return GAPS.all(conn, query.order_by(gaps.c.start))


def to_analyse(conn: Connection) -> list[GapRow]:
    """Return all gaps that are not analysed yet, oldest first."""
    return GAPS.all(conn, GAPS.select().where(_OPEN).order_by(gaps.c.start))


def reach(conn: Connection, gap_id: int, at: float) -> None:
    """Store that everything in a gap before the Unix time ``at`` is done."""
    conn.execute(update(gaps).where(gaps.c.id == gap_id, gaps.c.reached < at).values(reached=at))


def skip(conn: Connection, gap_id: int, count: int, at: float) -> None:
    """Store that ``count`` windows of a gap were counted as skipped, and that everything before ``at`` is done."""
    left = case((gaps.c.dropped > count, gaps.c.dropped - count), else_=0)
    conn.execute(update(gaps).where(gaps.c.id == gap_id).values(dropped=left))
    reach(conn, gap_id, at)


def finish(conn: Connection, gap_id: int, *, until: float | None = None) -> None:
    """Store that a gap is analysed. Its row goes once alerts have evaluated its scenes.

    With ``until``, a gap that has grown beyond that Unix time meanwhile stays.
    """
    grown = false() if until is None else gaps.c.end > until
    conn.execute(update(gaps).where(gaps.c.id == gap_id, not_(grown)).values(analysed=True))


def remove(conn: Connection, gap_ids: Sequence[int]) -> None:
    """Remove gaps. Their scenes stay."""
    conn.execute(delete(gaps).where(gaps.c.id.in_(gap_ids)))


def looked_until(conn: Connection, index_id: str) -> float | None:
    """Return the end of the newest window that an index looked at live since the clock was last set back."""
    query = select(scenes.c.end).where(
        scenes.c.index_id == index_id,
        scenes.c.gap_id.is_(None),
        scenes.c.id > func.coalesce(select(scene_indexes.c.after_scene).where(_is(index_id)).scalar_subquery(), 0),
    )
    return conn.execute(query.order_by(scenes.c.start.desc()).limit(1)).scalar()


def looked_at(conn: Connection, index_id: str, start: float, end: float, after_scene: int | None) -> list[float]:
    """Return the starts of the windows in [start, end) that an index has looked at since the scene ``after_scene``."""
    query = select(scenes.c.start).where(
        scenes.c.index_id == index_id,
        scenes.c.start >= start - 1e-3,
        scenes.c.start < end,
        scenes.c.id > (after_scene or 0),
    )
    return list(conn.execute(query).scalars())


def described_at(conn: Connection, index_id: str, start: float, end: float) -> list[float]:
    """Return the starts of the windows in [start, end) that an index has described."""
    query = select(scenes.c.start).where(
        scenes.c.index_id == index_id,
        scenes.c.start >= start - 1e-3,
        scenes.c.start < end,
        scenes.c.status == SceneStatus.OK,
    )
    return list(conn.execute(query).scalars())


def remove_failures(conn: Connection, index_id: str, start: float, end: float) -> None:
    """Remove the scenes of an index in [start, end) whose description failed. They are described again."""
    conn.execute(
        delete(scenes).where(
            scenes.c.index_id == index_id,
            scenes.c.start >= start - 1e-3,
            scenes.c.start < end,
            scenes.c.status == SceneStatus.FAILED,
        )
    )


def scene_ranges(
    conn: Connection, index_id: str, start: float, end: float, after_scene: int | None, *, failed: bool = True
) -> list[tuple[float, float]]:
    """Return the ranges of the scenes of an index that overlap [start, end), since the scene ``after_scene``.

    A scene that lacks speech between its words has several ranges. They are sorted by their start. Scenes whose summary
    failed are included with ``failed``.
    """
    query = select(scenes.c.start, scenes.c.end, scenes.c.detail["parts"].label("parts")).where(
        scenes.c.index_id == index_id,
        scenes.c.start < end,
        scenes.c.start >= start - LONGEST_BATCH_S,
        scenes.c.end > start,
        scenes.c.id > (after_scene or 0),
    )
    if not failed:
        query = query.where(scenes.c.status == SceneStatus.OK)
    found: list[tuple[float, float]] = []
    for row in conn.execute(query):
        found += [(part[0], part[1]) for part in row.parts or [(row.start, row.end)]]
    return sorted(found)


def note_set_back(conn: Connection, index_id: str, at: float) -> None:
    """Store that the scenes of an index so far are from before the clock was set back, to the Unix time ``at``."""
    last = select(func.max(scenes.c.id)).where(scenes.c.index_id == index_id).scalar_subquery()
    conn.execute(update(scene_indexes).where(_is(index_id)).values(after_scene=last, looked_from=at))


def _is(index_id: str | None) -> ColumnElement[bool]:
    return scene_indexes.c.id == index_id


def _after_scene(conn: Connection, index_id: str | None) -> int | None:
    return conn.execute(select(scene_indexes.c.after_scene).where(_is(index_id))).scalar()


def count_scenes(conn: Connection, index_id: str, gap_id: int, start: float, end: float) -> int:
    """Return the number of scenes of a gap in [start, end)."""
    query = select(func.count()).where(
        scenes.c.index_id == index_id, scenes.c.gap_id == gap_id, scenes.c.start >= start - 1e-3, scenes.c.start < end
    )
    return conn.execute(query).scalar_one()


def waiting_s(conn: Connection, stream_id: str, engine: str, now: float) -> dict[str, float]:
    """Return the seconds of recorded audio that are still to be transcribed, by the reason of their gaps."""
    found: dict[str, float] = {}
    for gap in of_transcript(conn, stream_id, engine):
        seconds = (now if gap.end is None else gap.end) - gap.reached
        if seconds > 0:
            found[gap.reason] = round(found.get(gap.reason, 0.0) + seconds, 1)
    return found


def count_waiting(conn: Connection, index_id: str, length: float | None, now: float) -> int:
    """Return about how many windows of an index wait to be looked at. ``length`` is that of a window in seconds."""
    waiting = 0
    for gap in of_index(conn, index_id):
        end = now if gap.end is None else gap.end
        if gap.dropped:
            waiting += max(0, gap.dropped - count_scenes(conn, index_id, gap.id, gap.start, end))
        elif length:
            waiting += max(0, round((end - gap.reached) / length))
    return waiting


def _owner(stream_id: str, index_id: str | None, engine: str) -> tuple[ColumnElement[bool], ...]:
    index = gaps.c.index_id.is_(None) if index_id is None else gaps.c.index_id == index_id
    return gaps.c.stream_id == stream_id, index, gaps.c.engine == engine
