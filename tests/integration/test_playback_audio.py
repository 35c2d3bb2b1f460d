"""Audio that Chromium does not play is heard on the player page and in its own HLS player."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import httpx
import pytest

from rtstream.api.server import serve
from rtstream.config import EngineConfig
from rtstream.engine.engine import Engine
from rtstream.engine.recordings import playback_audio
from tests.rtstream.api.test_player_page import CHROMIUM, FLAGS, Shown
from tests.rtstream.engine.recordings.test_exports import KEY, STREAM, add_stream
from tests.rtstream.engine.recordings.test_playback_audio import SECONDS, START, add_footage, clip_with, served_bytes

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.browser,
    pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is not installed"),
]

LISTEN = """() => {
    const video = document.querySelector('video'), context = new AudioContext();
    window.analyser = context.createAnalyser();
    window.analyser.fftSize = 8192;
    context.createMediaElementSource(video).connect(window.analyser).connect(context.destination);
}"""
FREQUENCY = """(() => {
    const bins = new Float32Array(window.analyser.frequencyBinCount);
    window.analyser.getFloatFrequencyData(bins);
    const loudest = bins.indexOf(Math.max(...bins));
    return bins[loudest] < -60 ? 0 : loudest * window.analyser.context.sampleRate / window.analyser.fftSize;
})()"""
NATIVE = "delete window.MediaSource; delete window.ManagedMediaSource"


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(playback_audio, "PATIENCE_S", 30.0)


@asynccontextmanager
async def playing(tmp_path: Path, codec: str) -> AsyncIterator[tuple[Engine, str]]:
    """An engine with a recording, and the URL of its player page."""
    if not CHROMIUM.exists():
        pytest.fail("Chromium is not installed") if os.environ.get("CI") else pytest.skip("Chromium is not installed")
    ready, stop, urls = anyio.Event(), anyio.Event(), []

    def on_ready(url: str) -> None:
        urls.append(url)
        ready.set()

    async def listen(engine: Engine) -> None:
        await serve(engine, host="127.0.0.1", port=0, on_ready=on_ready, should_exit=stop)

    config = EngineConfig(data_dir=tmp_path / "data", api_key=KEY, local_vision=False, min_free_gb=0)
    async with Engine(config) as engine, anyio.create_task_group() as tasks:
        await add_stream(engine)
        await add_footage(engine, clip_with(tmp_path, codec, tone="0.5*sin(2*PI*(440+440*floor(t/3))*t)"), codec)
        tasks.start_soon(listen, engine)
        with anyio.fail_after(10):
            await ready.wait()
        link = await engine.generate_stream(STREAM, START, START + SECONDS)
        async with httpx.AsyncClient(base_url=urls[0], timeout=60) as client:
            await served_bytes(client, link.stream_url)  # a busy machine starts the media process late
        yield engine, f"{urls[0]}/watch?v={link.player_url.partition('v=')[2]}"
        stop.set()


def in_browser(url: str, look: Callable[[Shown], None], before: str = "") -> None:
    driver = pytest.importorskip("playwright.sync_api")
    with driver.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page: Any = browser.new_context(bypass_csp=True).new_page()
        page.add_init_script(before)
        shown = Shown(page)
        page.goto(url)
        shown.until_state("playing")
        look(shown)
        browser.close()


def until_heard(shown: Shown, frequency: int) -> None:
    shown.until(f"Math.abs({FREQUENCY} - {frequency}) < 12")


def both_tones(shown: Shown) -> None:
    shown.page.evaluate(LISTEN)
    until_heard(shown, 440)
    shown.page.keyboard.press("Home")
    shown.page.keyboard.press("ArrowRight")  # 5 s, beyond the change of the tone
    until_heard(shown, 880)
    shown.page.keyboard.press("Home")
    until_heard(shown, 440)
    assert shown.page.locator("#limits").is_hidden()
    assert shown.errors == []


PAGE, HLS = "", NATIVE
PAIRS = [("ac3", PAGE), ("mp2", PAGE), ("mp2", HLS), ("ac3", HLS), ("eac3", PAGE), ("alac", PAGE), ("libmp3lame", HLS)]


@pytest.mark.long
@pytest.mark.parametrize(("codec", "before"), PAIRS)
async def test_audio_that_the_browser_lacks_is_heard(codec: str, before: str, tmp_path: Path) -> None:
    async with playing(tmp_path, codec) as (_, url):
        await anyio.to_thread.run_sync(in_browser, url, both_tones, before)


def the_note(shown: Shown) -> None:
    shown.until_time(1.0)
    assert "AC-3 audio, and parts could not be converted, so they are silent" in shown.page.inner_text("#limits")
    shown.page.keyboard.press("End")
    shown.until_state("ended")
    assert shown.page.get_attribute("#player", "data-state") == "ended"


@pytest.mark.long
async def test_audio_that_cannot_be_converted_takes_no_video_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(playback_audio, "aac_frames", refuse)
    async with playing(tmp_path, "ac3") as (_, url):
        await anyio.to_thread.run_sync(in_browser, url, the_note)


def refuse(*_: object) -> list[bytes]:
    raise ValueError("the decoder refuses")
