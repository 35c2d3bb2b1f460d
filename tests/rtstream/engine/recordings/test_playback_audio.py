"""Audio that browsers do not play is converted to AAC while it is played, without a gap, a click or a drift."""

from __future__ import annotations

import io
import re
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import anyio
import httpx
import numpy as np
import pytest
from numpy.typing import NDArray

from rtstream.engine.engine import Engine
from rtstream.engine.recordings import playback_audio
from rtstream.engine.recordings.extractor import Extractor
from rtstream.mp4.aac_track import SILENCE
from rtstream.mp4.fragments import codecs
from rtstream.mp4.recordings import StoredRecording
from rtstream.store import recordings as recording_rows
from tests.rtstream.engine.recordings.test_exports import STREAM, add_stream
from tests.sources import path_of, record
from tests.waiting import eventually

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is not installed"),
]

START = 1_700_000_000.0
SECONDS = 6


def clip_with(folder: Path, codec: str, rate: int = 48000, channels: int = 2, tone: str = "") -> Path:
    """A clip with keyframes every second, and a tone that rises so that each moment differs from every other."""
    file = folder / f"{codec}-{rate}-{channels}.mp4"
    tone = tone or "0.3*sin(2*PI*440*t)+0.2*sin(2*PI*(300+40*t)*t)"
    command = ["ffmpeg", "-v", "error", "-y", "-f", "lavfi", "-i", "testsrc2=size=160x90:rate=20"]
    command += ["-f", "lavfi", "-i", f"aevalsrc={tone}:s={rate}", "-t", str(SECONDS), "-ac", str(channels)]
    command += ["-c:v", "libx264", "-preset", "ultrafast", "-g", "20", "-pix_fmt", "yuv420p", "-c:a", codec, str(file)]
    subprocess.run(command, check=True, timeout=30)
    return file


async def add_footage(engine: Engine, clip: Path, codec: str, gops: int = 2, number: int = 1) -> StoredRecording:
    """The clip as a recording in segments of ``gops`` seconds."""
    folder = Path(engine.config.data_dir) / "media" / STREAM
    folder.mkdir(parents=True, exist_ok=True)
    recording = record(clip, folder / f"rec-{number}", start=START, audio=True, gops=gops)

    def write(conn: Any) -> None:
        names = codecs(recording.init, layer_2=codec == "mp2")
        values = {"recording_id": f"rec-{number}", "stream_id": STREAM, "started_at": START, "init": recording.init}
        recording_rows.insert(conn, **values, codecs=names)
        for piece, following in zip(recording.pieces, [*recording.pieces[1:], None], strict=True):
            end = following.start if following else START + SECONDS
            recording_rows.add_segment(
                conn,
                STREAM,
                recording_id=f"rec-{number}",
                start=piece.start,
                duration=end - piece.start,
                path=f"rec-{number}/recording.m4s",
                offset=piece.offset,
                length=piece.length,
            )
        recording_rows.close(conn, f"rec-{number}")

    await engine.db.write(write)
    return recording


def stored_bytes(engine: Engine, recording: StoredRecording) -> bytes:
    file = Path(engine.config.data_dir) / "media" / STREAM / path_of(recording.pieces[0].key).parent.name
    return recording.init + (file / "recording.m4s").read_bytes()


async def served_bytes(holder: httpx.AsyncClient, stream_url: str) -> bytes:
    """Everything that a player of the playlist receives."""
    text = (await holder.get(stream_url)).text
    names = re.findall(r'(?:URI="([^"]+)")|^([^#\n]+)$', text, re.MULTILINE)
    answers = [await holder.get(httpx.URL(stream_url).join(one or other)) for one, other in names]
    assert [answer.text[:200] for answer in answers if answer.status_code != 200] == []
    return b"".join(answer.content for answer in answers)


def heard(media: bytes, codec: str | None = None) -> tuple[int, NDArray[np.float32]]:
    """The time of the first sample on the sample grid, and the samples of the left channel. Fails at a gap."""
    import av

    parts: list[NDArray[np.float32]] = []
    first = expected = None
    with av.open(io.BytesIO(media), "r", format="mp4") as container:
        stream = container.streams.audio[0]
        rate = stream.codec_context.sample_rate
        resampler = av.AudioResampler("fltp", "stereo", rate)
        decoder: Any = av.CodecContext.create("mp2float", "r") if codec == "mp2" else stream.codec_context
        for packet in container.demux(stream):
            if packet.pts is None:
                continue
            for decoded in decoder.decode(packet):
                at = round(decoded.pts * (packet.time_base or 0) * rate)
                if len(parts) == 1 and at != expected:
                    parts, first, expected = [], None, None  # the muxer moves the first packet to the first picture
                first = at if first is None else first
                assert expected is None or abs(at - expected) <= rate / 1000, "a gap"
                frames = resampler.resample(decoded)
                parts += [frame.to_ndarray()[0] for frame in frames]
                expected = at + sum(frame.samples for frame in frames)
    assert first is not None
    return first, np.concatenate(parts)


def worst_difference(wanted: tuple[int, NDArray[np.float32]], got: tuple[int, NDArray[np.float32]]) -> float:
    """The largest difference of two recordings of a tone, sample by sample at their times."""
    begin = max(wanted[0], got[0])
    one, other = wanted[1][begin - wanted[0] :], got[1][begin - got[0] :]
    length = min(len(one), len(other))
    assert length > 0.95 * len(wanted[1])
    return float(np.abs(one[:length] - other[:length])[1024:-1024].max())


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine starts the media process late."""
    be_patient(monkeypatch, 30.0)


def be_patient(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    for name in ("PATIENCE_S", "COLD_PATIENCE_S"):
        monkeypatch.setattr(playback_audio, name, seconds)


@pytest.fixture
async def with_stream(engine: Engine) -> Engine:
    await add_stream(engine)
    return engine


FORMATS = [("ac3", 44100, 2)]
MORE = [("mp2", 48000, 2), ("eac3", 48000, 6), ("mp2", 22050, 1), ("alac", 48000, 2), ("libmp3lame", 32000, 2)]


@pytest.mark.parametrize(
    ("codec", "rate", "channels"), FORMATS + [pytest.param(*each, marks=pytest.mark.long) for each in MORE]
)
async def test_a_playlist_has_the_audio_of_the_source_as_aac(
    codec: str, rate: int, channels: int, with_stream: Engine, holder: httpx.AsyncClient, tmp_path: Path
) -> None:
    recording = await add_footage(with_stream, clip_with(tmp_path, codec, rate, channels), codec)
    link = await with_stream.generate_stream(STREAM, START, START + SECONDS)
    media = await served_bytes(holder, link.stream_url)
    import av

    with av.open(io.BytesIO(media), "r", format="mp4") as container:
        assert container.streams.audio[0].codec_context.name == "aac"
        assert len(list(container.decode(video=0))) == 20 * SECONDS
    wanted = heard(stored_bytes(with_stream, recording), codec)
    assert worst_difference(wanted, heard(media)) < 0.02


async def test_the_page_receives_the_same_audio_apart_from_the_video(
    with_stream: Engine, holder: httpx.AsyncClient, tmp_path: Path
) -> None:
    recording = await add_footage(with_stream, clip_with(tmp_path, "mp2"), "mp2", gops=1)
    link = await with_stream.generate_stream(STREAM, START + 1.5, START + 4.5)
    page = (await holder.get("/playback.json", params={"v": link.player_url.partition("v=")[2]})).json()
    media = await audio_of(holder, page)
    wanted, got = heard(stored_bytes(with_stream, recording), "mp2"), heard(media)
    # The link does not reach beyond its first and last group of pictures, from 1 s to 5 s.
    zero = round(START * 48000)
    assert zero + 48000 - 2 * 1024 <= got[0] <= zero + 48000
    assert len(got[1]) <= 4 * 48000 + 3 * 1024
    first = zero + 48000 - wanted[0]
    assert worst_difference((zero + 48000, wanted[1][first : first + 4 * 48000]), got) < 0.02


async def audio_of(holder: httpx.AsyncClient, page: dict[str, Any]) -> bytes:
    urls = [page["fragments"][0]["aac_init_url"], *(fragment["aac_url"] for fragment in page["fragments"])]
    answers = [await holder.get(f"/{url}") for url in urls]
    assert [answer.status_code for answer in answers] == [200] * len(answers)
    assert {answer.headers["content-type"] for answer in answers[1:]} == {"audio/mp4"}
    return b"".join(answer.content for answer in answers)


@pytest.mark.parametrize(
    "ranges", [[[0.5, 4.5]], *(pytest.param(each, marks=pytest.mark.long) for each in (None, [[3, 5], [0.5, 2.5]]))]
)
async def test_an_exported_video_keeps_its_audio_and_is_played_with_aac(
    ranges: list[list[float]] | None,
    with_stream: Engine,
    api: httpx.AsyncClient,
    holder: httpx.AsyncClient,
    tmp_path: Path,
) -> None:
    import av

    await add_footage(with_stream, clip_with(tmp_path, "ac3"), "ac3")
    wanted = {"start": START, "end": START + SECONDS}
    made = (await api.post(f"/rtstream/{STREAM}/export", json=wanted)).json()["data"]
    file = (await holder.get(made["download_url"])).content
    with av.open(io.BytesIO(file)) as container:
        assert container.streams.audio[0].codec_context.name == "ac3"
    if ranges:
        made = (await api.post(f"/video/{made['video_id']}/stream", json={"timeline": ranges})).json()["data"]
    page_url = httpx.URL(made["player_url"])
    page = (await holder.get("/playback.json", params=dict(page_url.params))).json()
    stored = (await holder.get("/" + page["fragments"][0]["init_url"])).content
    for fragment in page["fragments"]:
        content = (await holder.get("/" + fragment["url"])).content
        begin, length = fragment.get("offset", 0), fragment.get("length", len(content))
        stored += content[begin : begin + length]
    media = await served_bytes(holder, made["stream_url"])
    with av.open(io.BytesIO(media), "r", format="mp4") as container:
        assert container.streams.audio[0].codec_context.name == "aac"
    if ranges is None or len(ranges) == 1:
        assert worst_difference(heard(stored), heard(media)) < 0.02
        assert worst_difference(heard(stored), heard(await audio_of(holder, page))) < 0.02
    else:
        with (
            av.open(io.BytesIO(stored), "r", format="mp4") as one,
            av.open(io.BytesIO(media), "r", format="mp4") as other,
        ):
            ends = [[list(c.demux(audio=0))[-2].pts or 0 for c in (one, other)]]
        assert ends[0][0] == pytest.approx(ends[0][1], abs=4096)


async def test_ranges_of_a_stream_are_played_with_aac(
    with_stream: Engine, api: httpx.AsyncClient, holder: httpx.AsyncClient, tmp_path: Path
) -> None:
    import av

    await add_footage(with_stream, clip_with(tmp_path, "ac3"), "ac3", gops=1)
    shots = [[START + 3.2, START + 4.8], [START + 0.2, START + 0.8]]
    made = (await api.post("/compile", json=[{"rtstream_id": STREAM, "shots": shots}])).json()["data"]
    page = (await holder.get("/playback.json", params=dict(httpx.URL(made["player_url"]).params))).json()
    urls = [page["fragments"][0]["init_url"], *(fragment["url"] for fragment in page["fragments"])]
    stored = b"".join([(await holder.get(f"/{url}")).content for url in urls])
    converted = [await served_bytes(holder, made["stream_url"]), await audio_of(holder, page)]
    for media in converted:
        with (
            av.open(io.BytesIO(stored), "r", format="mp4") as one,
            av.open(io.BytesIO(media), "r", format="mp4") as other,
        ):
            assert other.streams.audio[0].codec_context.name == "aac"
            ends = [list(container.demux(audio=0))[-2].pts or 0 for container in (one, other)]
            assert ends[0] == pytest.approx(ends[1], abs=4096)


async def test_a_part_that_cannot_be_converted_is_silent_and_delays_no_video(
    with_stream: Engine, holder: httpx.AsyncClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    called: list[object] = []

    async def hang(*args: object) -> list[bytes]:
        called.append(args)
        await anyio.sleep_forever()
        return []

    be_patient(monkeypatch, 0.3)
    monkeypatch.setattr(Extractor, "run", hang)
    await add_footage(with_stream, clip_with(tmp_path, "ac3"), "ac3")
    link = await with_stream.generate_stream(STREAM, START, START + SECONDS)
    begun = time.monotonic()
    media = await served_bytes(holder, link.stream_url)
    page = (await holder.get("/playback.json", params={"v": link.player_url.partition("v=")[2]})).json()
    refused = await holder.get("/" + page["fragments"][0]["aac_url"])
    assert time.monotonic() - begun < 2
    assert len(called) == 1  # then the recording is left alone for a while
    assert refused.status_code == 400
    assert "Download the recording" in refused.json()["message"]
    assert abs(heard(media)[1]).max() == 0
    assert media.count(SILENCE) >= SECONDS * 48000 // 1024
    import av

    with av.open(io.BytesIO(media), "r", format="mp4") as container:
        assert len(list(container.decode(video=0))) == 20 * SECONDS


async def test_the_first_request_waits_until_the_media_process_has_started(
    with_stream: Engine, holder: httpx.AsyncClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(playback_audio, "PATIENCE_S", 0.01)  # less than a start takes
    await add_footage(with_stream, clip_with(tmp_path, "ac3"), "ac3", gops=1)
    link = await with_stream.generate_stream(STREAM, START, START + 1)
    media = await served_bytes(holder, link.stream_url)
    assert abs(heard(media)[1]).max() > 0.3


@pytest.mark.long
async def test_a_late_conversion_is_used_by_the_next_request(
    with_stream: Engine, holder: httpx.AsyncClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    be_patient(monkeypatch, 0.05)
    await add_footage(with_stream, clip_with(tmp_path, "ac3"), "ac3")
    link = await with_stream.generate_stream(STREAM, START, START + SECONDS)
    audio = with_stream.media._audio
    async with audio._turn:
        silent = await served_bytes(holder, link.stream_url)
    assert abs(heard(silent)[1]).max() == 0
    await eventually(lambda: not audio._under_way)
    be_patient(monkeypatch, 20.0)
    assert abs(heard(await served_bytes(holder, link.stream_url))[1]).max() > 0.3
    assert len(audio._cache) == 3
