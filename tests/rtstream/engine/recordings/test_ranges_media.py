"""Ranges of streams and videos play one after the other, and their link opens nothing else."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest

from rtstream.engine.engine import Engine
from rtstream.models import Slice
from tests.rtstream.engine.recordings.test_exports import (
    START,
    STREAM,
    add_recording,
    add_stream,
    export,
    relative,
)
from tests.rtstream.engine.recordings.test_links import by_page, by_playlist

pytestmark = pytest.mark.anyio


async def compiled(api: httpx.AsyncClient, *wanted: dict[str, Any]) -> dict[str, str]:
    answer = (await api.post("/compile", json=list(wanted))).json()
    assert answer["success"], answer
    return answer["data"]


def of_stream(*ranges: tuple[float, float]) -> dict[str, Any]:
    """Ranges in seconds after START."""
    return {"rtstream_id": STREAM, "shots": [[START + start, START + end] for start, end in ranges]}


def second(*numbers: int) -> list[int]:
    """The pictures of seconds of a recording, which are its groups of pictures."""
    return [picture for number in numbers for picture in range(30 * number, 30 * number + 30)]


async def saved(holder: httpx.AsyncClient, stream_url: str, folder: Path) -> Path:
    """A playlist with its files, as a program saves it."""
    url = relative(stream_url)
    lines: list[str] = []
    for line in (await holder.get(url)).text.splitlines():
        name = line.split('"')[1] if line.startswith("#EXT-X-MAP") else "" if line.startswith("#") else line
        if name:
            content = await holder.get(f"{url.rpartition('/')[0]}/{name}")
            assert content.status_code == 200, name
            flat = name.replace("/", "-")
            (folder / flat).write_bytes(content.content)
            line = line.replace(name, flat)
        lines.append(line)
    (folder / "index.m3u8").write_text("\n".join(lines) + "\n")
    return folder / "index.m3u8"


def demuxed(playlist: Path) -> tuple[list[int], list[float]]:
    """The numbers and the times (seconds) of the pictures that a demuxer of HLS reads."""
    import av

    from rtstream.testsource import read_barcode

    with av.open(str(playlist), "r", options={"allowed_extensions": "ALL"}) as container:
        frames = list(container.decode(video=0))
    return [read_barcode(frame.to_ndarray(format="gray")) for frame in frames], [frame.time or 0.0 for frame in frames]


async def test_ranges_of_streams_and_videos_play_one_after_the_other(
    engine: Engine, api: httpx.AsyncClient, holder: httpx.AsyncClient, source: Path, tmp_path: Path
) -> None:
    await add_stream(engine)
    await add_recording(engine, source, 1, START)
    await add_recording(engine, source, 2, START + 50)
    video_id = (await export(api, start=START, end=START + 8))["video_id"]
    wanted = [of_stream((52.1, 52.9), (1.2, 1.4)), {"video_id": video_id, "shots": [[5.1, 5.2]]}, of_stream((3.1, 4.9))]
    links = await compiled(api, *wanted)
    link_id = links["player_url"].partition("v=")[2]
    manifest = (await holder.get(relative(links["stream_url"]))).text
    assert manifest.count("#EXT-X-DISCONTINUITY") == 3
    assert await by_playlist(holder, link_id) == second(2, 1, 5, 3, 4)
    assert sorted(await by_page(holder, link_id)) == sorted(second(2, 1, 5, 3, 4))
    numbers, times = demuxed(await saved(holder, links["stream_url"], tmp_path))
    assert numbers == second(2, 1, 5, 3, 4)
    steps = [after - before for before, after in pairwise(times)]
    assert max(steps) < 0.05, "the times continue from range to range"
    assert min(steps) > 0
    page = (await holder.get("/playback.json", params={"v": link_id})).json()
    assert (page["clock"], page["title"], page["marks"], page["download_url"]) == (False, "Door", [], None)
    assert page["end"] == pytest.approx(4.9, abs=0.1), "from the first picture to the end of the last range"
    assert await compiled(api, *wanted) == links, "equal targets have one link"


async def test_a_link_to_ranges_of_a_stream_opens_no_other_time_and_ends_when_it_is_revoked(
    engine: Engine, api: httpx.AsyncClient, holder: httpx.AsyncClient, source: Path
) -> None:
    await add_stream(engine)
    for number in (1, 2, 3):
        await add_recording(engine, source, number, START + 100 * number)
    links = await compiled(api, of_stream((103, 104), (206, 207)))
    link_id = links["player_url"].partition("v=")[2]
    page = (await holder.get("/playback.json", params={"v": link_id})).json()
    served = [f"/{fragment[name]}" for fragment in page["fragments"] for name in ("url", "init_url")]
    assert len(served) == 4
    micros = [round((START + at) * 1e6) for at in (102, 104, 106, 206, 303)]
    others = [f"fragment/{place}/{at}.m4s" for place in (0, 1, 2) for at in micros]
    others = [name for name in others if f"/m/{link_id}/{name}" not in served]
    others += ["init/rec-3.mp4", f"segment/rec-1/{round((START + 103) * 1e6)}.m4s", "file/rec-1.mp4"]
    assert {(await holder.get(f"/m/{link_id}/{name}")).status_code for name in others} == {404}
    assert (await holder.get(f"/m/{link_id}/video.mp4")).status_code == 400
    [listed] = (await engine.links.list("", Slice(), stream_id=STREAM)).links
    assert (listed.id, listed.kind, listed.state) == (link_id, "ranges", "valid")
    assert listed.expires_at is not None, "as a link to a window"
    assert await engine.links.revoke_all(stream_id=STREAM) == 1
    every = [*served, f"/m/{link_id}/index.m3u8", f"/watch?v={link_id}", f"/playback.json?v={link_id}"]
    assert {(await holder.get(url)).status_code for url in every} == {410}


async def test_ranges_play_without_what_was_deleted_of_them(
    engine: Engine, api: httpx.AsyncClient, holder: httpx.AsyncClient, source: Path
) -> None:
    await add_stream(engine)
    await add_recording(engine, source, 1, START)
    links = await compiled(api, of_stream((900, 901), (2, 3)))
    link_id = links["player_url"].partition("v=")[2]
    assert await by_playlist(holder, link_id) == second(2)
    await engine.delete_stream(STREAM)
    assert (await holder.get(f"/m/{link_id}/index.m3u8")).status_code == 404
    assert await engine.links.remove_expired() == 1
    assert (await holder.get(f"/watch?v={link_id}")).status_code == 404


async def test_parts_of_videos_play_one_after_the_other(engine: Engine, api: httpx.AsyncClient, source: Path) -> None:
    await add_stream(engine)
    await add_recording(engine, source, 1, START)
    first = (await export(api, start=START, end=START + 8))["video_id"]
    second = (await export(api, start=START + 2, end=START + 6))["video_id"]
    parts = (await api.post(f"/video/{first}/stream", json={"timeline": [[5, 6], [1, 2]], "length": 8})).json()["data"]
    manifest = (await api.get(relative(parts["stream_url"]))).text
    assert manifest.count("#EXTINF") == 2
    assert manifest.count("#EXT-X-DISCONTINUITY") == 1
    wanted = [
        {"video_id": second, "collection_id": "default", "shots": [[0.5, 0.8]]},
        {"video_id": first, "collection_id": "default", "shots": [[7, 7.5]]},
    ]
    compiled = (await api.post("/compile", json=wanted)).json()["data"]
    page = (await api.get(relative(compiled["player_url"]).replace("/watch", "/playback.json"))).json()
    assert page["clock"] is False
    assert page["start"] == pytest.approx(0.0, abs=0.002)
    assert [f["init_url"].rpartition("/")[2] for f in page["fragments"]] == [f"{second}.mp4", f"{first}.mp4"]
    assert page["fragments"][1]["start"] == pytest.approx(page["fragments"][0]["start"] + 1.0)
    for wrong in ([[9, 10]], [[2, 1]], [[-1, 1]]):
        assert (await api.post(f"/video/{first}/stream", json={"timeline": wrong})).status_code == 400
    assert (await api.post("/compile", json=[])).status_code == 400
    assert (await api.post("/compile", json={"inputs": []})).status_code == 400
