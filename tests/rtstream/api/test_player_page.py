"""The player page in a real browser: the exact window, its pictures, its gap, its marks."""

from __future__ import annotations

import base64
import io
import os
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import uvicorn
from PIL import Image
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

import rtstream.api
from rtstream.mp4.fragments import codecs
from rtstream.mp4.recordings import StoredRecording
from rtstream.rules.playlist import Segment, coverage, playlist
from rtstream.testsource import ClipSpec, read_barcode
from tests.sources import path_of, record

pytestmark = pytest.mark.browser

STATIC = Path(rtstream.api.__file__).parent / "static"
CHROMIUM = Path("/usr/bin/chromium")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
]
POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; media-src blob:; img-src data:"
FPS = 30
T0 = 1_700_000_000.0
# Two recordings of 6 s with 4 s nothing between them, and a window that begins and ends inside a GOP.
START, GAP, END = T0 + 1.37, (T0 + 6.0, T0 + 10.0), T0 + 13.5
LABEL = '<img src=x onerror="document.title=1"> Invoice 4711'


class Shown:
    """A page that plays the window, with what a test reads off it."""

    def __init__(self, page: Any) -> None:
        self.page = page
        self.errors: list[str] = []
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("console", lambda message: self.errors.append(message.text) if message.type == "error" else None)

    def time(self) -> float:
        """Seconds in the window, as the slider tells."""
        return float(self.page.get_attribute("#timeline", "aria-valuenow"))

    def picture(self) -> int:
        """The frame number in the picture on the screen."""
        data = self.page.evaluate(
            """() => {
                const video = document.querySelector('video');
                const canvas = document.createElement('canvas');
                [canvas.width, canvas.height] = [video.videoWidth, video.videoHeight];
                canvas.getContext('2d').drawImage(video, 0, 0);
                return canvas.toDataURL('image/png').split(',')[1];
            }"""
        )
        return read_barcode(np.asarray(Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB")))

    def until(self, condition: str) -> None:
        self.page.wait_for_function(condition, timeout=10_000)

    def until_state(self, state: str) -> None:
        self.page.wait_for_selector(f'#player[data-state="{state}"]', state="attached", timeout=10_000)

    def until_time(self, seconds: float) -> None:
        self.until(f"Number(document.getElementById('timeline').getAttribute('aria-valuenow')) >= {seconds}")

    def until_still(self) -> None:
        """The picture of the position is there."""
        self.until("!document.querySelector('video').seeking && document.querySelector('video').readyState >= 2")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    if not CHROMIUM.exists():
        pytest.fail("Chromium is not installed") if os.environ.get("CI") else pytest.skip("Chromium is not installed")
    driver = pytest.importorskip("playwright.sync_api")
    with driver.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


def fragments(recording: StoredRecording, recording_id: str, end: float) -> list[Segment]:
    ends = [piece.start for piece in recording.pieces[1:]] + [end]
    return [
        Segment(
            piece.start, until - piece.start, recording_id, path_of(piece.key).parent.name, piece.offset, piece.length
        )
        for piece, until in zip(recording.pieces, ends, strict=True)
    ]


def window(segments: list[Segment], start: float, end: float, recordings: dict[str, StoredRecording]) -> dict[str, Any]:
    """The data of a window for the page."""
    covered, gaps = coverage(segments, start, end)
    return {
        "title": "Desk <b>camera</b>",
        "description": "What was on the screen",
        "start": start,
        "end": end,
        "stream_url": "/good.m3u8",
        "covered": covered,
        "gaps": gaps,
        "live": False,
        "fragments": [
            {
                "start": s.start,
                "duration": s.duration,
                "recording_id": s.recording_id,
                "init_url": f"/init/{s.recording_id}",
                "url": f"/media/{s.path}",
                "offset": s.offset,
                "length": s.length,
                "mime": f'video/mp4; codecs="{codecs(recordings[s.recording_id[0]].init)}"',
            }
            for s in segments
        ],
        "marks": [
            {"kind": "scene", "start": T0 + 2, "end": T0 + 4, "label": "A terminal is open"},
            {"kind": "alert", "start": T0 + 11, "end": T0 + 11.5, "label": LABEL},
        ],
        "download_url": None,
    }


@pytest.fixture
def base_url(request: pytest.FixtureRequest, clip_of: Callable[[ClipSpec], Path], tmp_path: Path) -> Iterator[str]:
    """A server with the page and its window."""
    clip = clip_of(
        ClipSpec(
            width=320,
            height=180,
            seconds=6,
            gop=15,
            bframes=getattr(request, "param", 2),
            bitrate=300_000,
            voice="tones",
        )
    )
    starts = {"a": T0, "b": GAP[1]}
    # Recordings of before there were media times begin at zero.
    old = {"a": 0} if getattr(request, "param", 2) == 0 else {}
    recordings = {
        name: record(clip, tmp_path / name, start=start, audio=True, media_time=old.get(name))
        for name, start in starts.items()
    }
    segments = [s for name, recording in recordings.items() for s in fragments(recording, name, starts[name] + 6.0)]
    segments = [s for s in segments if s.start < END and s.end > START]
    # The same recording over and over: 20 recordings, one after the other without a gap.
    many = [
        s._replace(start=s.start + 6 * n, recording_id=f"a{n}")
        for n in range(20)
        for s in fragments(recordings["a"], "a", T0 + 6)
    ]
    windows = {
        "good": window(segments, START, END, recordings),
        "long": window(many, T0, T0 + 120, recordings),
    }
    assert windows["good"]["gaps"] == [GAP]
    with serving(Starlette(routes=routes(windows, segments, recordings, tmp_path))) as url:
        yield url


def routes(
    windows: dict[str, dict[str, Any]], segments: list[Segment], recordings: dict[str, StoredRecording], folder: Path
) -> list[BaseRoute]:
    """The page, the windows by their tokens, and the recordings in a folder."""

    async def playback(request: Request) -> Response:
        if (token := request.query_params.get("v")) in windows:
            return JSONResponse({"success": True, "data": windows[token]})
        return JSONResponse({"success": False, "message": "This playback link has expired."}, 410)

    async def media(request: Request) -> Response:
        return FileResponse(folder / request.path_params["name"] / "recording.m4s")

    async def init(request: Request) -> Response:
        return Response(recordings[request.path_params["name"][0]].init)

    async def manifest(_: Request) -> Response:
        made = playlist(segments, START, init_url="/init/{}".format, segment_url="/media/{}".format)
        return Response(made, media_type="application/vnd.apple.mpegurl")

    async def page(_: Request) -> Response:
        return FileResponse(STATIC / "player.html", headers={"content-security-policy": POLICY})

    return [
        Route("/watch", page),
        Route("/embed", page),
        Route("/playback.json", playback),
        Route("/init/{name}", init),
        Route("/media/{name}", media),
        Route("/good.m3u8", manifest),
        Mount("/static", StaticFiles(directory=STATIC)),
    ]


@contextmanager
def serving(app: Starlette) -> Iterator[str]:
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning", lifespan="off"))
    sockets = [server.config.bind_socket()]
    thread = threading.Thread(target=server.run, args=(sockets,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(10)
        sockets[0].close()


@pytest.fixture
def open_page(browser: Any, base_url: str) -> Iterator[Callable[..., Shown]]:
    contexts = []

    def visit(path: str, strict: bool = False, before: str = "") -> Shown:
        # The driver's wait_for_function needs eval, which the page's policy forbids: ``strict`` keeps the policy.
        look = {"viewport": {"width": 1000, "height": 900}, "locale": "en-GB", "timezone_id": "Europe/Berlin"}
        context = browser.new_context(**look, bypass_csp=not strict)
        contexts.append(context)
        shown = Shown(context.new_page())
        shown.page.add_init_script(before)
        shown.page.goto(base_url + path)
        return shown

    yield visit
    for context in contexts:
        context.close()


@pytest.mark.parametrize("base_url", [0, 2], ids=["no B-frames", "B-frames"], indirect=True)
def test_the_window_plays_from_its_exact_start_over_the_gap_to_its_exact_end(open_page: Callable[..., Shown]) -> None:
    shown = open_page("/embed?v=good")
    shown.until_state("ready")
    shown.until_still()
    assert shown.time() == 0
    assert shown.picture() == int(1.37 * FPS)
    assert shown.page.get_attribute("#clock", "datetime") == "2023-11-14T22:13:21.370Z"
    # It runs.
    shown.page.keyboard.press(" ")
    shown.until_time(0.5)
    # A busy machine shows pictures late; those that stand still are exact.
    assert shown.picture() == pytest.approx((shown.time() + 1.37) * FPS, abs=25)
    # Over the gap.
    shown.page.keyboard.press("Home")
    shown.page.keyboard.press("ArrowRight")  # 5 s: in the gap, so at its end
    shown.until_time(10 - 1.37)
    shown.until_time(10.3 - 1.37)
    assert shown.picture() == pytest.approx((shown.time() + 1.37 - 10) * FPS, abs=25)
    shown.page.evaluate("document.querySelector('video').currentTime -= 4.9")  # shortly before the gap
    shown.until("!document.getElementById('notice').hidden")
    assert shown.page.inner_text("#notice") == "No recording from 23:13:26 to 23:13:30"
    # To the end.
    shown.page.evaluate("document.querySelector('video').currentTime += 2.5")
    shown.until_state("ended")
    assert shown.time() == pytest.approx(END - START, abs=0.05)
    shown.until_still()
    assert shown.picture() == round(3.5 * FPS) - 1
    assert shown.errors == []


def test_the_full_page_shows_what_and_when_as_text_and_goes_to_a_mark(open_page: Callable[..., Shown]) -> None:
    shown = open_page("/watch?v=good", strict=True)
    shown.until_state("playing")
    page = shown.page
    assert page.inner_text("h1") == page.title() == "Desk <b>camera</b>"
    assert re.match(r"23:13:2\d\.\d · 14 Nov 2023", page.inner_text("#clock"))
    assert page.locator(".covered").count() == 2
    assert page.locator(".mark").count() == 2
    assert page.locator("#moment-list span").all_inner_texts() == ["A terminal is open", LABEL]
    page.locator("#moment-list button").nth(1).click()
    page.wait_for_selector('#clock[datetime^="2023-11-14T22:13:31"]', timeout=10_000)
    assert shown.errors == []
    if folder := os.environ.get("SCREENSHOTS"):
        page.wait_for_timeout(500)
        page.screenshot(path=f"{folder}/watch.png")
        page.emulate_media(color_scheme="dark")
        page.mouse.move(800, page.locator("#timeline").bounding_box()["y"] + 10)
        page.screenshot(path=f"{folder}/watch-dark.png")


def test_a_click_on_the_time_line_goes_there(open_page: Callable[..., Shown]) -> None:
    shown = open_page("/embed?v=good")
    shown.until_state("ready")
    box = shown.page.locator("#timeline").bounding_box()
    shown.page.mouse.click(box["x"] + box["width"] * 0.25, box["y"] + box["height"] / 2)
    shown.until_still()
    assert shown.time() == pytest.approx((END - START) / 4, abs=0.1)
    assert shown.picture() == pytest.approx((1.37 + shown.time()) * FPS, abs=2)
    assert not shown.page.locator(".chrome >> visible=true").count()


def test_recordings_follow_each_other_and_the_buffer_stays_bounded(open_page: Callable[..., Shown]) -> None:
    shown = open_page("/embed?v=long")
    shown.until_state("ready")
    for place in (0.21, 17.91, 100.01, 1.51, 61.01):
        shown.page.evaluate(f"document.querySelector('video').currentTime = {place} + 1")
        shown.until_still()
        assert shown.picture() == int(place % 6 * FPS)
        until = min(place + 29, 119.5) + 1
        here = f"b.start(i) <= {place} + 1 && b.end(i) >= {until}"
        shown.until(f"(b => [...Array(b.length).keys()].some(i => {here}))(video.buffered)")
    total = shown.page.evaluate(
        "(b => [...Array(b.length).keys()].reduce((sum, i) => sum + b.end(i) - b.start(i), 0))(video.buffered)"
    )
    assert 20 < total < 75
    assert shown.errors == []


def test_a_browser_without_media_source_extensions_plays_the_playlist(open_page: Callable[..., Shown]) -> None:
    shown = open_page("/embed?v=good", before="delete window.MediaSource; delete window.ManagedMediaSource")
    shown.until_state("ready")
    shown.until_still()
    assert shown.picture() == int(1.37 * FPS)
    shown.page.keyboard.press("ArrowRight")  # 5 s: in the gap
    shown.until_still()
    assert shown.page.get_attribute("#clock", "datetime") == "2023-11-14T22:13:30.000Z"
    assert shown.picture() == pytest.approx(0, abs=1)
    shown.page.evaluate("document.querySelector('video').currentTime += 2.5")
    shown.page.keyboard.press(" ")
    shown.until_state("ended")
    assert shown.time() == pytest.approx(END - START, abs=0.3)
    assert shown.errors == []


def test_an_expired_link_says_so(open_page: Callable[..., Shown]) -> None:
    shown = open_page("/watch?v=old")
    shown.until_state("failed")
    assert shown.page.inner_text("#failure") == "This playback link has expired."
