"""Exports and deletions as a model does them: with progress, links, cancelling, and a question first."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import httpx
import pytest
from mcp import Client

from rtstream.api.server import serve
from rtstream.client import RTStreamClient
from rtstream.config import EngineConfig
from rtstream.engine.engine import Engine
from rtstream.states import JobKind
from server.mcp_server import create_endpoint
from tests.rtstream.engine.recordings.test_exports import KEY, START, STREAM, add_recording, add_stream, pictures
from tools._framework import job_wait

if TYPE_CHECKING:
    from rtstream.testsource import ClipSpec

pytestmark = pytest.mark.anyio


@dataclass
class Desk:
    """A model's client, and the engine behind it."""

    client: Client
    engine: Engine

    async def call(self, tool: str, **arguments: Any) -> dict[str, Any]:
        result = await self.client.call_tool(tool, arguments)
        assert not result.is_error, result.content
        return result.structured_content or {}

    async def refused(self, tool: str, **arguments: Any) -> str:
        result = await self.client.call_tool(tool, arguments)
        assert result.is_error
        return result.content[0].text  # pyright: ignore[reportAttributeAccessIssue]


@pytest.fixture
def speech_engine() -> str:
    return ""


@pytest.fixture
async def desk(tmp_path: Path, speech_engine: str) -> AsyncIterator[Desk]:
    config = EngineConfig(
        data_dir=tmp_path / "data",
        api_key=KEY,
        local_vision=False,
        embedding_model="none",
        min_free_gb=0,
        speech_engine=speech_engine,
        speech_base_url="http://127.0.0.1:9/v1",
    )
    ready, stop = anyio.Event(), anyio.Event()
    urls: list[str] = []

    def on_ready(url: str) -> None:
        urls.append(url)
        ready.set()

    async def listen(engine: Engine) -> None:
        await serve(engine, host="127.0.0.1", port=0, on_ready=on_ready, should_exit=stop)

    async with Engine(config) as engine, anyio.create_task_group() as tasks:
        tasks.start_soon(listen, engine)
        with anyio.fail_after(10):
            await ready.wait()
        async with Client(create_endpoint(RTStreamClient(urls[0], KEY)).mcp) as client:
            yield Desk(client, engine)
        stop.set()


@pytest.fixture(scope="module")
def source(clip_of: Callable[[ClipSpec], Path]) -> Path:
    from rtstream.testsource import ClipSpec

    return clip_of(ClipSpec(width=320, height=180, seconds=8, gop=30, bframes=2, bitrate=300_000, voice="tones"))


async def test_a_model_exports_lists_and_deletes_a_video(desk: Desk, source: Path) -> None:
    await add_stream(desk.engine)
    await add_recording(desk.engine, source, 1, START)
    await add_recording(desk.engine, source, 2, START + 60)
    made = await desk.call("export_stream", stream_id=STREAM, name="Visit")
    assert made["shows"] == [[START, START + 8], [START + 60, START + 68]]
    assert made["note"].startswith("Not recorded, and skipped when played: 52.0 s, from 2026-09-21")
    async with httpx.AsyncClient() as http:
        assert len(pictures((await http.get(made["download_url"])).content)) == 480
        assert 'id="player"' in (await http.get(made["player_url"])).text
    [listed] = (await desk.call("list_videos"))["videos"]
    assert (listed["video_id"], listed["name"]) == (made["video_id"], "Visit")
    assert (await desk.call("get_video", video_id=made["video_id"]))["duration_s"] == made["duration_s"]
    assert Path(made["file"]).read_bytes()[4:8] == b"ftyp"
    assert made["opens_on"] == "this machine"
    assert (await desk.call("list_videos", name="vis"))["total"] == 1
    assert (await desk.call("list_videos", name="other"))["videos"] == []
    played = await desk.call("generate_stream", video_id=made["video_id"])
    assert played["player_url"] == made["player_url"]
    assert "either video_id alone" in await desk.refused("generate_stream", video_id=made["video_id"], start="-1m")
    assert (await desk.call("update_video", video_id=made["video_id"], name="Guest"))["name"] == "Guest"
    asked = await desk.refused("delete", kind="video", id=made["video_id"])
    assert "Ask the user first" in asked
    assert "Guest" in asked
    assert (await desk.call("delete", kind="video", id=made["video_id"], confirm=True))["deleted"]
    assert (await desk.call("list_videos"))["total"] == 0


async def test_the_speech_of_an_exported_video_is_found_by_search(desk: Desk, source: Path) -> None:
    pytest.importorskip("moonshine_voice", reason="hearing needs the extra 'local'")
    await add_stream(desk.engine)
    await add_recording(desk.engine, source, 1, START)
    made = await desk.call("export_stream", start=START, end=START + 4)
    job = desk.engine.video_transcripts.job_of(made["video_id"])
    assert job is None or job.id in made["note"]
    if job is not None:
        await job.wait(60)
    assert "Not searched" not in (await desk.call("search", query="budget", videos=["all"])).get("note", "")
    left = await desk.call("export_stream", start=START, end=START + 6, searchable=False)
    assert "note" not in left
    assert "searchable=true" in (await desk.call("search", query="budget", videos=[left["video_id"]]))["note"]


@pytest.mark.parametrize("speech_engine", ["openai:whisper-1"])
async def test_a_paid_speech_engine_is_used_only_if_that_is_wanted(desk: Desk, source: Path) -> None:
    await add_stream(desk.engine)
    await add_recording(desk.engine, source, 1, START)
    made = await desk.call("export_stream", start=START, end=START + 4)
    assert made["note"] == "Its speech cannot be searched. Pass searchable=true to transcribe it."
    assert {job.subject.kind for job in desk.engine.jobs.list(10)} == {JobKind.EXPORT}
    again = await desk.call("export_stream", start=START, end=START + 4, searchable=True)
    assert again["video_id"] == made["video_id"]
    assert "transcribed for search" in again["note"]
    assert JobKind.SPOKEN_WORDS in {job.subject.kind for job in desk.engine.jobs.list(10)}


async def test_a_long_export_reports_progress_and_ends_with_its_call(desk: Desk, source: Path) -> None:
    await add_stream(desk.engine)
    await add_recording(desk.engine, source, 1, START)
    # Every turn is taken: the export waits, as a long one does.
    turn = desk.engine.exports._turn
    await turn.acquire()
    await turn.acquire()
    heard = anyio.Event()

    async def on_progress(progress: float, total: float | None, message: str | None) -> None:
        assert (total, message) == (100, "exporting")
        heard.set()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(
            lambda: desk.client.call_tool("export_stream", {"stream_id": STREAM}, progress_callback=on_progress)
        )
        with anyio.fail_after(20):
            await heard.wait()
        tasks.cancel_scope.cancel()
    [job] = desk.engine.jobs._jobs.values()
    with anyio.fail_after(20):
        await job.wait(20)
    assert job.error is not None
    assert job.error.message == "The job was cancelled."
    turn.release()
    turn.release()
    assert list((Path(desk.engine.config.data_dir) / "videos").iterdir()) == []


async def test_an_export_that_outlasts_its_call_continues_and_is_fetched_later(
    desk: Desk, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_wait, "WAIT_S", 0.1)
    await add_stream(desk.engine)
    await add_recording(desk.engine, source, 1, START)
    turn = desk.engine.exports._turn
    await turn.acquire()
    await turn.acquire()
    given: dict[str, Any] = {"start": START + 1, "end": str(START + 5)}
    begun = await desk.call("export_stream", **given)
    assert begun["job_id"].startswith("job-")
    assert begun["job_id"] in begun["next"]
    [job] = (await desk.call("jobs"))["jobs"]
    assert (job["job_id"], job["state"], job["stream_id"]) == (begun["job_id"], "queued", STREAM)
    assert (await desk.call("export_stream", **given))["job_id"] == begun["job_id"]
    turn.release()
    turn.release()
    with anyio.fail_after(20):
        await desk.engine.jobs.get(begun["job_id"]).wait(20)
    made = await desk.call("export_stream", **given)
    assert made["shows"] == [[START + 1, START + 5]]
    found = (await desk.call("jobs", job_id=begun["job_id"]))["result"]
    assert {**found, "note": None} == {**made, "note": None}  # the links are the same as well


async def test_a_stream_is_changed_and_after_a_question_deleted(desk: Desk, source: Path) -> None:
    await add_stream(desk.engine)
    await add_recording(desk.engine, source, 1, START)
    made = await desk.call("export_stream", stream_id=STREAM)
    changed = await desk.call("update_stream", stream_id=STREAM, name="Gate", keep_days=7)
    assert (changed["streams"][0]["name"], changed["streams"][0]["keep_days"]) == ("Gate", 7)
    [changed] = (await desk.call("update_stream", stream_id="all", keep_gb=2.5))["streams"]
    assert (changed["keep_days"], changed["keep_gb"]) == (7, 2.5)
    assert "keep_days" not in (await desk.call("update_stream", keep_days=0))["streams"][0]
    assert STREAM in await desk.refused("delete", kind="stream", id="Gate")
    assert (await desk.call("delete", kind="stream", id="Gate", confirm=True))["id"] == STREAM
    assert (await desk.call("list_streams"))["total"] == 0
    assert (await desk.call("get_video", video_id=made["video_id"]))["name"] == "Door - Recording"


async def test_a_playback_link_says_its_gaps_in_words(desk: Desk, source: Path) -> None:
    await add_stream(desk.engine)
    await add_recording(desk.engine, source, 1, START)
    await add_recording(desk.engine, source, 2, START + 60)
    clip = await desk.call("generate_stream", stream_id=STREAM, start=START + 1, end=START + 62)
    assert clip["note"].startswith("Not recorded, and skipped when played: 52.0 s, from 2026-09-21 14:13:28")
    assert "nearest recorded ranges" in await desk.refused(
        "generate_stream", stream_id=STREAM, start=START + 20, end=START + 30
    )
