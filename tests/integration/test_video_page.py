"""Exported videos in a real browser: on the player page, as a file, and compiled from parts."""

from __future__ import annotations

import base64
import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread
import httpx
import numpy as np
import pytest
from PIL import Image

from rtstream.api.server import serve
from rtstream.config import EngineConfig
from rtstream.engine.engine import Engine
from rtstream.testsource import read_barcode
from tests.rtstream.api.test_player_page import CHROMIUM, FLAGS, Shown
from tests.rtstream.engine.recordings.test_exports import KEY, START, STREAM, add_recording, add_stream

if TYPE_CHECKING:
    from rtstream.testsource import ClipSpec

pytestmark = [pytest.mark.anyio, pytest.mark.browser]

FILE = '<video id="v" crossorigin="anonymous" muted src="{url}"></video>'
PICTURE = """() => {
    const video = document.getElementById('v'), canvas = document.createElement('canvas');
    [canvas.width, canvas.height] = [video.videoWidth, video.videoHeight];
    canvas.getContext('2d').drawImage(video, 0, 0);
    return canvas.toDataURL('image/png').split(',')[1];
}"""


@pytest.fixture(scope="module")
def source(clip_of: Callable[[ClipSpec], Path]) -> Path:
    from rtstream.testsource import ClipSpec

    return clip_of(ClipSpec(width=320, height=180, seconds=8, gop=30, bframes=2, bitrate=300_000, voice="tones"))


async def test_an_exported_video_plays_in_a_browser(source: Path, tmp_path: Path) -> None:
    if not CHROMIUM.exists():
        pytest.fail("Chromium is not installed") if os.environ.get("CI") else pytest.skip("Chromium is not installed")
    config = EngineConfig(data_dir=tmp_path / "data", api_key=KEY, local_vision=False, min_free_gb=0)
    ready, stop, urls = anyio.Event(), anyio.Event(), []

    def on_ready(url: str) -> None:
        urls.append(url)
        ready.set()

    async def listen(engine: Engine) -> None:
        await serve(engine, host="127.0.0.1", port=0, on_ready=on_ready, should_exit=stop)

    async with Engine(config) as engine, anyio.create_task_group() as tasks:
        await add_stream(engine)
        await add_recording(engine, source, 1, START)
        await add_recording(engine, source, 2, START + 60)
        tasks.start_soon(listen, engine)
        with anyio.fail_after(10):
            await ready.wait()
        async with httpx.AsyncClient(base_url=urls[0], headers={"x-access-token": KEY}) as api:
            wanted = {"start": START + 6.37, "end": START + 62}
            made = (await api.post(f"/rtstream/{STREAM}/export", json=wanted)).json()["data"]
            shots = [{"video_id": made["video_id"], "shots": [[2.0, 2.4], [0.1, 0.5]]}]
            compiled = (await api.post("/compile", json=shots)).json()["data"]
        await anyio.to_thread.run_sync(watch, made, compiled["player_url"])
        stop.set()


def watch(made: dict[str, Any], compiled_url: str) -> None:
    driver = pytest.importorskip("playwright.sync_api")
    with driver.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        # Waiting for a condition evaluates text in the page, which the page's own policy forbids.
        context = browser.new_context(bypass_csp=True)
        on_the_page(context.new_page(), made["player_url"])
        as_a_file(context.new_page(), made)
        compiled(context.new_page(), compiled_url)
        browser.close()


def on_the_page(page: Any, url: str) -> None:
    """Both recordings, across the gap, with the wall clock of each."""
    shown = Shown(page)
    page.goto(url)
    shown.until_state("playing")
    shown.until_time(0.3)
    first = shown.picture()
    assert 191 <= first < 240
    shown.until("document.getElementById('notice').textContent.startsWith('No recording from')")
    shown.until_state("ended")
    assert shown.picture() == 59
    assert page.get_attribute("#clock", "datetime").startswith("2026-09-21T14:14:2")
    assert page.is_visible("#download")
    assert shown.errors == []


def as_a_file(page: Any, made: dict[str, Any]) -> None:
    """The first picture is the one that was asked for, and the last one comes at the end."""
    page.goto(made["player_url"].replace("/watch", "/health").partition("?")[0])
    page.set_content(FILE.format(url=made["download_url"]))
    page.wait_for_function("document.getElementById('v').readyState >= 2")
    assert page.evaluate("document.getElementById('v').duration") == pytest.approx(made["duration"], abs=0.05)
    assert numbered(page) == 191
    page.evaluate("document.getElementById('v').currentTime = 0.5")
    page.wait_for_function("!document.getElementById('v').seeking")
    assert numbered(page) == 206
    page.evaluate("document.getElementById('v').currentTime = document.getElementById('v').duration - 0.02")
    page.wait_for_function("!document.getElementById('v').seeking")
    assert numbered(page) == 59


def numbered(page: Any) -> int:
    picture = Image.open(io.BytesIO(base64.b64decode(page.evaluate(PICTURE)))).convert("RGB")
    return read_barcode(np.asarray(picture))


def compiled(page: Any, url: str) -> None:
    """Parts in the order asked for; there is no clock they have in common."""
    shown = Shown(page)
    page.goto(url)
    shown.until_state("playing")
    assert not page.is_visible("#clock")
    assert not page.is_visible("#download")
    shown.until_state("ended")
    assert 180 <= shown.picture() < 240
    assert shown.errors == []
