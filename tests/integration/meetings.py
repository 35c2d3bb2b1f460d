"""A meeting with slides and a voice on an RTMP server, and the words of a recording."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import anyio
import av

from rtstream.perception.speech.local import LocalSpeech
from tests.sources import on_nginx

SPOKEN = (
    "Good morning. Here are the action items and next steps. Ben writes the report until Friday. "
    "Anna calls the customer on Monday."
)


@contextmanager
def meeting(tmp_path: Path, clip: Path, *, audio: bool = True, audio_after_s: float = 0.0) -> Iterator[str]:
    """Slides, and a voice that names the action items, on nginx's RTMP server."""
    sound: tuple[str, ...] = ("-an",)
    if audio:
        voice = tmp_path / "voice.wav"
        subprocess.run(["espeak-ng", "-v", "en-us", "-s", "150", "-w", str(voice), SPOKEN], check=True, timeout=30)
        sound = ("-stream_loop", "-1", "-i", str(voice), "-c:a", "aac", "-ar", "44100")
        if audio_after_s:
            sound = _late(voice, audio_after_s)
    with on_nginx(tmp_path, "-stream_loop", "-1", "-i", str(clip), *sound, "-c:v", "copy") as url:
        yield url


def _late(voice: Path, after_s: float) -> tuple[str, ...]:
    """Options for audio that begins later. It is encoded before, because the publisher would wait for an encoder."""
    encoded = voice.with_suffix(".m4a")
    convert = ["ffmpeg", "-v", "error", "-i", str(voice), "-c:a", "aac", "-ar", "44100", str(encoded)]
    subprocess.run(convert, check=True, timeout=30)
    later = ("-re", "-itsoffset", str(after_s), "-stream_loop", "-1", "-i", str(encoded), "-c:a", "copy")
    return (*later, "-max_interleave_delta", "100000", "-flush_packets", "1")


def heard(url: str) -> str:
    """Return the words that are spoken at the URL of a playlist."""
    resampler = av.AudioResampler("s16", "mono", 16_000)
    with av.open(url) as container:
        pieces = [piece for frame in container.decode(audio=0) for piece in resampler.resample(frame)]
    sound = b"".join(piece.to_ndarray().tobytes() for piece in pieces)

    async def transcribe() -> str:
        provider = LocalSpeech()
        try:
            session = await provider.open()
            await session.feed(sound)
            await session.finish()
            return " ".join([said.text async for said in session.utterances() if said.is_final])
        finally:
            await provider.aclose()

    return anyio.run(transcribe)
