"""An exported video plays whole, as HLS and on the player page."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from rtstream.engine.engine import Engine
from tests.rtstream.engine.recordings.test_exports import START, add_recording, add_stream, export, pictures, relative

pytestmark = pytest.mark.anyio


async def test_a_video_plays_as_hls_and_on_the_player_page(
    engine: Engine, api: httpx.AsyncClient, source: Path, tmp_path: Path
) -> None:
    await add_stream(engine)
    await add_recording(engine, source, 1, START)
    await add_recording(engine, source, 2, START + 50)
    made = await export(api, start=START + 3.5, end=START + 52)
    manifest = await api.get(relative(made["stream_url"]))
    assert manifest.text.count("#EXT-X-DISCONTINUITY") == 1
    base = relative(made["stream_url"]).rpartition("/")[0]
    # What a player does: the initialisation segment, then one byte range after the other.
    data, init, ranged = b"", b"", ""
    for line in manifest.text.splitlines():
        if line.startswith("#EXT-X-MAP"):
            data += (await api.get(f"{base}/{line.split(chr(34))[1]}")).content
            init = data
        elif line.startswith("#EXT-X-BYTERANGE:"):
            length, _, offset = line.partition(":")[2].partition("@")
            ranged = f"bytes={offset}-{int(offset) + int(length) - 1}"
        elif line.startswith("file/"):
            part = await api.get(f"{base}/{line}", headers={"range": ranged})
            assert part.status_code == 206
            data += part.content
    assert pictures(data) == [*range(90, 240), *range(60)]
    page = (await api.get(relative(made["player_url"]).replace("/watch", "/playback.json"))).json()
    assert (page["start"], page["end"]) == (pytest.approx(START + 3.5, abs=0.04), pytest.approx(START + 52))
    assert page["gaps"] == [[pytest.approx(START + 8), pytest.approx(START + 50)]]
    assert page["clock"] is True
    assert page["download_url"].endswith("/video.mp4")
    fragment = page["fragments"][0]
    assert (await api.get(fragment["init_url"])).content == init
