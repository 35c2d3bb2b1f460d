"""The player page in a real browser: a track that it cannot play takes no other track with it."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette

from rtstream.messages import RecordingStarted
from rtstream.mp4.recordings import StoredRecording
from rtstream.rules.playlist import Segment
from tests.rtstream.api import test_player_page as page_tests
from tests.rtstream.recorder.test_writer import record, segments_of

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is not installed"),
]
browser = page_tests.browser

T0 = page_tests.T0
SECONDS = 2


@dataclass
class Recorded:
    """A recording of the test: its segments, and the codecs that the engine tells the page."""

    stored: StoredRecording
    segments: list[Segment]
    codecs: str


def recorded(folder: Path, name: str, start: float, *audio: str) -> Recorded:
    media = folder / f"{name}.mkv"
    command = ["ffmpeg", "-v", "error", "-y", "-f", "lavfi", "-i", "testsrc2=size=160x90:rate=20"]
    command += ["-f", "lavfi", "-i", "sine=440:sample_rate=48000", "-t", str(SECONDS), "-c:v", "libx264", "-g", "10"]
    command += ["-preset", "ultrafast", "-bf", "0", "-pix_fmt", "yuv420p", *(audio or ["-an"]), str(media)]
    subprocess.run(command, check=True, timeout=30)
    sent = record(media, folder, 1.0, start=start - 1)  # its timeline begins a second later
    [opened] = [message for message in sent if isinstance(message, RecordingStarted)]
    closed = segments_of(sent)
    [path] = {each.path for each in closed}
    (folder / name).mkdir()
    (folder / path).rename(folder / name / "recording.m4s")
    segments = [Segment(each.start, each.duration, name, name, each.offset, each.length) for each in closed]
    return Recorded(StoredRecording(opened.payload, []), segments, opened.codecs)


Opener = Callable[..., page_tests.Shown]


@pytest.fixture
def open_page(browser: Any, tmp_path: Path) -> Iterator[Opener]:
    """Open the page for recordings that follow each other, each with the options of its audio."""
    closing: list[Any] = []

    def visit(*audio: list[str], codecs: str = "") -> page_tests.Shown:
        found = [recorded(tmp_path, chr(97 + n), T0 + n * SECONDS, *each) for n, each in enumerate(audio)]
        recordings = {chr(97 + n): each.stored for n, each in enumerate(found)}
        segments = [segment for each in found for segment in each.segments]
        window = page_tests.window(segments, T0, T0 + len(audio) * SECONDS, recordings)
        for fragment in window["fragments"]:
            own = codecs or found[ord(fragment["recording_id"]) - 97].codecs
            fragment["mime"] = f'video/mp4; codecs="{own}"'
        serving = page_tests.serving(Starlette(routes=page_tests.routes({"x": window}, segments, recordings, tmp_path)))
        url = serving.__enter__()
        context = browser.new_context(viewport={"width": 1000, "height": 900}, bypass_csp=True)
        closing.extend((serving, context))
        shown = page_tests.Shown(context.new_page())
        shown.page.goto(f"{url}/watch?v=x")
        return shown

    yield visit
    for one in reversed(closing):
        if hasattr(one, "close"):
            one.close()
        else:
            one.__exit__(None, None, None)


def heard(shown: page_tests.Shown) -> int:
    return int(shown.page.evaluate("document.querySelector('video').webkitAudioDecodedByteCount"))


def limits(shown: page_tests.Shown) -> str:
    shown.page.wait_for_selector("#limits:not([hidden])", timeout=10_000)
    return str(shown.page.inner_text("#limits"))


@pytest.mark.parametrize(("codec", "name"), [("mp2", "MP2"), pytest.param("ac3", "AC-3", marks=pytest.mark.long)])
def test_audio_that_the_browser_cannot_play_leaves_the_video(codec: str, name: str, open_page: Opener) -> None:
    shown = open_page(["-c:a", codec])
    shown.until_time(1.0)
    assert limits(shown) == f"This browser cannot play {name} audio, so it is silent."
    assert shown.page.get_attribute("#player", "data-state") == "playing"
    assert heard(shown) == 0
    assert shown.errors == []
    if folder := os.environ.get("SCREENSHOTS"):
        shown.page.screenshot(path=f"{folder}/{codec}.png")


def test_mp3_is_played(open_page: Opener) -> None:
    shown = open_page(["-c:a", "libmp3lame"])
    shown.until_time(1.2)
    assert heard(shown) > 0
    assert shown.page.locator("#limits").is_hidden()
    assert shown.errors == []


def test_audio_under_the_name_of_another_codec_leaves_the_video(open_page: Opener) -> None:
    shown = open_page(["-c:a", "mp2"], codecs="avc1.42C00A,mp4a.6B")
    shown.until_time(1.0)
    assert limits(shown) == "This browser cannot play the audio, so the recording is silent."
    assert shown.page.get_attribute("#player", "data-state") == "playing"


def test_recordings_with_and_without_audio_play_one_after_the_other(open_page: Opener) -> None:
    shown = open_page([], ["-c:a", "aac"], ["-c:a", "ac3"], ["-c:a", "libopus"])
    ahead = f"(b => b.length && b.end(b.length - 1) >= {4 * SECONDS})(document.querySelector('video').buffered)"
    shown.until(ahead)
    for at in (1.5, 3.5, 5.5):
        shown.page.evaluate(f"document.querySelector('video').currentTime = {at} + 1")
        shown.until_time(at + 0.7)
    shown.until_state("ended")
    assert heard(shown) > 0
    assert "AC-3" in limits(shown)
    assert shown.errors == []


def test_the_page_names_the_video_that_the_browser_cannot_play(open_page: Opener) -> None:
    shown = open_page(["-c:a", "aac"], codecs="hvc1.2.4.L999.B0,mp4a.40.2")
    shown.until_state("failed")
    advice = "Open this page in another one."
    assert shown.page.inner_text("#failure") == f"This browser cannot play HEVC (H.265) video. {advice}"


def test_the_silence_of_the_page_is_silent() -> None:
    import av

    with av.open(str(page_tests.STATIC / "silence.mp4")) as container:
        frames = list(container.decode(audio=0))
    assert len(frames) == 47
    assert max(float(abs(frame.to_ndarray()).max()) for frame in frames) == 0
