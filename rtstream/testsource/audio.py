"""Renders the audio of the synthetic source: a human reading, a synthetic voice or a soft tone pattern."""

from __future__ import annotations

import importlib.util
import io
import shutil
import subprocess
from pathlib import Path
from typing import Literal

import av
import numpy as np
from numpy.typing import NDArray

from rtstream.testsource.frames import SLIDE_SECONDS, SLIDES

RATE = 48000
"""Samples per second."""

Voice = Literal["reading", "espeak", "tones", "numbers"]
"""``reading``: the human reading included in the speech engine's package. ``espeak``: espeak-ng reads the slides'
sentences. ``tones``: soft tones without words, which need no installation. ``numbers``: a sentence of syllables every
two seconds, whose pitch is its number."""

SENTENCE_S = 2.0
SPOKEN_S = 1.2
"""Seconds of each sentence of ``numbers``. The rest is silence, at which speech recognition cuts."""
_LOWEST_HZ, _STEP_HZ = 400, 40
NUMBERED_SENTENCES = 64
"""Number of different sentences. They repeat after the last one."""


def available_voice() -> Voice:
    """Return the best voice available on this machine."""
    if _reading() is not None:
        return "reading"
    return "espeak" if shutil.which("espeak-ng") else "tones"


def render(voice: Voice, seconds: float) -> NDArray[np.int16]:
    """Return int16 [seconds * RATE] mono samples.

    Raises:
        FileNotFoundError: The voice is not available on this machine.
    """
    if voice == "reading":
        path = _reading()
        if path is None:
            raise FileNotFoundError("the reading is part of the package moonshine-voice, which is not installed")
        return _fit(_decode(path.read_bytes()), round(seconds * RATE))
    if voice == "espeak":
        return _spoken_slides(seconds)
    return _numbers(seconds) if voice == "numbers" else _tones(seconds)


def read_sentence(samples: NDArray[np.int16], rate: int) -> int:
    """Return the number of a sentence of the voice ``numbers``.

    Args:
        samples: int16 [samples], mono, with at least a third of the sentence.
        rate: Samples per second.

    Raises:
        ValueError: There is no such sentence.
    """
    power = np.abs(np.fft.rfft(samples * np.hanning(len(samples)))) if len(samples) else np.zeros(0)
    if not power.any():
        raise ValueError("the audio is silent")
    number = (int(power.argmax()) * rate / len(samples) - _LOWEST_HZ) / _STEP_HZ
    if abs(number - round(number)) > 0.25 or not 0 <= round(number) < NUMBERED_SENTENCES:
        raise ValueError("the audio is not a numbered sentence")
    return round(number)


def _reading() -> Path | None:
    # find_spec does not import a top-level package.
    spec = importlib.util.find_spec("moonshine_voice")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        path = Path(folder) / "assets" / "two_cities.wav"
        if path.is_file():
            return path
    return None


def _spoken_slides(seconds: float) -> NDArray[np.int16]:
    program = shutil.which("espeak-ng")
    if program is None:
        raise FileNotFoundError("espeak-ng is not on PATH")
    samples = np.zeros(round(seconds * RATE), np.int16)
    cached: dict[str, NDArray[np.int16]] = {}
    for index in range(int(seconds / SLIDE_SECONDS) + 1):
        text = SLIDES[index % len(SLIDES)].spoken
        if text not in cached:
            command = [program, "-v", "en-us", "-s", "165", "--stdout", text]
            cached[text] = _decode(subprocess.run(command, capture_output=True, check=True, timeout=30).stdout)
        start = round(index * SLIDE_SECONDS * RATE)
        slot = samples[start : start + round(SLIDE_SECONDS * RATE)]
        slot[:] = _fit(cached[text], len(slot))
    return samples


def _tones(seconds: float) -> NDArray[np.int16]:
    """Return soft tones of half a second, with a new pitch every second."""
    time = np.arange(round(seconds * RATE)) / RATE
    pitch = 220 * 2 ** (np.floor(time) % 5 / 5)
    audible = np.clip(np.sin(2 * np.pi * (time % 1)), 0, None)
    return (3000 * audible * np.sin(2 * np.pi * pitch * (time % 1))).astype(np.int16)


def _numbers(seconds: float) -> NDArray[np.int16]:
    """Return sentences of five syllables each."""
    time = np.arange(round(seconds * RATE)) / RATE
    within = time % SENTENCE_S
    pitch = _LOWEST_HZ + _STEP_HZ * (np.floor(time / SENTENCE_S) % NUMBERED_SENTENCES)
    syllable = np.sin(np.pi * 5 * within / SPOKEN_S) ** 2 * (within < SPOKEN_S)
    return (12000 * syllable * np.sin(2 * np.pi * pitch * within)).astype(np.int16)


def _decode(wav: bytes) -> NDArray[np.int16]:
    """Return the samples of a WAV file as mono at RATE."""
    resampler = av.AudioResampler(format="s16", layout="mono", rate=RATE)
    with av.open(io.BytesIO(wav), "r") as container:
        frames = [piece for frame in container.decode(audio=0) for piece in resampler.resample(frame)]
    frames += resampler.resample(None)
    return np.concatenate([frame.to_ndarray()[0] for frame in frames])


def _fit(samples: NDArray[np.int16], length: int) -> NDArray[np.int16]:
    """Return exactly ``length`` samples, truncated or padded with silence."""
    return np.pad(samples[:length], (0, max(0, length - len(samples))))
