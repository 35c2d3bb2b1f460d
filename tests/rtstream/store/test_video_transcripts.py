"""Queries on the transcripts of exported videos."""

from __future__ import annotations

from sqlalchemy import Connection

from rtstream.json_types import JsonObject
from rtstream.store import video_transcripts, videos


def sentence(start: float, text: str) -> JsonObject:
    words = [{"word": text, "start": start, "end": start + 1}]
    return {"start": start, "end": start + 1, "text": text, "words": words}


def replace(conn: Connection, video_id: str, *sentences: JsonObject) -> bool:
    facts = {"engine": "local", "language": None, "sound": True, "created_at": 1.0}
    return video_transcripts.replace(conn, video_id, sentences, **facts)


def test_a_new_transcript_replaces_the_old_one_and_goes_with_its_video(conn: Connection) -> None:
    facts = {"stream_id": None, "name": "x", "path": "p", "start": 0.0, "duration": 9.0, "created_at": 0.0}
    videos.insert(conn, id="m-1", collection_id="default", detail={}, **facts)
    assert replace(conn, "m-1", sentence(0.0, "old"))
    assert replace(conn, "m-1", sentence(5.0, "second"), sentence(1.0, "first"))
    assert [words[0]["word"] for words in video_transcripts.sentences(conn, "m-1")] == ["first", "second"]
    assert (
        set(video_transcripts.transcribed(conn)) == set(video_transcripts.transcribed(conn, ["m-1", "m-2"])) == {"m-1"}
    )
    assert video_transcripts.transcribed(conn, ["m-2"]) == {}
    videos.delete_video(conn, "m-1")
    assert video_transcripts.transcribed(conn) == {}
    assert video_transcripts.sentences(conn, "m-1") == []


def test_the_transcript_of_a_video_that_was_deleted_meanwhile_is_not_stored(conn: Connection) -> None:
    assert not replace(conn, "m-gone", sentence(0.0, "x"))
    assert video_transcripts.transcribed(conn) == {}


FACTS = {"stream_id": None, "name": "x", "path": "p", "start": 0.0, "duration": 9.0, "created_at": 0.0}


def test_an_interrupted_transcription_continues_with_the_same_engine_and_language_only(conn: Connection) -> None:
    videos.insert(conn, id="m-1", collection_id="default", detail={}, **FACTS)

    def begin(job_id: str, language: str | None = None, engine: str = "local") -> list[str]:
        found = video_transcripts.continue_or_begin(conn, "m-1", engine=engine, language=language, job_id=job_id)
        return [row.text for row in found]

    assert begin("job-1") == []
    assert video_transcripts.add_utterances(conn, "m-1", [sentence(0.0, "one"), sentence(2.0, "two")])
    assert video_transcripts.add_utterances(conn, "m-1", [])
    assert [(row.video_id, row.job_id) for row in video_transcripts.wanted(conn)] == [("m-1", "job-1")]
    video_transcripts.set_unwanted(conn, "m-1")
    assert video_transcripts.wanted(conn) == []
    assert video_transcripts.is_unfinished(conn, "m-1")
    assert begin("job-2") == ["one", "two"]
    assert [row.job_id for row in video_transcripts.wanted(conn)] == ["job-2"]
    assert begin("job-3", language="en") == []
    assert begin("job-4", engine="other", language="en") == []


def test_a_draft_ends_with_its_transcript_or_its_video(conn: Connection) -> None:
    videos.insert(conn, id="m-1", collection_id="default", detail={}, **FACTS)
    about = {"engine": "local", "language": None, "job_id": "job-1"}
    video_transcripts.continue_or_begin(conn, "m-1", **about)
    video_transcripts.add_utterances(conn, "m-1", [sentence(0.0, "one")])
    assert replace(conn, "m-1", sentence(0.0, "one"))
    assert not video_transcripts.is_unfinished(conn, "m-1")
    assert video_transcripts.continue_or_begin(conn, "m-1", **about) == []
    videos.delete_video(conn, "m-1")
    assert not video_transcripts.add_utterances(conn, "m-1", [sentence(0.0, "one")])
