"""The official SDK, unchanged, against the engine: a real live source, recorded, indexed and alerted on."""

# The annotations of the SDK differ from its results, so the checks of its results are off.
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportIndexIssue=false, reportOperatorIssue=false
# pyright: reportOptionalMemberAccess=false, reportOptionalSubscript=false, reportReturnType=false, reportAssignmentType=false

from __future__ import annotations

import io
import itertools
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import anyio
import av
import httpx
import numpy as np
import pytest
import videodb
from PIL import Image
from videodb import AuthenticationError, InvalidRequestError
from videodb.client import Connection
from videodb.collection import Collection
from videodb.rtstream import RTStream

from rtstream.testsource import ClipSpec, LiveSource, read_barcode
from tests.integration.sdk_service import KEY, START_S, Service
from tests.waiting import eventually_sync


@pytest.fixture(scope="module")
def source(clip_of: Callable[[ClipSpec], Path]) -> Iterator[LiveSource]:
    """Slides that change every 5 s, the first of them with the words of an invoice."""
    with LiveSource(
        clip_of(ClipSpec(width=640, height=360, seconds=10, gop=15, bitrate=600_000, voice="tones"))
    ) as live:
        yield live


@pytest.fixture(scope="module")
def conn(service: Service) -> Connection:
    # A slash at the end, as people write it: the SDK then asks for //rtstream.
    return videodb.connect(api_key=KEY, base_url=service.url + "/")


@pytest.fixture(scope="module")
def coll(conn: Connection) -> Collection:
    return conn.get_collection()


@pytest.fixture(scope="module")
def stream(coll: Collection, source: LiveSource) -> RTStream:
    return coll.connect_rtstream(url=source.http_url, name="Desk", media_types=["video", "audio"], store=True)


def wait_until(condition: Callable[[], Any], what: str, seconds: float = START_S) -> Any:
    """Poll with the SDK: the API returns recorded ranges only when asked."""
    return eventually_sync(condition, limit_s=seconds, every_s=0.1, what=what)


def recorded(conn: Connection, stream: RTStream, seconds: float) -> tuple[float, float]:
    """The newest recorded range, once it is that long."""

    def long_enough() -> tuple[float, float] | None:
        ranges = conn.get(f"rtstream/{stream.id}")["recorded"]
        return tuple(ranges[-1]) if ranges and ranges[-1][1] - ranges[-1][0] >= seconds else None

    return wait_until(long_enough, f"{seconds:g} s recorded")


def refused(call: Callable[[], Any]) -> str:
    """The text of the refusal, which must be the one the SDK makes of a 4xx."""
    with pytest.raises(InvalidRequestError) as error:
        call()
    assert str(error.value).startswith("Invalid request: ")
    return str(error.value).removeprefix("Invalid request: ").strip()


def test_collections(conn: Connection, coll: Collection) -> None:
    assert coll.id == "default"
    made = conn.create_collection("Yard", "Outside", is_public=False)
    assert made.id in {collection.id for collection in conn.get_collections()}
    assert conn.update_collection(made.id, "Yard 2", "Behind the house").name == "Yard 2"
    assert conn.get_collection(made.id).description == "Behind the house"
    made.make_public()
    assert conn.get_collection(made.id).is_public is True
    assert "c-nothing" in refused(lambda: conn.get_collection("c-nothing"))


def test_a_stream_is_connected_and_found_again(coll: Collection, stream: RTStream) -> None:
    assert stream.id.startswith("rts-")
    assert (stream.name, stream.status, stream.collection_id) == ("Desk", "connected", "default")
    found = coll.get_rtstream(stream.id)
    assert (found.id, found.name, found.created_at) == (stream.id, "Desk", stream.created_at)
    assert "T" in found.created_at
    assert "rts-nothing" in refused(lambda: coll.get_rtstream("rts-nothing"))


def test_streams_are_listed_by_filter_page_and_order(coll: Collection, stream: RTStream, source: LiveSource) -> None:
    other = coll.connect_rtstream(url=source.rtsp_url, name="Annex", store=False)
    other.stop()
    assert other.status == "stopped"

    def names(**which: Any) -> list[str]:
        return [found.name for found in coll.list_rtstreams(**which)]

    assert names() == ["Annex", "Desk"]
    assert names(ordering="created_at") == ["Desk", "Annex"]
    assert names(ordering="-name") == ["Desk", "Annex"]
    assert names(status="stopped") == ["Annex"]
    assert names(status="connected") == ["Desk"]
    assert names(name="ann") == ["Annex"]
    assert names(limit=1) == ["Annex"]
    assert names(limit=1, offset=1) == ["Desk"]
    assert "status" in refused(lambda: coll.list_rtstreams(status="asleep"))
    assert "order" in refused(lambda: coll.list_rtstreams(ordering="colour"))


def test_start_and_stop_may_be_said_twice(coll: Collection, source: LiveSource) -> None:
    stream = coll.connect_rtstream(url=source.http_url, name="Twice", store=False)
    try:
        for _ in range(2):
            stream.start()
            assert coll.get_rtstream(stream.id).status == "connected"
    finally:
        for _ in range(2):
            stream.stop()
            assert coll.get_rtstream(stream.id).status == "stopped"


def test_a_time_range_plays_with_the_right_pictures(conn: Connection, stream: RTStream, source: LiveSource) -> None:
    start, _ = recorded(conn, stream, 4.0)
    player_url = stream.generate_stream(start=start + 0.5, end=start + 2.5, player_config={"title": "Desk & more"})
    assert player_url == stream.player_url
    assert "/watch?v=" in player_url
    assert "/embed?v=" in stream.get_embed_code()
    assert stream.stream_url is not None
    with av.open(stream.stream_url) as container:
        frames = [(float(frame.time), frame) for frame in container.decode(video=0)]
    length = frames[-1][0] - frames[0][0]
    assert 2.0 - 0.1 <= length <= 2.0 + 2 * 1.5  # whole segments, so a little more on both sides
    numbers = [read_barcode(frame.to_ndarray(format="rgb24")) for _, frame in frames]
    assert all((b - a) % 300 == 1 for a, b in itertools.pairwise(numbers))
    # The wanted moment is among the pictures. The source itself knows the picture of that moment.
    assert source.frame_number(start + 1.5) in numbers


def test_a_picture_can_be_looked_at_now_and_in_the_recording(
    service: Service, conn: Connection, stream: RTStream, source: LiveSource
) -> None:
    start, _ = recorded(conn, stream, 4.0)
    at = start + 2.0
    with httpx.Client(base_url=service.url, headers={"x-access-token": KEY}, timeout=START_S) as client:
        now = client.get(f"/rtstream/{stream.id}/frame")
        then = client.get(f"/rtstream/{stream.id}/frame", params={"at": at, "max_side": 320})
        never = client.get(f"/rtstream/{stream.id}/frame", params={"at": at - 90_000})
    for answer, size in ((now, (640, 360)), (then, (320, 180))):
        assert (answer.status_code, answer.headers["content-type"]) == (200, "image/jpeg")
        picture = Image.open(io.BytesIO(answer.content))
        assert picture.size == size == (int(answer.headers["x-frame-width"]), int(answer.headers["x-frame-height"]))
    assert abs(float(now.headers["x-frame-time"]) - time.time()) < START_S
    assert abs(float(then.headers["x-frame-time"]) - at) <= 0.1
    shown = read_barcode(np.asarray(Image.open(io.BytesIO(then.content)).convert("RGB")))
    assert (shown - source.frame_number(at) + 3) % 300 <= 6  # within three pictures
    assert never.status_code == 404


def test_a_hit_of_no_length_plays_the_second_around_it(conn: Connection, stream: RTStream) -> None:
    start, _ = recorded(conn, stream, 4.0)
    second = int(start) + 2
    stream.generate_stream(start=second, end=second)
    assert stream.stream_url is not None
    with av.open(stream.stream_url) as container:
        assert sum(1 for _ in container.decode(video=0)) >= 15


def test_windows_that_cannot_play_are_explained(coll: Collection, stream: RTStream) -> None:
    now = time.time()
    assert "before its start" in refused(lambda: stream.generate_stream(now, now - 10))
    assert "recorded" in refused(lambda: stream.generate_stream(now - 90_000, now - 89_000))
    assert "future" in refused(lambda: stream.generate_stream(now + 1000, now + 1010))
    stream_without_id = RTStream(stream._connection, "rts-nothing")
    assert "rts-nothing" in refused(lambda: stream_without_id.generate_stream(now - 5, now))


def test_a_visual_index_is_made_listed_stopped_started_and_read(stream: RTStream) -> None:
    index = stream.index_visuals(
        prompt="Read the screen", batch_config={"type": "time", "value": 2, "frame_count": 1}, name="screen"
    )
    assert index is not None
    assert (index.name, index.status, index.extraction_type) == ("screen", "connected", "time")
    assert index.extraction_config == {"time": 2, "frame_count": 1}
    default = stream.index_scenes()
    assert default is not None
    assert default.extraction_config == {"time": 2, "frame_count": 5}
    default.stop()
    assert stream.get_scene_index(default.rtstream_index_id).status == "stopped"
    listed = {found.rtstream_index_id: found.status for found in stream.list_scene_indexes()}
    assert listed.items() >= {index.rtstream_index_id: "connected", default.rtstream_index_id: "stopped"}.items()

    scenes = wait_until(lambda: index.get_scenes()["scenes"], "a scene")
    assert scenes[0]["text"] == scenes[0]["description"]
    assert 1.5 <= scenes[0]["end"] - scenes[0]["start"] <= 2.5
    assert abs(scenes[0]["end"] - time.time()) < START_S
    wait_until(lambda: len(index.get_scenes()["scenes"]) >= 3, "three scenes")
    index.stop()
    everything = index.get_scenes()["scenes"]
    starts = [scene["start"] for scene in everything]
    assert starts == sorted(starts, reverse=True)
    first, second = index.get_scenes(page=1, page_size=2), index.get_scenes(page=2, page_size=2)
    assert first["next_page"] is True
    assert first["scenes"] + second["scenes"] == everything[:4]
    oldest = everything[-1]
    window = index.get_scenes(start=oldest["start"] + 0.1, end=oldest["start"] + 0.2)
    assert window["scenes"] == [oldest]
    index.start()
    assert stream.get_scene_index(index.rtstream_index_id).status == "connected"
    index.stop()
    assert "idx-nothing" in refused(lambda: stream.get_scene_index("idx-nothing"))
    assert refused(lambda: stream.index_scenes(extraction_type="shot")).endswith(".")


@pytest.mark.anyio
async def test_scenes_and_alerts_arrive_on_the_websocket(conn: Connection, stream: RTStream) -> None:
    def call(function: Callable[..., Any], *args: Any, **options: Any) -> Any:
        return anyio.to_thread.run_sync(lambda: function(*args, **options))

    address = await call(conn.connect_websocket)
    async with address as socket:
        assert socket.connection_id
        index = await call(
            stream.index_visuals,
            prompt="Read the screen",
            batch_config={"type": "time", "value": 2, "frame_count": 1},
            ws_connection_id=socket.connection_id,
        )
        event_id = await call(conn.create_event, '"invoice 4711" is on the screen', "invoice")
        alert_id = await call(index.create_alert, event_id, "", ws_connection_id=socket.connection_id)
        assert event_id.startswith("event-")
        [event] = [event for event in await call(conn.list_events) if event["event_id"] == event_id]
        assert (event["label"], event["matching"]) == ("invoice", "rule")
        seen: dict[str, dict[str, Any]] = {}
        with anyio.fail_after(60):
            async for message in socket.receive():
                assert message["rtstream_id"] == stream.id
                seen[message["channel"]] = message
                if seen.keys() >= {"scene_index", "alert"}:
                    break
        alert = seen["alert"]
        assert alert["rtstream_name"] == "Desk"
        assert alert["seq"] > 0
        assert (alert["data"]["alert_id"], alert["data"]["event_id"]) == (alert_id, event_id)
        assert (alert["data"]["label"], alert["data"]["triggered"]) == ("invoice", True)
        assert alert["data"]["end"] > alert["data"]["start"]
        assert seen["scene_index"]["data"]["text"]

        await call(index.disable_alert, alert_id)
        assert [found["status"] for found in await call(index.list_alerts)] == ["disabled"]
        await call(index.enable_alert, alert_id)
        assert [found["status"] for found in await call(index.list_alerts)] == ["enabled"]
        await call(index.disable_alert, alert_id)
        await call(index.stop)


def test_an_event_that_needs_a_model_says_so(conn: Connection, stream: RTStream) -> None:
    event_id = conn.create_event("Somebody looks tired", "tired")
    index = stream.index_scenes(name="for a model")
    assert index is not None
    index.stop()
    alert_id = index.create_alert(event_id, "")
    [alert] = index.list_alerts()
    assert (alert["alert_id"], alert["matching"]) == (alert_id, "needs_model")
    assert alert["note"]
    assert "event-nothing" in refused(lambda: index.create_alert("event-nothing", ""))


def test_a_wrong_key_is_an_authentication_error(service: Service) -> None:
    for key in ("sk-wrong", "sk-schlüssel".encode().decode("latin-1")):
        with pytest.raises(AuthenticationError, match="The API key is wrong"):
            videodb.connect(api_key=key, base_url=service.url).get_collection()


def test_a_source_that_cannot_be_opened_is_refused_without_its_credentials(coll: Collection) -> None:
    for url in ("file:///etc/passwd", "ftp://example.org/x", "rtsp://user:secret@10.0.0.1/cam", "not a url"):
        text = refused(lambda url=url: coll.connect_rtstream(url=url, name="bad"))
        assert text.endswith(".")
        assert "secret" not in text


def test_what_is_not_offered_is_said_plainly(conn: Connection, stream: RTStream) -> None:
    assert "does not offer POST /rtstream/" in refused(lambda: conn.post(f"rtstream/{stream.id}/understand", data={}))
