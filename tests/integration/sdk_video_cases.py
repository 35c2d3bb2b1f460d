"""One case per method of the official SDK on videos, audio, pictures, search results and the WebSocket."""

# The annotations of the SDK differ from its results, so the checks of its results are off.
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportIndexIssue=false
# pyright: reportOptionalMemberAccess=false, reportOptionalSubscript=false, reportUnusedFunction=false
# pyright: reportOptionalIterable=false, reportCallIssue=false, reportGeneralTypeIssues=false
# pyright: reportOperatorIssue=false, reportOptionalOperand=false

from __future__ import annotations

from collections.abc import Awaitable, Callable

import anyio
import httpx
import pytest
from videodb import InvalidRequestError
from videodb.websocket_client import WebSocketConnection

from tests.integration.sdk_service import START_S
from tests.integration.sdk_world import INDEX, World, jpeg_size, offered


def plays(url: str) -> bool:
    return httpx.get(url, timeout=START_S).text.startswith("#EXTM3U")


# Video


@offered("Video.update")
def _(sdk: World) -> None:
    video = sdk.coll.get_video("m-2")
    video.update(name="Parcel")
    assert sdk.coll.get_video("m-2").name == video.name == "Parcel"


@offered("Video.search")
def _(sdk: World) -> None:
    found = sdk.video.search("action items", top_k=1, include_clip=True)
    shot = found.get_shots()[0]
    assert (shot.video_id, shot.start, shot.end, shot.text) == (sdk.video.id, 1.0, 2.5, "Action items.")
    assert plays(shot.stream_url)
    assert "/watch?v=" in shot.player_url
    assert sdk.video.search("action items").get_shots()[0].stream_url is None
    with pytest.raises(InvalidRequestError, match="No results found"):
        sdk.video.search("helicopter")
    with pytest.raises(InvalidRequestError, match="not offered"):
        sdk.video.search("action items", mode="deepsearch")
    with pytest.raises(InvalidRequestError, match="not transcribed"):
        sdk.coll.get_video("m-2").search("action items")


@offered("Video.legacy_search")
def _(sdk: World) -> None:
    found = sdk.video.legacy_search("action items", search_type="keyword")
    assert [shot.text for shot in found.get_shots()] == ["Action items."]


@offered("Video.delete")
def _(sdk: World) -> None:
    video = sdk.coll.get_video("m-3")
    video.delete()
    with pytest.raises(InvalidRequestError, match="m-3"):
        sdk.coll.get_video("m-3")


@offered("Video.generate_stream")
def _(sdk: World) -> None:
    video = sdk.coll.get_video(sdk.video.id)
    assert plays(video.generate_stream())
    assert plays(video.generate_stream(timeline=[(1, 2), (5, 6.5)]))


@offered("Video.generate_thumbnail")
def _(sdk: World) -> None:
    video = sdk.coll.get_video(sdk.video.id)
    assert video.generate_thumbnail() == video.thumbnail_url
    video.thumbnail_url = None
    assert jpeg_size(video.generate_thumbnail()) == (320, 180)
    picture = video.generate_thumbnail(time=2.5)
    assert picture.collection_id == "default"
    assert jpeg_size(picture.url) == (320, 180)


@offered("Video.get_thumbnails")
def _(sdk: World) -> None:
    picture = sdk.video.generate_thumbnail(time=3.5)
    assert picture.id in {one.id for one in sdk.video.get_thumbnails()}


@offered("Video.get_transcript")
def _(sdk: World) -> None:
    words = sdk.video.get_transcript()
    assert [(word["text"], word["start"], word["end"]) for word in words] == [
        ("Action", 1.0, 1.5),
        ("items.", 2.0, 2.5),
    ]
    assert [one["text"] for one in sdk.video.get_transcript(segmenter="sentence")] == ["Action items."]
    assert [one["text"] for one in sdk.video.get_transcript(start=2, end=3)] == ["items."]
    with pytest.raises(InvalidRequestError, match="index_spoken_words"):
        sdk.coll.get_video("m-2").get_transcript()


@offered("Video.get_transcript_text")
def _(sdk: World) -> None:
    assert sdk.video.get_transcript_text() == "Action items."


@offered("Video.generate_transcript")
def _(sdk: World) -> None:
    assert sdk.video.generate_transcript()["success"] is True


@offered("Video.index_spoken_words")
def _(sdk: World) -> None:
    assert sdk.video.index_spoken_words() is None


@offered("Video.get_scenes")
def _(sdk: World) -> None:
    scenes = sdk.coll.get_video(sdk.video.id).get_scenes()
    assert [scene["description"] for scene in scenes] == [f"a parcel number {number}" for number in range(4)]
    assert [scene["start"] for scene in scenes] == pytest.approx([0, 2, 4, 6], abs=0.05)


@offered("Video.index_scenes")
def _(sdk: World) -> None:
    assert sdk.video.index_scenes() == INDEX
    with pytest.raises(InvalidRequestError, match=f"for this prompt.*{sdk.stream.id}"):
        sdk.video.index_scenes(prompt="Count the parcels")
    with pytest.raises(InvalidRequestError, match="callback_url"):
        sdk.video.index_scenes(callback_url="http://127.0.0.1/x")


@offered("Video.index_visuals")
def _(sdk: World) -> None:
    assert sdk.video.index_visuals(batch_config={"type": "time", "value": 2, "frame_count": 5}) == INDEX


@offered("Video.extract_scenes")
def _(sdk: World) -> None:
    assert len(sdk.video.extract_scenes().scenes) == 4


@offered("Video.list_scene_index")
def _(sdk: World) -> None:
    [index] = sdk.video.list_scene_index()
    assert (index["scene_index_id"], index["name"], index["status"]) == (INDEX, "scene", "ready")


@offered("Video.get_scene_index")
def _(sdk: World) -> None:
    assert len(sdk.video.get_scene_index(INDEX)) == 4
    with pytest.raises(InvalidRequestError, match="scene-idx-0"):
        sdk.video.get_scene_index("scene-idx-0")


@offered("Video.list_scene_collection")
def _(sdk: World) -> None:
    assert [one["scene_collection_id"] for one in sdk.video.list_scene_collection()] == [INDEX]


@offered("Video.get_scene_collection")
def _(sdk: World) -> None:
    found = sdk.video.get_scene_collection(INDEX)
    assert (found.id, found.video_id, found.config) == (INDEX, sdk.video.id, {"time": 2, "frame_count": 1})
    assert (found.scenes[1].description, found.scenes[1].frames) == ("a parcel number 1", [])


@offered("Video.insert_video")
def _(sdk: World) -> None:
    assert plays(sdk.video.insert_video(sdk.coll.get_video(sdk.video.id), 3.0))


@offered("Video.get_embed_code")
def _(sdk: World) -> None:
    assert "/embed?v=" in sdk.video.get_embed_code()


# Audio and pictures


@offered("Audio.generate_url")
def _(sdk: World) -> None:
    assert sdk.coll.get_audio("a-1").generate_url().endswith("/video.mp4")


@offered("Audio.get_transcript")
def _(sdk: World) -> None:
    audio = sdk.coll.get_audio("a-1")
    audio.transcript = None
    assert [word["text"] for word in audio.get_transcript()] == ["Action", "items."]


@offered("Audio.get_transcript_text")
def _(sdk: World) -> None:
    assert sdk.coll.get_audio("a-1").get_transcript_text() == "Action items."


@offered("Audio.generate_transcript")
def _(sdk: World) -> None:
    assert sdk.coll.get_audio("a-1").generate_transcript()["success"] is True


@offered("Audio.delete")
def _(sdk: World) -> None:
    sdk.coll.get_audio("a-3").delete()
    assert "a-3" not in {one.id for one in sdk.coll.get_audios()}


@offered("Image.generate_url")
def _(sdk: World) -> None:
    picture = sdk.video.generate_thumbnail(time=1.5)
    assert picture.generate_url() == picture.url


@offered("Image.delete")
def _(sdk: World) -> None:
    picture = sdk.video.generate_thumbnail(time=6.5)
    picture.delete()
    assert httpx.get(picture.url).status_code == 410


# Results of searches


@offered("Shot.generate_stream")
def _(sdk: World) -> None:
    assert plays(sdk.video.search("action items").get_shots()[0].generate_stream())


@offered("Shot.get_embed_code")
def _(sdk: World) -> None:
    assert "/embed?v=" in sdk.video.search("action items").get_shots()[0].get_embed_code()


@offered("SearchResponse.get_shots")
def _(sdk: World) -> None:
    shot = sdk.video.search("action items").get_shots()[0]
    assert (shot.video_title, shot.search_score > 0) == ("Door", True)


@offered("SearchResponse.get_shot_results")
def _(sdk: World) -> None:
    assert len(sdk.video.search("action items").get_shot_results()) == 1


@offered("SearchResponse.compile")
def _(sdk: World) -> None:
    assert plays(sdk.video.search("action items").compile())


@offered("SearchResponse.get_embed_code")
def _(sdk: World) -> None:
    assert "/embed?v=" in sdk.video.search("action items").get_embed_code()


@offered("SearchResult.get_shots")
def _(sdk: World) -> None:
    assert len(sdk.video.legacy_search("action items").get_shots()) == 1


@offered("SearchResult.compile")
def _(sdk: World) -> None:
    assert plays(sdk.video.legacy_search("action items").compile())


@offered("SearchResult.get_embed_code")
def _(sdk: World) -> None:
    assert "/embed?v=" in sdk.video.legacy_search("action items").get_embed_code()


# WebSocket


def connected(sdk: World, use: Callable[[WebSocketConnection], Awaitable[None]]) -> None:
    """Run ``use`` with a connection."""

    async def main() -> None:
        with anyio.fail_after(20):
            async with sdk.conn.connect_websocket() as socket:
                await use(socket)

    anyio.run(main)


@offered("WebSocketConnection.connect")
def _(sdk: World) -> None:
    async def use(socket: WebSocketConnection) -> None:
        assert socket.connection_id.startswith("wsc-")

    connected(sdk, use)


@offered("WebSocketConnection.receive")
def _(sdk: World) -> None:
    async def use(socket: WebSocketConnection) -> None:
        def connect() -> str:
            options = {"name": "Live", "store": True, "ws_connection_id": socket.connection_id}
            stream = sdk.coll.connect_rtstream(sdk.url, **options)
            stream.stop()
            return stream.id

        stream_id = await anyio.to_thread.run_sync(connect)
        async for message in socket.receive():
            assert set(message) == {"channel", "timestamp", "rtstream_id", "rtstream_name", "data", "seq"}
            assert message["rtstream_id"] == stream_id
            assert isinstance(message["data"], dict)
            if message["channel"] == "health":
                return

    connected(sdk, use)


@offered("WebSocketConnection.send")
def _(sdk: World) -> None:
    async def use(socket: WebSocketConnection) -> None:
        await socket.send({"ignored": True})

    connected(sdk, use)


@offered("WebSocketConnection.close")
def _(sdk: World) -> None:
    async def use(socket: WebSocketConnection) -> None:
        await socket.close()
        with pytest.raises(ConnectionError):
            await socket.send({})

    connected(sdk, use)
