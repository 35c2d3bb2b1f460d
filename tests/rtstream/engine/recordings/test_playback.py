"""Every reader shows the same pictures of a GOP that is longer than a segment."""

# Pyright counts a name that is bound in an "async with" of anyio as possibly unbound.
# pyright: reportPossiblyUnboundVariable=false

from __future__ import annotations

import io
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import av
import httpx
import numpy as np
import pytest
from PIL import Image

from rtstream.engine.engine import Engine
from rtstream.messages import RecordingStarted
from rtstream.perception.protocols import Picture
from rtstream.rules.playlist import CUT_GOP_S
from rtstream.store import recordings as recording_rows
from tests.rtstream.engine.recordings.test_exports import STREAM, add_stream, export
from tests.rtstream.recorder.test_writer import record, segments_of

if TYPE_CHECKING:
    from sqlalchemy import Connection

pytestmark = pytest.mark.anyio

START = 1_790_000_000.0
SECONDS, KEYFRAME_AT = 150, 135
"""The second keyframe begins a segment in the middle of the third one."""


def brightness(path: Path) -> Path:
    """Pictures whose brightness is 40 more than the second, with keyframes only at 0 and at ``KEYFRAME_AT``."""
    command = ["ffmpeg", "-v", "error", "-y", "-f", "lavfi", "-i", "nullsrc=s=64x64:r=4,geq=lum='T+40':cb=128:cr=128"]
    command += ["-t", str(SECONDS), "-c:v", "libx264", "-x264-params", "keyint=100000:scenecut=0:bframes=0"]
    command += ["-force_key_frames", str(KEYFRAME_AT), "-preset", "ultrafast", "-qp", "4", "-pix_fmt", "yuv420p"]
    subprocess.run([*command, str(path)], check=True, timeout=60)
    return path


def second(jpeg: bytes) -> float:
    return float(np.asarray(Image.open(io.BytesIO(jpeg)).convert("YCbCr"))[..., 0].mean() * 219 / 255 + 16 - 40)


def seconds(media: bytes) -> list[float]:
    with av.open(io.BytesIO(media), "r") as container:
        return [float(frame.to_ndarray()[:64].mean()) - 40 for frame in container.decode(video=0)]


async def add_recording(engine: Engine, path: Path, *, closed: bool = True) -> str:
    folder = Path(engine.config.data_dir) / "media" / STREAM
    folder.mkdir(parents=True, exist_ok=True)
    sent = record(path, folder, 4.0, start=START - 1)  # its timeline begins a second later
    [opened] = [message for message in sent if isinstance(message, RecordingStarted)]
    stored = segments_of(sent)
    assert [segment.duration >= CUT_GOP_S for segment in stored[:4]] == [True, True, False, False]

    def write(conn: Connection) -> None:
        one = opened.recording_id
        recording_rows.insert(
            conn, recording_id=one, stream_id=STREAM, started_at=START, init=opened.payload, codecs=opened.codecs
        )
        for each in stored:
            place = {"path": each.path, "offset": each.offset, "length": each.length}
            recording_rows.add_segment(
                conn, STREAM, recording_id=one, start=each.start, duration=each.duration, **place
            )
        if closed:
            recording_rows.close(conn, one)

    await engine.db.write(write)
    return opened.recording_id


async def test_a_gop_longer_than_a_segment_is_covered_and_shown_everywhere(
    engine: Engine, api: httpx.AsyncClient, holder: httpx.AsyncClient, tmp_path: Path
) -> None:
    await add_stream(engine)
    await add_recording(engine, brightness(tmp_path / "a.mp4"))
    for at in (10, 75, 125, 132, 136, 149):
        found = (await api.get(f"/rtstream/{STREAM}/frame", params={"at": START + at})).content
        assert second(found) == pytest.approx(at, abs=2.0)
    start = START + 75
    links = (await api.get(f"/rtstream/{STREAM}/stream", params={"start": start, "end": start + 70})).json()["data"]
    assert links["covered"] == [[start, start + 70]]
    manifest = (await holder.get(links["stream_url"])).text
    base = links["stream_url"].rpartition("/")[0]
    (init,) = re.findall(r'URI="([^"]+)"', manifest)
    head = (await holder.get(f"{base}/{init}")).content
    shown: list[float] = []
    for name in re.findall(r"^[^#].*m4s$", manifest, re.MULTILINE):
        media = seconds(head + (await holder.get(f"{base}/{name}")).content)  # each one can be decoded alone
        assert shown == [] or media[0] == pytest.approx(shown[-1], abs=2.0)
        shown += media
    assert shown[0] == pytest.approx(0, abs=2.0)
    assert 144 <= shown[-1] <= SECONDS
    assert float(re.findall(r"TIME-OFFSET=([0-9.]+)", manifest)[0]) == pytest.approx(75, abs=0.1)
    video = await export(api, name="x", start=start, end=start + 5)
    exported = seconds((await api.get(video["download_url"])).content)
    assert exported[0] == pytest.approx(75, abs=2.0)
    assert len(exported) == 20
    sheet = (await api.get(f"/rtstream/{STREAM}/sheet", params={"start": start, "end": start + 60, "count": 4})).content
    assert Image.open(io.BytesIO(sheet)).width > 64


async def test_the_current_picture_of_a_very_long_gop_is_the_last_recorded_one(engine: Engine, tmp_path: Path) -> None:
    await add_stream(engine)
    recording = await add_recording(engine, brightness(tmp_path / "a.mp4"), closed=False)
    keyframe, current = Picture(START, b"", 64, 64), Picture(START + SECONDS - 1, b"", 64, 64)
    newest = await engine.playback.newer(STREAM, keyframe, 64)
    assert newest.time > START + SECONDS - 1
    assert second(newest.jpeg) == pytest.approx(SECONDS - 1, abs=2.0)
    assert await engine.playback.newer(STREAM, current, 64) is current
    await engine.db.write(recording_rows.close, recording)  # another one has begun, perhaps at an earlier time
    assert await engine.playback.newer(STREAM, keyframe, 64) is keyframe


async def test_of_two_recordings_of_one_second_the_later_one_is_shown(engine: Engine) -> None:
    """The clock was set back, and the segment of the earlier recording begins later."""
    await add_stream(engine)

    def write(conn: Connection) -> str | None:
        for number, (start, made) in enumerate(((START + 3, START + 3), (START, START + 60))):
            one = f"rec-{number}"
            recording_rows.insert(
                conn, recording_id=one, stream_id=STREAM, started_at=start, init=b"", codecs="", media_start=made
            )
            place = {"path": f"{one}/0.m4s", "offset": 0, "length": 10}
            recording_rows.add_segment(conn, STREAM, recording_id=one, start=start, duration=5.0, **place)
        found = recording_rows.shown_at(conn, STREAM, START + 4)
        return None if found is None else found.recording_id

    assert await engine.db.write(write) == "rec-1"
