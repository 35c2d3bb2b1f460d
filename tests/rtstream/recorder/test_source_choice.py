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


def spec(url: str, folder: Path, **more: Any) -> RecorderSpec:
    settings: dict[str, Any] = {"allow_networks": "loopback"} | more
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


def variants(folder: Path, order: Sequence[int], sized: bool) -> set[str]:
    """Write ``all.m3u8``, whose variants have these widths and bit rates in their order of size. Returns the names."""
    lines = ["#EXTM3U"]
    for width in order:
        height = width * 9 // 16 // 2 * 2
        path = program_stream(folder / f"{width}.ts", [(width, height)])
        (folder / f"{width}.m3u8").write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\n{path.name}\n")
        size = f",RESOLUTION={width}x{height}" if sized else ""
        lines += [f"#EXT-X-STREAM-INF:BANDWIDTH={1000 * width}{size}", f"{width}.m3u8"]
    (folder / "all.m3u8").write_text("\n".join(lines) + "\n")
    return {f"{width}.ts" for width in order}


@pytest.mark.parametrize(
    ("order", "max_height", "read"),
    [((160, 320, 240), 0, 320), ((320, 240, 160), 150, 240), ((240, 160, 320), 20, 160)],
)
@pytest.mark.parametrize("sized", [True, pytest.param(False, marks=pytest.mark.long)], ids=["sizes", "bandwidths"])
def test_the_best_variant_that_fits_is_read(
    order: tuple[int, ...], max_height: int, read: int, sized: bool, tmp_path: Path
) -> None:
    if shutil.which("ffmpeg") is None:
        pytest.skip("ffmpeg is not installed")
    names = variants(tmp_path, order, sized)
    with served_folder(tmp_path) as base:
        source = open_source(spec(f"{base}/all.m3u8", tmp_path, max_height=max_height))
        assert source.media["width"] == read
        listed = source.media["tracks"]
        assert isinstance(listed, list)
        assert len(listed) == 3
        if sized:  # no other one was downloaded
            for name in names - {f"{read}.ts"}:
                (tmp_path / name).unlink()
            source.close()
            source = open_source(spec(f"{base}/all.m3u8", tmp_path, max_height=max_height))
        source.close()


def test_another_variant_is_read_if_the_best_one_is_not_there(tmp_path: Path) -> None:
    if shutil.which("ffmpeg") is None:
        pytest.skip("ffmpeg is not installed")
    variants(tmp_path, (160, 320), True)
    (tmp_path / "320.m3u8").unlink()
    with served_folder(tmp_path) as base:
        source = open_source(spec(f"{base}/all.m3u8", tmp_path))
        assert source.media["width"] == 160
        source.close()


@pytest.mark.parametrize(
    ("tracks", "language", "channels"), [("", "", 1), ("de", "", 2), ("a3", "", 3), ("", "fr", 3), ("en", "de", 1)]
)
def test_the_audio_of_a_transport_stream_is_chosen_by_its_language(
    tracks: str, language: str, channels: int, tmp_path: Path
) -> None:
    """English, German and French with one, two and three channels."""
    if shutil.which("ffmpeg") is None:
        pytest.skip("ffmpeg is not installed")
    names = [part for n, one in enumerate(("eng", "ger", "fra")) for part in (f"-metadata:s:a:{n}", f"language={one}")]
    command = ["ffmpeg", "-v", "error", "-y", "-f", "lavfi", "-i", "testsrc2=size=160x90:rate=10"]
    command += ["-f", "lavfi", "-i", "sine", "-map", "0", *["-map", "1"] * 3, "-ac:a:0", "1", "-ac:a:1", "2"]
    command += ["-ac:a:2", "3", "-t", "3", "-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-c:a"]
    subprocess.run([*command, "aac", *names, str(tmp_path / "a.ts")], check=True, timeout=60)
    with served(((tmp_path / "a.ts").read_bytes(), 0.0)) as url:
        source = open_source(spec(url, tmp_path, tracks=tracks, language=language))
        assert source.audio is not None
        assert source.audio.codec_context.channels == channels
        listed = source.media["tracks"]
        assert isinstance(listed, list)
        assert [(one["id"], one["language"]) for one in listed] == [("a1", "eng"), ("a2", "ger"), ("a3", "fra")]  # pyright: ignore[reportArgumentType, reportIndexIssue, reportCallIssue]
        source.close()
