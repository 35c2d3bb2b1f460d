"""Media files of each pair of codecs, which number their frames and sentences."""

from __future__ import annotations

import subprocess
from pathlib import Path

from filelock import FileLock

from rtstream.testsource import ClipSpec, make_clip
from tests.matrix.cells import Cell

CLIP = ClipSpec(width=320, height=180, fps=10, seconds=64, gop=10, bitrate=300_000, voice="numbers")
ENCODERS = {
    "h264": ("-c:v", "copy"),
    "hevc": ("-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "keyint=10:bframes=0:log-level=error"),
    "av1": ("-c:v", "libsvtav1", "-preset", "10", "-g", "10", "-svtav1-params", "pred-struct=1"),
    "mjpeg": ("-c:v", "mjpeg", "-q:v", "4"),
    "aac": ("-c:a", "copy"),
    "pcm_alaw": ("-c:a", "pcm_alaw", "-ar", "8000"),
    "opus": ("-c:a", "libopus", "-b:a", "64k"),
    "mp3": ("-c:a", "libmp3lame", "-b:a", "96k"),
    "ac3": ("-c:a", "ac3", "-b:a", "128k"),
}


def media_of(cell: Cell, folder: Path) -> Path:
    """Return the Matroska file with the codecs of a cell, encoding it if it is not in the folder."""
    path = folder / f"matrix-{cell.video or 'none'}-{cell.audio or 'none'}.mkv"
    with FileLock(f"{path}.lock"):
        if not path.exists():
            unfinished = path.with_suffix(".part.mkv")
            command = ["ffmpeg", "-v", "error", "-y", "-i", str(make_clip(CLIP, folder))]
            command += ENCODERS[cell.video] if cell.video else ["-vn"]
            command += ENCODERS[cell.audio] if cell.audio else ["-an"]
            subprocess.run([*command, str(unfinished)], check=True, timeout=120)
            unfinished.replace(path)
    return path
