"""Connects one cell of the source matrix to an engine and measures its recording, index, transcript and playback."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import av

from rtstream.testsource import read_barcode
from tests.faults.footage import recordings
from tests.faults.outside import Outside, outside
from tests.integration.recorder_processes import Program, nothing_left, program
from tests.matrix.cells import Cell
from tests.matrix.media import CLIP, media_of
from tests.matrix.servers import serving
from tests.waiting import eventually_sync

RECORDED_S = 6.0
"""Seconds of the recording after which a stream is measured."""
EVERY_S = 0.2
START_S = 20.0
"""Seconds in which the source must start."""
LIMIT_S = 40.0
"""Seconds after which a cell is measured whatever has arrived."""
SETTINGS = {
    "RTSTREAM_LANGUAGE_MODEL": "local",
    "RTSTREAM_VISION_MODEL": "vllm:numbers",
    "RTSTREAM_SPEECH_ENGINE": "vllm:numbers",
    "RTSTREAM_EMBEDDING_MODEL": "none",
    "RTSTREAM_RECONNECT_MAX_S": "2",
    "RTSTREAM_LISTEN_PORTS": "1024-65535",
}
INDEX = {"prompt": "Numbers", "extraction_type": "time", "extraction_config": {"time": 2, "frame_count": 2}}


@dataclass
class Measured:
    """The findings about one cell."""

    cell: Cell
    stream_id: str = ""
    span_s: float = 0.0
    """Seconds of the recordings, without the gaps between them."""
    video_s: float = 0.0
    """Seconds of video that can be decoded."""
    audio_s: float = 0.0
    """Seconds of audio that can be decoded."""
    video: str = ""
    """Codec of the recorded video."""
    audio: str = ""
    """Codec of the recorded audio."""
    lost: int = 0
    """Frames that are missing between the first and the last, or there twice."""
    recordings: int = 0
    looked_at: int = 0
    """Scenes whose text has the numbers of frames."""
    heard: int = 0
    """Segments of the transcript whose text has the number of a sentence."""
    unclear: int = 0
    """Segments of the transcript in which no number was recognised."""
    played: str = ""
    problems: list[str] = field(default_factory=list)
    """Codes of the problems in the health of the stream."""

    @property
    def flaws(self) -> list[str]:
        """The wanted results of the cell that are missing."""
        found = []
        if self.cell.video and (self.video_s < self.span_s - 1.5 or not self.video_s):
            found.append(f"{self.video_s:.1f} s of video recorded")
        if self.cell.audio and (self.audio_s < self.span_s - 1.5 or not self.audio_s):
            found.append(f"{self.audio_s:.1f} s of audio recorded")
        if self.cell.video and self.lost:
            found.append(f"{self.lost} frames lost")
        if self.cell.video and not self.looked_at:
            found.append("not looked at")
        if self.cell.audio and not self.heard:
            found.append("not heard")
        if self.recordings > 1:
            found.append(f"{self.recordings} recordings")
        return found + self.problems


@contextmanager
def running(folder: Path) -> Iterator[tuple[Program, Outside]]:
    """Run an engine with models that read numbers."""
    with ExitStack() as stack:
        services = stack.enter_context(outside())
        data_dir = folder / "data"
        stack.enter_context(nothing_left(data_dir))
        urls = {"RTSTREAM_MODEL_BASE_URL": f"{services.url}/v1"}
        engine = stack.enter_context(program(data_dir, folder / "engine.log", LIMIT_S, **SETTINGS, **urls))
        yield engine, services


def measure(engine: Program, cell: Cell, clips: Path) -> Measured:
    """Record a cell for some seconds. Raises Missing if its server is not installed."""
    found = Measured(cell)
    with serving(cell, media_of(cell, clips)) as url:
        found.stream_id = _connect(engine, cell, url)
        route = f"/rtstream/{found.stream_id}/index/scene"
        index_id = ""
        if cell.video:
            index_id = engine.client.post(route, json=INDEX).raise_for_status().json()["data"]["rtstream_index_id"]
        with suppress(AssertionError):  # the flaws are measured as well
            eventually_sync(lambda: _complete(engine, found, index_id), limit_s=LIMIT_S, every_s=EVERY_S)
        stream = engine.stream(found.stream_id)
        reasons = stream["health"]["reasons"]
        found.problems = [reason["code"] for reason in reasons if reason["level"] == "problem"]
        engine.set_running(found.stream_id, "stop")
    _read(engine, found)
    return found


def _connect(engine: Program, cell: Cell, url: str) -> str:
    """Connect a source, which may take some seconds to start. Returns the id of the stream."""

    def attempt() -> str:
        body = {"url": url, "media_types": ["video", "audio"], "store": True, "name": cell.id}
        response = engine.client.post("/rtstream", json=body | {"enable_transcript": bool(cell.audio)}).json()
        refusals.append(response.get("message", ""))
        return response["data"]["id"] if response["success"] else ""

    refusals: list[str] = []
    try:
        return eventually_sync(attempt, limit_s=START_S, every_s=EVERY_S)
    except AssertionError:
        raise AssertionError(refusals[-1]) from None


def _complete(engine: Program, found: Measured, index_id: str) -> bool:
    """Update the results of the models. Returns whether everything that is wanted is there."""
    client, stream = engine.client, f"/rtstream/{found.stream_id}"
    if index_id:
        scenes = client.get(f"{stream}/index/scene/{index_id}").raise_for_status().json()["data"]["scene_index_records"]
        found.looked_at = sum(scene["text"].startswith("frames ") for scene in scenes)
    if found.cell.audio:
        page = client.get(f"{stream}/transcription", params={"page_size": 100}).raise_for_status().json()["data"]
        texts = [one["text"] for one in page["transcription_records"]]
        found.heard = sum(text.startswith("sentence ") for text in texts)
        found.unclear = len(texts) - found.heard
    return (
        engine.recorded_s(found.stream_id) >= RECORDED_S
        and bool(found.looked_at or not found.cell.video)
        and bool(found.heard or not found.cell.audio)
    )


def _read(engine: Program, found: Measured) -> None:
    """Decode everything that was recorded."""
    numbers: list[int] = []
    for recording in recordings(engine.data_dir, found.stream_id):
        found.recordings += 1
        found.span_s += recording.span[1] - recording.span[0]
        for kind in ("video", "audio"):
            with av.open(io.BytesIO(recording.init + recording.media), "r") as container:
                for frame in container.decode(**{kind: 0}) if getattr(container.streams, kind) else ():
                    if isinstance(frame, av.VideoFrame):
                        found.video = container.streams.video[0].codec_context.codec.canonical_name
                        found.video_s += 1 / CLIP.fps
                        numbers.append(read_barcode(frame.to_ndarray(format="gray")))
                    elif isinstance(frame, av.AudioFrame):
                        found.audio = container.streams.audio[0].codec_context.codec.canonical_name
                        found.audio_s += frame.samples / frame.sample_rate
    cycle = CLIP.fps * CLIP.seconds
    found.lost = sum((after - before) % cycle - 1 for before, after in pairwise(numbers))


def play(engine: Program, found: Measured, browser: Any) -> str:
    """Play the recording on its page in a browser.

    Returns:
        The kinds of media that were played.
    """
    spans = [one.span for one in recordings(engine.data_dir, found.stream_id)]
    if not spans:
        return "nothing to play"
    query = {"start": spans[0][0], "end": spans[-1][1]}
    link = engine.client.get(f"/rtstream/{found.stream_id}/stream", params=query).raise_for_status().json()["data"]
    context = browser.new_context(bypass_csp=True)
    try:
        page = context.new_page()
        page.goto(link["player_url"])
        page.evaluate("document.getElementById('video').muted = false")
        page.wait_for_function(ENDED, timeout=20_000)
        shown = page.evaluate(SHOWN)
    finally:
        context.close()
    kinds = " and ".join(kind for kind in ("video", "audio") if shown[kind])
    return (kinds or "no") + (", and the page gives the reason" if shown["text"] else "")


ENDED = """() => {
    const video = document.getElementById('video'), failure = document.getElementById('failure');
    return video.currentTime > 2 || !failure.hidden;
}"""
SHOWN = """() => {
    const video = document.getElementById('video');
    const texts = ['failure', 'limits'].map((id) => document.getElementById(id));
    return {
        video: video.getVideoPlaybackQuality().totalVideoFrames > 5,
        audio: video.webkitAudioDecodedByteCount > 0,
        text: texts.filter((one) => !one.hidden).map((one) => one.textContent).join(' '),
    };
}"""
