"""Video and audio are of one program, and of several the largest video is taken."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from rtstream.messages import RecorderSpec
from rtstream.recorder.source import open_source
from tests.rtstream.recorder.recorder_sources import served, served_folder


def spec(url: str, folder: Path) -> RecorderSpec:
    settings: dict[str, Any] = {"allow_networks": "loopback"}
    return RecorderSpec("rts-test", url, ["video", "audio"], True, str(folder), 4.0, 4.0, 10.0, **settings)


def program_stream(path: Path, sizes: Sequence[tuple[int, int]], *mapping: str) -> Path:
    """A transport stream with video and audio per size; the audio of size ``n`` has ``n + 1`` channels."""
    command = ["ffmpeg", "-v", "error", "-y"]
    for width, height in sizes:
        command += ["-f", "lavfi", "-i", f"testsrc2=size={width}x{height}:rate=10", "-f", "lavfi", "-i", "sine"]
    for number in range(2 * len(sizes)):
        command += ["-map", str(number)]
    for number in range(len(sizes)):
        command += [f"-ac:a:{number}", str(number + 1)]
    command += ["-t", "4", "-c:v", "libx264", "-preset", "ultrafast", "-g", "10", "-pix_fmt", "yuv420p", "-c:a", "aac"]
    subprocess.run([*command, *mapping, str(path)], check=True, timeout=60)
    return path


@pytest.mark.parametrize("sizes", [[(320, 180), (160, 90)], [(160, 90), (320, 180)]])
def test_video_and_audio_are_of_the_program_with_the_largest_video(
    sizes: list[tuple[int, int]], tmp_path: Path
) -> None:
    if shutil.which("ffmpeg") is None:
        pytest.skip("ffmpeg is not installed")
    programs = ["-program", "title=A:st=0:st=1", "-program", "title=B:st=2:st=3"]
    path = program_stream(tmp_path / "two.ts", sizes, *programs)
    with served((path.read_bytes(), 2.0)) as url:
        source = open_source(spec(url, tmp_path))
        assert source.media["width"] == 320
        assert source.audio is not None
        assert source.audio.codec_context.channels == sizes.index((320, 180)) + 1
        source.close()


@pytest.mark.parametrize("order", [(160, 320, 240), (320, 240, 160), (240, 160, 320)])
def test_the_largest_variant_of_an_hls_source_is_read_in_any_order(order: tuple[int, ...], tmp_path: Path) -> None:
    if shutil.which("ffmpeg") is None:
        pytest.skip("ffmpeg is not installed")
    lines = ["#EXTM3U"]
    for number, width in enumerate(order):
        path = program_stream(tmp_path / f"{width}.ts", [(width, width * 9 // 16 // 2 * 2)])
        (tmp_path / f"{width}.m3u8").write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\n{path.name}\n")
        lines += [f"#EXT-X-STREAM-INF:BANDWIDTH={100000 + number}", f"{width}.m3u8"]
    (tmp_path / "all.m3u8").write_text("\n".join(lines) + "\n")
    with served_folder(tmp_path) as base:
        source = open_source(spec(f"{base}/all.m3u8", tmp_path))
        assert source.media["width"] == 320
        source.close()
