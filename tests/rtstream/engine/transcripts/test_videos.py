"""The speech of a video is transcribed faster than it plays, can be searched, and is deleted with the video."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import numpy as np
import pytest

from rtstream.engine.jobs import Job, Jobs
from rtstream.engine.journal import Journal
from rtstream.engine.search.service import SearchService
from rtstream.engine.search.videos import VideoSearchService
from rtstream.engine.transcripts.videos import VideoTranscriptService
from rtstream.errors import InvalidRequest, NotFound
from rtstream.extract.audio import RATE, extract_audio
from rtstream.extract.export import VIDEO_FILE
from rtstream.perception.protocols import SpeechProvider
from rtstream.perception.speech.local import LocalSpeech
from rtstream.storage.folder import FolderStorage
from rtstream.store import streams as stream_rows
from rtstream.store import videos as video_rows
from rtstream.store.database import Database
from rtstream.store.queue import WriteQueue
from tests.sources import FILES, key_of

if TYPE_CHECKING:
    from rtstream.testsource import ClipSpec

pytestmark = pytest.mark.anyio

SECONDS = 20


@dataclass
class Said:
    """The rooms that hear and search videos, on a folder of their own."""

    db: Database
    search: SearchService
    transcripts: VideoTranscriptService
    videos: VideoSearchService
    folder: Path

    async def add(self, clip: Path, video_id: str, collection: str = "default") -> None:
        (self.folder / video_id).mkdir()
        shutil.copy(clip, self.folder / video_id / VIDEO_FILE)
        await self.db.write(
            lambda conn: video_rows.insert(
                conn,
                id=video_id,
                collection_id=collection,
                stream_id="rts-1",
                name=f"name of {video_id}",
                path=video_id,
                start=1_700_000_000.0,
                duration=float(SECONDS),
                detail={},
                created_at=0.0,
            )
        )

    async def index(self, video_id: str, **how: Any) -> Job:
        job = await self.transcripts.start(video_id, **how)
        await job.wait(120)
        return job


@pytest.fixture
async def said(tmp_path: Path) -> AsyncIterator[Said]:
    db, folder = Database.below(tmp_path), tmp_path / "videos"
    folder.mkdir()
    await db.write(stream_rows.ensure_default_collection, 0.0)
    speech: dict[str, SpeechProvider] = {"local": LocalSpeech()}
    async with anyio.create_task_group() as tasks:
        journal, queue = Journal(db), WriteQueue(db)
        tasks.start_soon(queue.run)
        search = SearchService(db, journal)
        search.start(tasks)
        transcripts = VideoTranscriptService(
            db, Jobs(tasks, db, queue, journal), search, speech.__getitem__, "local", None, FolderStorage(folder)
        )
        yield Said(db, search, transcripts, VideoSearchService(db, search), folder)
        tasks.cancel_scope.cancel()
    await speech["local"].aclose()
    await db.aclose()


@pytest.fixture(scope="module")
def reading(clip_of: Callable[[ClipSpec], Path]) -> Path:
    """Twenty seconds of a human reading the beginning of A Tale of Two Cities."""
    pytest.importorskip("moonshine_voice", reason="hearing needs the extra 'local'")
    from rtstream.testsource import ClipSpec

    return clip_of(ClipSpec(width=160, height=90, fps=5, gop=10, seconds=SECONDS, bitrate=50_000, voice="reading"))


async def test_a_video_is_heard_faster_than_it_plays_and_every_word_has_its_time(said: Said, reading: Path) -> None:
    await said.add(reading, "m-1")
    with pytest.raises(InvalidRequest, match="index_spoken_words"):
        await said.transcripts.get("m-1")
    with pytest.raises(InvalidRequest, match="not indexed"):
        await said.videos.search_video("m-1", "wisdom")
    began = time.monotonic()
    job = await said.index("m-1")
    assert (job.state, job.result, job.percentage) == ("done", "m-1", 100.0)
    assert time.monotonic() - began < 3 * SECONDS  # a busy machine, and the engine's own start

    words = (await said.transcripts.get("m-1")).word_timestamps
    text = " ".join(word.text for word in words).lower()
    for phrase in ("best of times", "worst of times", "age of wisdom"):
        assert phrase in text
    assert all(0 <= word.start <= word.end <= SECONDS + 0.5 for word in words)
    assert [word.start for word in words] == sorted(word.start for word in words)
    assert all(word.text == word.word and " " not in word.text for word in words)

    sentences = (await said.transcripts.get("m-1", segmenter="sentence")).word_timestamps
    assert 0 < len(sentences) < len(words)
    by_time = (await said.transcripts.get("m-1", segmenter="time", length=5)).word_timestamps
    assert all(piece.end - piece.start <= 7 for piece in by_time)
    assert " ".join(piece.text for piece in by_time).lower() == text
    middle = await said.transcripts.get("m-1", start=words[3].start, end=words[5].end)
    assert [word.text for word in middle.word_timestamps][:1] == [words[3].text]
    assert middle.text.split()[-1] in (words[5].text, words[6].text)

    # The time of a word is right, because the audio around the hit is that of these words.
    [hits] = await said.videos.search_video("m-1", "the age of wisdom")
    assert (hits.video_id, hits.collection_id, hits.title, hits.length) == (
        "m-1",
        "default",
        "name of m-1",
        SECONDS,
    )
    assert "wisdom" in hits.docs[0].text.lower()
    wisdom = next(word for word in words if word.text.lower().startswith("wisdom"))
    assert hits.docs[0].start <= wisdom.start < wisdom.end <= hits.docs[0].end


async def test_videos_that_say_nothing_or_cannot_be_heard_say_so(
    said: Said, clip_of: Callable[[ClipSpec], Path], tmp_path: Path, reading: Path
) -> None:
    from rtstream.testsource import ClipSpec

    small: dict[str, Any] = {"width": 160, "height": 90, "fps": 5, "gop": 10, "seconds": 5, "bitrate": 50_000}
    for video_id, spec, words in (
        ("m-mute", ClipSpec(**small, audio=False), "no audio"),
        ("m-tones", ClipSpec(**small, voice="tones"), "No results found"),
    ):
        await said.add(clip_of(spec), video_id)
        assert (await said.index(video_id)).state == "done"
        assert (await said.transcripts.get(video_id)).word_timestamps == []
        with pytest.raises(InvalidRequest, match="No results found") as nothing:
            await said.videos.search_video(video_id, "anything")
        assert words in nothing.value.message
    broken = tmp_path / "broken.mp4"
    await anyio.Path(broken).write_bytes(await anyio.Path(reading).read_bytes())
    os.truncate(broken, 1000)
    await said.add(broken, "m-broken")
    job = await said.index("m-broken")
    assert job.state == "failed"
    assert "cannot be read" in str(job.error)
    with pytest.raises(NotFound):
        await said.transcripts.start("m-nothing")
    with pytest.raises(InvalidRequest, match="English"):
        await said.transcripts.start("m-broken", language="de_de")


def test_pieces_of_a_files_sound_join_without_a_seam(reading: Path) -> None:
    whole = np.frombuffer(extract_audio(FILES, key_of(reading), 0, 6), np.int16).astype(float)
    assert len(whole) == 6 * RATE
    joined = np.concatenate(
        [np.frombuffer(extract_audio(FILES, key_of(reading), n, 1), np.int16) for n in range(6)]
    ).astype(float)
    # Less than a sample apart, as the two begin to resample at different places.
    assert np.corrcoef(whole, joined)[0, 1] > 0.95
    assert all(
        joined[n * RATE - 40 : n * RATE + 40].any() for n in range(1, 6) if whole[n * RATE - 40 : n * RATE].any()
    )
    beyond = np.frombuffer(extract_audio(FILES, key_of(reading), SECONDS + 5, 1), np.int16)
    assert len(beyond) == RATE
    assert not beyond.any()
