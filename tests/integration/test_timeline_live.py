"""A live meeting with slides and speech, told afterwards as one timeline."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import httpx
import numpy as np
import pytest
from mcp import Client
from mcp_types import CallToolResult, ImageContent
from PIL import Image

from tests.server.mcp_servers import call, connected, serving

if TYPE_CHECKING:
    from rtstream.testsource import ClipSpec

pytestmark = pytest.mark.anyio

TITLES = ["Slack", "Terminal", "Invoice 4711", "Browser - Bank", "Calendar", "Error 503"]
SLIDE_S, FPS = 5.0, 30


async def shown_at(client: Client, stream_id: str, at: float) -> int:
    """The number of the picture that a stream shows at a moment."""
    from rtstream.testsource import read_barcode

    result = await client.call_tool("look", {"stream_id": stream_id, "at": f"{at:.4f}", "max_side": 1280})
    assert isinstance(result, CallToolResult)
    image = result.content[0]
    assert isinstance(image, ImageContent), image
    return read_barcode(np.asarray(Image.open(io.BytesIO(base64.b64decode(image.data))).convert("L")))


async def until_shown(client: Client, count: int) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The timeline of the stream once it has some screens, and these screens."""
    since = 0
    with anyio.fail_after(220):
        while True:
            found = await call(client, "what_happened", start="-5m", max_chars=40_000)
            screens = [entry for entry in found["entries"] if entry["channel"] == "scenes"]
            said = [one for entry in found["entries"] for one in (*entry.get("said", ()), entry)]
            if len(screens) >= count and any(one.get("channel", "transcript") == "transcript" for one in said):
                return found, screens
            page = await call(client, "wait_for_events", timeout_s=10, since=since, max_events=1)
            since = page["cursor"]


@pytest.mark.long
@pytest.mark.timeout(300)
async def test_a_live_meeting_is_told_to_the_picture(clip_of: Callable[[ClipSpec], Path], tmp_path: Path) -> None:
    pytest.importorskip("rapidocr", reason="reading screen text needs the extra 'local'")
    pytest.importorskip("moonshine_voice", reason="hearing needs the extra 'local'")
    from rtstream.testsource import ClipSpec, LiveSource, read_barcode

    settings = {"local_vision": True, "segment_s": 1.0}
    with LiveSource(clip_of(ClipSpec(voice="reading"))) as source:
        async with serving(tmp_path, **settings) as served, connected(served, "http", "auto") as client:
            stream = await call(client, "connect_stream", url=source.rtsp_url, name="Meeting", transcribe=True)
            await call(client, "index_visuals", batch_config={"type": "time", "value": 2, "frame_count": 2})
            stream_id = stream["stream_id"]
            found, screens = await until_shown(client, 6)
            titles = [next(title for title in TITLES if title in one["untrusted_text"]) for one in screens]
            assert len(set(titles)) > 1
            exact = [one for one in screens[1:] if "within_s" not in one]
            assert exact
            for one in exact:
                number = await shown_at(client, stream_id, one["start"])
                assert number % (SLIDE_S * FPS) == 0, f"picture {number} begins {one}"
                title = TITLES[int(number / FPS / SLIDE_S) % 6]
                hits = (await call(client, "search", query=f'"{title}"', channels=["scenes"]))["hits"]
                for hit in hits:  # a title may be named on another slide
                    shown = TITLES[int(await shown_at(client, stream_id, hit["at"]) / FPS / SLIDE_S) % 6]
                    assert shown in hit["untrusted_text"]
            for scene in (await call(client, "get_scenes"))["scenes"]:
                number = await shown_at(client, stream_id, scene["at"])
                assert TITLES[int(number / FPS / SLIDE_S) % 6] in scene["untrusted_text"]
                assert not re.search(r"\d\d:\d\d\.\d", scene["untrusted_text"])  # the running clock
            said = [text["untrusted_text"] for one in found["entries"] for text in one.get("said", ())]
            said += [one["untrusted_text"] for one in found["entries"] if one["channel"] == "transcript"]
            assert len(" ".join(said).split()) > 20
            async with httpx.AsyncClient() as http:
                for one in screens[:3]:
                    jpeg = (await http.get(one["picture_url"])).content
                    number = read_barcode(np.asarray(Image.open(io.BytesIO(jpeg)).convert("L")))
                    assert TITLES[int(number / FPS / SLIDE_S) % 6] in one["untrusted_text"]
                    assert (await http.get(one["player_url"])).status_code == 200
            await call(client, "update_stream", running=False)
