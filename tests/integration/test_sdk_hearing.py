"""The official SDK, unchanged, on a live source with a human voice; an engine that is killed while it transcribes."""

# The annotations of the SDK differ from its results, so the checks of its results are off.
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportIndexIssue=false, reportOperatorIssue=false
# pyright: reportOptionalMemberAccess=false, reportOptionalSubscript=false, reportReturnType=false, reportAssignmentType=false

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import videodb
from videodb import InvalidRequestError
from videodb.collection import Collection
from videodb.rtstream import RTStream
from websockets.sync.client import connect

from rtstream.testsource import ClipSpec, LiveSource
from tests.waiting import eventually_sync

pytest.importorskip("moonshine_voice", reason="hearing needs the extra 'local'")

KEY = "sk-key-of-the-hearing-test"
LIMIT_S = 45.0
PROGRAM = """
import sys
from pathlib import Path
import anyio
from rtstream.api.server import serve
from rtstream.config import EngineConfig
from rtstream.engine.engine import Engine

async def main():
    folder, key = Path(sys.argv[1]), sys.argv[2]
    config = EngineConfig(data_dir=folder, api_key=key, allow_networks="loopback", local_vision=False)
    async with Engine(config) as engine:
        await serve(engine, host="127.0.0.1", port=0, on_ready=lambda url: print(url, flush=True))

anyio.run(main)
"""


@contextmanager
def engine(data_dir: Path) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """An engine as a process of its own: its address, and the process."""
    command = [sys.executable, "-c", PROGRAM, str(data_dir), KEY]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            url = process.stdout.readline().strip()
            assert url, "the engine did not start"
            yield url, process
        finally:
            process.kill()


@pytest.fixture(scope="module")
def source(clip_of: Callable[[ClipSpec], Path]) -> Iterator[LiveSource]:
    """A human voice reading, 20 s long, over and over."""
    spec = ClipSpec(width=320, height=180, seconds=20, gop=15, bitrate=300_000, voice="reading")
    with LiveSource(clip_of(spec)) as live:
        yield live


def wait_until(condition: Callable[[], Any], what: str, seconds: float = LIMIT_S) -> Any:
    """Poll with the SDK, which has no call that waits."""
    return eventually_sync(condition, limit_s=seconds, every_s=0.2, what=what)


def collection(url: str) -> Collection:
    return videodb.connect(api_key=KEY, base_url=url).get_collection()


class Listening:
    """The messages of one WebSocket of the SDK."""

    def __init__(self, conn: Any) -> None:
        self.messages: list[dict[str, Any]] = []
        self.connection_id = ""
        self._known = threading.Event()
        self._conn = conn
        self._stop = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()))

    async def _run(self) -> None:
        socket = await self._conn.connect_websocket().connect()
        self.connection_id = socket.connection_id
        self._known.set()

        async def take() -> None:
            async for message in socket.receive():
                self.messages.append(message)

        taking = asyncio.create_task(take())
        await asyncio.to_thread(self._stop.wait)
        taking.cancel()
        await asyncio.gather(taking, return_exceptions=True)
        await socket.close()

    def __enter__(self) -> Listening:
        self._thread.start()
        assert self._known.wait(LIMIT_S)
        return self

    def __exit__(self, *exc: object) -> None:
        self._stop.set()
        self._thread.join(LIMIT_S)


def test_the_sdk_starts_reads_and_stops_a_transcript_and_indexes_what_is_said(
    tmp_path: Path, source: LiveSource
) -> None:
    with engine(tmp_path) as (url, _):
        conn = videodb.connect(api_key=KEY, base_url=url)
        coll = conn.get_collection()
        with Listening(conn) as listening:
            stream: RTStream = coll.connect_rtstream(url=source.rtsp_url, name="Reader", media_types=["video", "audio"])
            started = stream.start_transcript(ws_connection_id=listening.connection_id)
            assert (started["status"], started["engine"]) == ("running", "local")
            assert abs(started["start_time"] - time.time()) < LIMIT_S
            index = stream.index_audio(
                prompt="Summarize",
                batch_config={"type": "word", "value": 5},
                name="talk",
                ws_connection_id=listening.connection_id,
            )
            assert index is not None
            assert (index.extraction_type, index.status) == ("transcript", "connected")
            assert index.extraction_config == {"segmenter": "word", "segmentation_value": 5}

            def finals() -> list[dict[str, Any]]:
                return [m for m in listening.messages if m["channel"] == "transcript" and m["data"]["is_final"]]

            wait_until(lambda: len(finals()) >= 2, "two finals")
            scenes = wait_until(lambda: index.get_scenes()["scenes"], "a scene")
            wait_until(lambda: any(m["channel"] == "audio_index" for m in listening.messages), "a scene, live")
            extract = scenes[-1]["text"].lower()
            spoken = " ".join(m["data"]["text"] for m in finals()).lower()
            assert extract  # on a busy machine a word may be misheard, but no word comes from elsewhere
            assert set(extract.split()) <= set(spoken.split())
            partials = [m for m in listening.messages if m["channel"] == "transcript" and not m["data"]["is_final"]]
            assert partials
            assert {m["seq"] for m in partials} == {0}
            stopped = stream.stop_transcript()
            assert stopped["status"] == "stopped"
            index.stop()
            delivered = [(m["data"]["start"], m["data"]["text"]) for m in finals()]
        page = stream.get_transcript(page_size=1000)
        assert [(record["start"], record["text"]) for record in page["transcription_records"]][
            : len(delivered)
        ] == delivered
        assert page["next_page"] is False
        assert page["total_count"] == len(page["transcription_records"])
        record = page["transcription_records"][0]
        assert source.epoch < record["start"] < record["end"] < time.time()
        assert [word["word"] for word in record["word_timestamps"]] == record["text"].split()
        later = stream.get_transcript(since=record["end"], engine="local", page_size=1)
        assert later["transcription_records"][0] == page["transcription_records"][1]
        conn_status = conn.get(f"rtstream/{stream.id}/transcription/status")
        assert (conn_status["status"], conn_status["state"]) == ("stopped", "stopped")


@pytest.mark.long
def test_connecting_with_a_transcript_starts_it_or_says_why_not(tmp_path: Path, source: LiveSource) -> None:
    with engine(tmp_path) as (url, _):
        coll = collection(url)
        muted = {"url": source.rtsp_url, "name": "Mute", "audio": False, "enable_transcript": True}
        with pytest.raises(InvalidRequestError, match="audio=false"):
            coll._connection.post("rtstream", data=muted)
        assert coll.list_rtstreams() == []
        # As the reference prints it: the media types name only video, which limits nothing.
        stream = coll.connect_rtstream(
            url=source.rtsp_url, name="Reader", media_types=["video"], enable_transcript=True
        )
        wait_until(lambda: stream.get_transcript()["transcription_records"], "something said")
        with pytest.raises(InvalidRequestError, match="not supported"):
            stream.start_transcript(engine="no-such-engine")


@pytest.mark.long
def test_a_killed_engine_lost_nothing_it_delivered_and_goes_on(tmp_path: Path, source: LiveSource) -> None:
    headers = {"x-access-token": KEY}
    with engine(tmp_path) as (url, process):
        stream = collection(url).connect_rtstream(url=source.rtsp_url, name="Reader", media_types=["audio"])
        stream.start_transcript()
        address = httpx.get(f"{url}/collection/default/websocket", headers=headers).json()["data"]["websocket_url"]
        delivered: list[dict[str, Any]] = []
        with connect(f"{address}&scope=all&since=0") as socket:
            while len(delivered) < 2:
                message = json.loads(socket.recv(LIMIT_S))
                if message.get("channel") == "transcript" and message["seq"]:
                    delivered.append(message)
            os.kill(process.pid, signal.SIGKILL)
        process.wait()
    with engine(tmp_path) as (url, _):
        stream = collection(url).get_rtstream(stream.id)
        records = stream.get_transcript(page_size=1000)["transcription_records"]
        texts = {(record["start"], record["text"]) for record in records}
        assert {(m["data"]["start"], m["data"]["text"]) for m in delivered} <= texts
        journal = httpx.get(f"{url}/rtstream/journal", headers=headers, params={"since": 0, "channels": "transcript"})
        stored = {entry["seq"]: entry["data"] for entry in journal.json()["data"]["entries"]}
        assert all(stored[m["seq"]] == m["data"] for m in delivered)
        # It resumes by itself.
        last = max(record["end"] for record in records)
        wait_until(
            lambda: stream.get_transcript(since=last)["transcription_records"], "something said after the restart"
        )
