"""The progress and the report of a backfill follow from its counters and the gaps that are left."""

from __future__ import annotations

import time
from typing import Any

import pytest

from rtstream.engine.backfill import progress
from rtstream.states import GapReason
from rtstream.store.backfills import BackfillRow
from rtstream.store.gaps import GapRow


def row(**counters: float) -> BackfillRow:
    return BackfillRow("job-1", "rts-1", "idx", "local", None, 0.0, 100.0, counters, None, 0.0)


def gap(start: float, end: float | None, reached: float, *, speech: bool = False, analysed: bool = False) -> GapRow:
    index_id = None if speech else "idx"
    rest: tuple[Any, ...] = (GapReason.REQUESTED, 0, analysed, 0.0, None, None)
    return GapRow(1, "rts-1", index_id, "", start, end, reached, *rest)


def test_the_percentage_is_the_share_of_seconds_that_are_done() -> None:
    gaps = [gap(0.0, 100.0, 25.0), gap(0.0, 100.0, 100.0, speech=True, analysed=True)]
    assert progress.percentage(row(span_s=100.0, speech_s=100.0), gaps) == 62.5
    assert progress.percentage(row(span_s=100.0), []) == 100.0
    assert progress.percentage(row(), [gap(0.0, 10.0, 0.0)]) == 0.0
    assert progress.percentage(row(), []) == 100.0


def test_a_gap_that_has_not_ended_reaches_to_the_present() -> None:
    assert progress.left_s([gap(0.0, None, time.time() - 10)]) == pytest.approx(10, abs=2)


def test_a_backfill_has_begun_once_a_gap_has_and_is_done_once_all_are() -> None:
    waiting, begun, done = gap(0.0, 9.0, 0.0), gap(0.0, 9.0, 1.0), gap(0.0, 9.0, 9.0, analysed=True)
    known = row(gaps=2)
    assert not progress.has_begun(known, [waiting, waiting])
    assert progress.has_begun(known, [waiting, begun])
    assert progress.has_begun(known, [waiting])  # the other one was removed
    assert not progress.is_done([done, begun])
    assert progress.is_done([done])
    assert progress.is_done([])


def test_the_report_counts_each_reason() -> None:
    counters = {"done": 3, "failed": 1, "known": 2, "calls": 4, "tokens_in": 9, "tokens_out": 8, "capped": 5}
    counted = row(speech_s=100.0, left_s_cancelled=20.0, skipped_cancelled=7, not_recorded_s=12.34, **counters)
    report = progress.reported(counted, [gap(0.0, 50.0, 20.0, speech=True)], "no key", "it waits")
    assert (report.done, report.failed, report.known, report.failure, report.note) == (3, 1, 2, "no key", "it waits")
    assert report.skipped == {"cancelled": 7, "budget_spent": 5}
    assert (report.transcribed_s, report.skipped_s, report.not_recorded_s) == (50.0, {"cancelled": 20.0}, 12.3)
    assert (report.model_calls, report.tokens_in, report.tokens_out, report.engine) == (4, 9, 8, "local")
