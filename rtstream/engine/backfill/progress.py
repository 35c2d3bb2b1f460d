"""Computes the progress and the report of a backfill from its stored counters and gaps."""

from __future__ import annotations

import time
from collections.abc import Sequence

from rtstream.models import BackfillReport
from rtstream.states import SkipReason
from rtstream.store.backfills import BackfillRow
from rtstream.store.gaps import GapRow

SPAN_S, SPEECH_S, LEFT_S = "span_s", "speech_s", "left_s_"
"""Counters: seconds of the gaps of an index and of a transcript at first, and those that were given up, by reason."""


def left_s(gaps: Sequence[GapRow], *, speech: bool | None = None) -> float:
    """Return the seconds of gaps that are still to be analysed: of speech, of an index, or by default of both."""
    now = time.time()
    return sum(
        max(0.0, (now if gap.end is None else gap.end) - gap.reached)
        for gap in gaps
        if not gap.analysed and (speech is None or (gap.index_id is None) == speech)
    )


def is_done(gaps: Sequence[GapRow]) -> bool:
    """Return whether nothing is left of a backfill."""
    return all(gap.analysed for gap in gaps)


def has_begun(row: BackfillRow, gaps: Sequence[GapRow]) -> bool:
    """Return whether a part of a backfill was analysed."""
    whole = sum(1 for gap in gaps if not gap.analysed and gap.reached <= gap.start)
    return whole < row.counters.get("gaps", 0)


def percentage(row: BackfillRow, gaps: Sequence[GapRow]) -> float:
    """Return the share of a backfill that is done, 0 to 100."""
    left = left_s(gaps)
    total = max(left, row.counters.get(SPAN_S, 0.0) + row.counters.get(SPEECH_S, 0.0))
    return round(100.0 * (1.0 - left / total), 1) if total else 100.0


def reported(row: BackfillRow, gaps: Sequence[GapRow], failure: str, note: str) -> BackfillReport:
    """Return the report of a backfill.

    Args:
        row: The backfill.
        gaps: Its gaps.
        failure: Reason for which its last window failed.
        note: Reason for which it waits.
    """
    counters = row.counters
    lost = {reason: counters.get(f"{LEFT_S}{reason}", 0.0) for reason in SkipReason}
    skipped_s = {reason.value: round(seconds, 1) for reason, seconds in lost.items() if seconds}
    heard_s = counters.get(SPEECH_S, 0.0) - left_s(gaps, speech=True) - sum(lost.values())
    skipped = {reason.value: int(counters.get(f"skipped_{reason}", 0)) for reason in SkipReason}
    skipped[SkipReason.BUDGET_SPENT] = int(counters.get("capped", 0))
    return BackfillReport(
        rtstream_id=row.stream_id,
        rtstream_index_id=row.index_id,
        engine=row.engine or None,
        start=row.start,
        end=row.end,
        done=int(counters.get("done", 0)),
        failed=int(counters.get("failed", 0)),
        failure=failure,
        known=int(counters.get("known", 0)),
        skipped={reason: count for reason, count in skipped.items() if count},
        transcribed_s=round(max(0.0, heard_s), 1) if row.engine else 0.0,
        skipped_s=skipped_s,
        not_recorded_s=round(counters.get("not_recorded_s", 0.0), 1),
        model_calls=int(counters.get("calls", 0)),
        tokens_in=int(counters.get("tokens_in", 0)),
        tokens_out=int(counters.get("tokens_out", 0)),
        note=note,
    )
