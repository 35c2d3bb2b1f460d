"""A transcription of a video continues where it was cancelled, failed or interrupted, and never fails for slowness."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from rtstream.config import EngineConfig
from rtstream.engine.engine import Engine
from rtstream.engine.transcripts import videos as module
from rtstream.extract.audio import RATE
from rtstream.extract.export import VIDEO_FILE
from rtstream.perception.protocols import ProviderError, Utterance
from rtstream.store import videos as video_rows
from tests.waiting import eventually

if TYPE_CHECKING:
    from rtstream.testsource import ClipSpec

pytestmark = pytest.mark.anyio

SECONDS = 20


@dataclass
class Script:
    """A speech engine that hears one word per second, and stands still or fails where a test wants it to."""

    name: str = "script"
    fed: list[float] = field(default_factory=list)
    """Length in seconds of the audio of each session."""
    stop_after: float | None = None
    """Seconds of a session after which it stands still."""
    fail_after: float | None = None
    stopped: anyio.Event = field(default_factory=anyio.Event)

    def ready(self, language: str | None = None) -> None: ...

    async def open(self, *, language: str | None = None) -> ScriptSession:
        self.fed.append(0.0)
        return ScriptSession(self)

    async def aclose(self) -> None: ...


class ScriptSession:
    def __init__(self, script: Script) -> None:
        self._script = script
        self._send, self._receive = anyio.create_memory_object_stream[Utterance](1000)

    async def feed(self, samples: bytes) -> None:
        script = self._script
        for _ in range(len(samples) // 2 // RATE):
            if script.fail_after is not None and script.fed[-1] >= script.fail_after:
                raise ProviderError("The speech engine crashed.")
            if script.stop_after is not None and script.fed[-1] >= script.stop_after:
                script.stopped.set()
                await anyio.sleep_forever()
            at = script.fed[-1]
            words = [{"word": "word", "start": at + 0.1, "end": at + 1.0}]
            await self._send.send(Utterance(at + 0.1, at + 1.0, f"{len(script.fed)}", is_final=True, words=words))
            script.fed[-1] += 1.0

    async def utterances(self) -> AsyncIterator[Utterance]:
        async with self._receive:
            async for utterance in self._receive:
                yield utterance

    async def finish(self) -> None:
        self._send.close()

    async def aclose(self) -> None:
        self._send.close()
        self._receive.close()


@pytest.fixture
def script() -> Script:
    return Script()


@pytest.fixture
def start(tmp_path: Path, script: Script, clip_of: Callable[[ClipSpec], Path]) -> Callable[[], Any]:
    """Starts an engine on a folder with one video, with the script as its speech engine."""
    from rtstream.testsource import ClipSpec

    spec = ClipSpec(width=160, height=90, fps=5, gop=10, seconds=SECONDS, bitrate=50_000, voice="tones")
    folder = tmp_path / "videos" / "m-1"
    folder.mkdir(parents=True)
    shutil.copy(clip_of(spec), folder / VIDEO_FILE)
    about = {"stream_id": None, "name": "Party", "path": "m-1", "start": 0.0, "duration": float(SECONDS)}

    class Scripted(Engine):
        async def _open_models(self, stack: Any) -> None:
            await super()._open_models(stack)
            self.model_calls.speech = lambda name: script  # pyright: ignore[reportAttributeAccessIssue]
            exists = await self.db.read(video_rows.ids)
            if not exists:
                await self.db.write(
                    lambda conn: video_rows.insert(
                        conn, id="m-1", collection_id="default", detail={}, created_at=0.0, **about
                    )
                )

    return lambda: Scripted(EngineConfig(data_dir=tmp_path, local_vision=False, embedding_model="none", min_free_gb=0))


async def words(engine: Engine) -> list[tuple[str, float]]:
    """The words of the transcript, each as the number of the session that heard it, and their times."""
    return [(word.text, round(word.start, 1)) for word in (await engine.video_transcripts.get("m-1")).word_timestamps]


def expected(first: int) -> list[tuple[str, float]]:
    """``first`` words of the first session, and the rest of the second."""
    return [("1" if second < first else "2", second + 0.1) for second in range(SECONDS)]


async def test_a_cancelled_transcription_continues_when_it_is_started_again(
    start: Callable[[], Any], script: Script
) -> None:
    script.stop_after = 7.0
    async with start() as engine:
        job = await engine.video_transcripts.start("m-1")
        await script.stopped.wait()
        await eventually(lambda: job.percentage, lambda done: done > 0)
        assert (await engine.jobs.cancel(job.id)).state == "cancelled"
        script.stop_after = None
        again = await engine.video_transcripts.start("m-1", force=True)
        await again.wait(10)
        assert again.state == "done", again.error
        assert await words(engine) == expected(7)
        assert script.fed == [7.0, 13.0]
        # It is finished: once more begins at the start.
        forced = await engine.video_transcripts.start("m-1", force=True)
        await forced.wait(10)
        assert script.fed[-1] == SECONDS


async def test_a_failed_transcription_says_so_and_continues(start: Callable[[], Any], script: Script) -> None:
    script.fail_after = 12.0
    async with start() as engine:
        job = await engine.video_transcripts.start("m-1")
        await job.wait(10)
        assert job.state == "failed"
        assert "crashed" in str(job.error)
        assert "continues where it stopped" in str(job.error)
        script.fail_after = None
        again = await engine.video_transcripts.start("m-1")
        await again.wait(10)
        assert script.fed[1] < SECONDS  # words that were heard but not read yet are heard again
        assert await words(engine) == expected(SECONDS - round(script.fed[1]))


async def test_an_engine_continues_what_its_predecessor_began_under_the_same_id(
    start: Callable[[], Any], script: Script
) -> None:
    script.stop_after = 7.0
    async with start() as engine:
        job = await engine.video_transcripts.start("m-1")
        await script.stopped.wait()
    script.stop_after = None
    async with start() as engine:
        continued = engine.jobs.get(job.id)
        await continued.wait(10)
        assert continued.state == "done", continued.error
        assert await words(engine) == expected(7)
    async with start() as engine:
        assert engine.jobs.list(10) == []


async def test_a_cancelled_transcription_does_not_continue_by_itself(start: Callable[[], Any], script: Script) -> None:
    script.stop_after = 7.0
    async with start() as engine:
        job = await engine.video_transcripts.start("m-1")
        await script.stopped.wait()
        await engine.jobs.cancel(job.id)
    async with start() as engine:
        assert engine.jobs.list(10) == []


async def test_only_an_engine_that_stands_still_fails(
    start: Callable[[], Any], script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SILENT_S", 0.5)
    script.stop_after = 7.0
    async with start() as engine:
        job = await engine.video_transcripts.start("m-1")
        await job.wait(10)
        assert "stopped responding" in str(job.error)
        assert await engine.db.read(module.rows.is_unfinished, "m-1")


async def test_a_video_that_is_deleted_meanwhile_ends_its_transcription(
    start: Callable[[], Any], script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SAVE_S", 0.0)
    script.stop_after = 7.0
    async with start() as engine:
        job = await engine.video_transcripts.start("m-1")
        await script.stopped.wait()
        await engine.videos.delete("m-1")
        await engine.jobs.cancel(job.id)
        assert not await engine.db.read(module.rows.is_unfinished, "m-1")
