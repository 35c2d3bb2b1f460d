"""Audio of recorded files for speech recognition."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest

from rtstream.extract.audio import extract_audio
from rtstream.storage import LocalFiles


@pytest.mark.parametrize("channels", ["c0|c0", "c0|-1*c0", "c0|0*c0", "c0"])
def test_a_tone_is_heard_whatever_the_phase_of_its_channels(tmp_path: Path, channels: str) -> None:
    layout = "stereo" if "|" in channels else "mono"
    tone = f"sine=frequency=440:duration=3,volume=4,pan={layout}|" + "|".join(
        f"c{number}={source}" for number, source in enumerate(channels.split("|"))
    )
    command = ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", tone, "-c:a", "aac", str(tmp_path / "tone.mp4")]
    subprocess.run(command, check=True, timeout=20)
    samples = np.frombuffer(extract_audio(LocalFiles(str(tmp_path)), "tone.mp4", 1.0, 1.0), "<i2")
    assert len(samples) == 16_000
    assert np.sqrt(np.square(samples.astype(float)).mean()) > 2000
