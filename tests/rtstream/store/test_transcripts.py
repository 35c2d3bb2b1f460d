"""Queries on transcripts: their jobs, their progress and their segments."""

from __future__ import annotations

from sqlalchemy import Connection

from rtstream.models import Page
from rtstream.store import transcripts


def say(conn: Connection, start: float, engine: str = "local", *, late: bool = False) -> int:
    times = {"start": start, "end": start + 2, "created_at": start}
    detail = {"late": True} if late else {}
    return transcripts.add(conn, stream_id="rts-1", engine=engine, text="x", kind="speech", detail=detail, **times)


def test_a_job_that_runs_is_not_started_again_except_in_another_language(conn: Connection) -> None:
    for language, at in (("en", 1.0), ("en", 2.0), ("de", 3.0)):
        transcripts.start_job(conn, "rts-1", "local", language, at)
        job = transcripts.job(conn, "rts-1", "local")
        assert job is not None
        assert (job.status, job.language, job.created_at) == ("running", language, 3.0 if language == "de" else 1.0)
    transcripts.stop_job(conn, "rts-1", "local", 4.0)
    assert [(job.status, job.updated_at) for job in transcripts.jobs(conn)] == [("stopped", 4.0)]
    assert transcripts.job(conn, "rts-1", "other") is None
    assert transcripts.jobs(conn, "rts-2") == []


def test_a_transcript_is_complete_up_to_the_noted_time_or_its_newest_live_segment(conn: Connection) -> None:
    assert transcripts.heard_until(conn, "rts-1", "local") is None
    say(conn, 500.0)  # from before the clock was set back
    for until in (10.0, 20.0):
        transcripts.note_heard(conn, "rts-1", "local", 0.0, until)
    assert transcripts.heard_until(conn, "rts-1", "local") == 20.0
    say(conn, 30.0)
    say(conn, 40.0, late=True)
    assert transcripts.heard_until(conn, "rts-1", "local") == 32.0
    transcripts.forget_heard(conn, "rts-1", "local")
    assert transcripts.heard_until(conn, "rts-1", "local") is None


def test_segments_are_read_by_page_range_and_engine(conn: Connection) -> None:
    for start in (30.0, 10.0, 20.0):
        say(conn, start)
    say(conn, 10.0, "other")

    def read(engine: str | None = "local", page: int = 1, **where: float) -> tuple[list[float], int]:
        limits = {"start": None, "end": None, "since": None} | where
        rows, total = transcripts.list_segments(conn, "rts-1", engine, page=Page(page=page, page_size=2), **limits)
        return [row.start for row in rows], total

    assert read() == ([10.0, 20.0], 3)
    assert read(page=2) == ([30.0], 3)
    assert read(start=12.0, end=30.0) == ([20.0], 1)
    assert read(since=22.0) == ([30.0], 1)
    assert read(None) == ([10.0, 10.0], 4)
