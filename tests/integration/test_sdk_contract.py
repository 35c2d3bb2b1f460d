"""One test per method of the official SDK: those that the engine serves, and those that it refuses with a sentence."""

# The annotations of the SDK differ from its results, so the checks of its results are off.
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportCallIssue=false
# pyright: reportOptionalMemberAccess=false

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from videodb import InvalidRequestError
from videodb.audio import Audio
from videodb.client import Connection
from videodb.collection import Collection
from videodb.image import Frame, Image
from videodb.rtstream import (
    RTStream,
    RTStreamExportResult,
    RTStreamSceneIndex,
    RTStreamSearchResult,
    RTStreamShot,
)
from videodb.scene import Scene, SceneCollection
from videodb.search import SearchResponse, SearchResult
from videodb.shot import Shot
from videodb.video import Video
from videodb.websocket_client import WebSocketConnection

from tests.integration import sdk_stream_cases, sdk_video_cases
from tests.integration.sdk_world import INDEX, OFFERED, World, world

if TYPE_CHECKING:
    from rtstream.testsource import ClipSpec

__all__ = ["sdk_stream_cases", "sdk_video_cases"]

CLASSES = (
    *(Connection, Collection, RTStream, RTStreamExportResult, RTStreamSceneIndex, RTStreamSearchResult, RTStreamShot),
    *(Video, Audio, Image, Frame, Scene, SceneCollection, Shot, SearchResult, SearchResponse, WebSocketConnection),
)
"""Classes whose objects this engine returns. The others belong to calls that it refuses."""
LOCAL = {
    "play": "opens a page of the vendor in a browser",
    "to_json": "sends nothing",
}
SOURCE = {"understanding_id": "und-1", "analyzer_id": "an-1", "analyzer_type": "vlm"}
ANALYZERS = [{"type": "vlm", "name": "scene"}]

REFUSED: dict[str, Callable[[World], object]] = {
    "Connection.check_usage": lambda sdk: sdk.conn.check_usage(),
    "Connection.get_invoices": lambda sdk: sdk.conn.get_invoices(),
    "Connection.download": lambda sdk: sdk.conn.download("http://127.0.0.1/x.m3u8", "x"),
    "Connection.youtube_search": lambda sdk: sdk.conn.youtube_search("x"),
    "Connection.transcode": lambda sdk: sdk.conn.transcode("http://127.0.0.1/x.mp4", ""),
    "Connection.get_transcode_details": lambda sdk: sdk.conn.get_transcode_details("x"),
    "Connection.get_job_status": lambda sdk: sdk.conn.get_job_status("x"),
    "Connection.wait_for_job": lambda sdk: sdk.conn.wait_for_job("x", timeout=1, interval=1),
    "Connection.create_sandbox": lambda sdk: sdk.conn.create_sandbox(),
    "Connection.get_sandbox": lambda sdk: sdk.conn.get_sandbox("x"),
    "Connection.list_sandboxes": lambda sdk: sdk.conn.list_sandboxes(),
    "Connection.create_voice_clone": lambda sdk: sdk.conn.create_voice_clone("a-1"),
    "Connection.get_voice_clone": lambda sdk: sdk.conn.get_voice_clone("x"),
    "Connection.list_voice_clones": lambda sdk: sdk.conn.list_voice_clones(),
    "Connection.delete_voice_clone": lambda sdk: sdk.conn.delete_voice_clone("x"),
    "Connection.upload": lambda sdk: sdk.conn.upload(url="http://127.0.0.1/x.mp4"),
    "Connection.record_meeting": lambda sdk: sdk.conn.record_meeting("http://127.0.0.1/meeting"),
    "Connection.get_meeting": lambda sdk: sdk.conn.get_meeting("x"),
    "Connection.create_capture_session": lambda sdk: sdk.conn.create_capture_session("user"),
    "Connection.get_capture_session": lambda sdk: sdk.conn.get_capture_session("cap-1"),
    "Connection.list_capture_sessions": lambda sdk: sdk.conn.list_capture_sessions(),
    "Connection.generate_client_token": lambda sdk: sdk.conn.generate_client_token(),
    "Collection.create_voice_clone": lambda sdk: sdk.coll.create_voice_clone("a-1"),
    "Collection.get_voice_clone": lambda sdk: sdk.coll.get_voice_clone("x"),
    "Collection.list_voice_clones": lambda sdk: sdk.coll.list_voice_clones(),
    "Collection.delete_voice_clone": lambda sdk: sdk.coll.delete_voice_clone("x"),
    "Collection.get_images": lambda sdk: sdk.coll.get_images(),
    "Collection.get_image": lambda sdk: sdk.coll.get_image("img-1"),
    "Collection.generate_image": lambda sdk: sdk.coll.generate_image("x"),
    "Collection.generate_music": lambda sdk: sdk.coll.generate_music("x"),
    "Collection.generate_sound_effect": lambda sdk: sdk.coll.generate_sound_effect("x"),
    "Collection.generate_voice": lambda sdk: sdk.coll.generate_voice("x"),
    "Collection.generate_video": lambda sdk: sdk.coll.generate_video("x"),
    "Collection.generate_text": lambda sdk: sdk.coll.generate_text("x"),
    "Collection.dub_video": lambda sdk: sdk.coll.dub_video(sdk.video.id, "en"),
    "Collection.ask": lambda sdk: sdk.coll.ask("x"),
    "Collection.semantic_search": lambda sdk: sdk.coll.semantic_search("x"),
    "Collection.query": lambda sdk: sdk.coll.query("x"),
    "Collection.aggregate": lambda sdk: sdk.coll.aggregate("x"),
    "Collection.search_title": lambda sdk: sdk.coll.search_title("x"),
    "Collection.upload": lambda sdk: sdk.coll.upload(url="http://127.0.0.1/x.mp4"),
    "Collection.record_meeting": lambda sdk: sdk.coll.record_meeting("http://127.0.0.1/meeting"),
    "Collection.get_meeting": lambda sdk: sdk.coll.get_meeting("x"),
    "Collection.create_capture_session": lambda sdk: sdk.coll.create_capture_session("user"),
    "Collection.get_capture_session": lambda sdk: sdk.coll.get_capture_session("cap-1"),
    "Collection.list_capture_sessions": lambda sdk: sdk.coll.list_capture_sessions(),
    "RTStream.understand": lambda sdk: sdk.stream.understand(analyzers=ANALYZERS),
    "RTStream.get_understanding": lambda sdk: sdk.stream.get_understanding("und-1"),
    "RTStream.list_understanding": lambda sdk: sdk.stream.list_understanding(),
    "RTStream.index": lambda sdk: sdk.stream.index(SOURCE),
    "RTStream.get_index": lambda sdk: sdk.stream.get_index("idx-1"),
    "RTStream.list_indexes": lambda sdk: sdk.stream.list_indexes(),
    "Video.ask": lambda sdk: sdk.video.ask("x"),
    "Video.semantic_search": lambda sdk: sdk.video.semantic_search("x"),
    "Video.query": lambda sdk: sdk.video.query("x"),
    "Video.aggregate": lambda sdk: sdk.video.aggregate("x"),
    "Video.remove_storage": lambda sdk: sdk.video.remove_storage(),
    "Video.translate_transcript": lambda sdk: sdk.video.translate_transcript("de"),
    "Video.delete_scene_collection": lambda sdk: sdk.video.delete_scene_collection(INDEX),
    "Video.index_audio": lambda sdk: sdk.video.index_audio(),
    "Video.delete_scene_index": lambda sdk: sdk.video.delete_scene_index(INDEX),
    "Video.understand": lambda sdk: sdk.video.understand(analyzers=ANALYZERS),
    "Video.get_understanding": lambda sdk: sdk.video.get_understanding("und-1"),
    "Video.list_understandings": lambda sdk: sdk.video.list_understandings(),
    "Video.delete_understanding": lambda sdk: sdk.video.delete_understanding("und-1"),
    "Video.index": lambda sdk: sdk.video.index(SOURCE),
    "Video.get_index": lambda sdk: sdk.video.get_index("idx-1"),
    "Video.list_indexes": lambda sdk: sdk.video.list_indexes(),
    "Video.delete_index": lambda sdk: sdk.video.delete_index("idx-1"),
    "Video.add_subtitle": lambda sdk: sdk.video.add_subtitle(),
    "Video.clip": lambda sdk: sdk.video.clip("x", "spoken", "basic"),
    "Video.get_meeting": lambda sdk: sdk.video.get_meeting(),
    "Video.reframe": lambda sdk: sdk.video.reframe(),
    "Video.smart_vertical_reframe": lambda sdk: sdk.video.smart_vertical_reframe(),
    "Video.download": lambda sdk: sdk.video.download(),
    "Scene.describe": lambda sdk: sdk.video.get_scene_collection(INDEX).scenes[0].describe(),
    "SceneCollection.delete": lambda sdk: sdk.video.get_scene_collection(INDEX).delete(),
    "Frame.describe": lambda sdk: Frame(sdk.conn, "f", sdk.video.id, "s", "", 0.0, "").describe(),
}
"""A call of each method that the engine does not offer."""


@pytest.fixture(scope="module")
def sdk(tmp_path_factory: pytest.TempPathFactory, clip_of: Callable[[ClipSpec], Path]) -> Iterator[World]:
    from rtstream.testsource import ClipSpec

    clip = clip_of(ClipSpec(width=320, height=180, seconds=8, gop=30, bframes=2, bitrate=300_000, voice="tones"))
    with world(tmp_path_factory.mktemp("sdk"), clip) as filled:
        yield filled


def test_every_method_of_the_sdk_is_served_or_refused() -> None:
    methods = {
        f"{cls.__name__}.{name}"
        for cls in CLASSES
        for name, member in vars(cls).items()
        if inspect.isfunction(member) and not name.startswith("_") and name not in LOCAL
    }
    assert methods == OFFERED.keys() | REFUSED.keys()
    assert not OFFERED.keys() & REFUSED.keys()


@pytest.mark.parametrize("method", OFFERED)
def test_the_method_works(sdk: World, method: str) -> None:
    OFFERED[method](sdk)


@pytest.mark.parametrize("method", REFUSED)
def test_the_method_is_refused_with_a_sentence(sdk: World, method: str) -> None:
    with pytest.raises(InvalidRequestError, match=r"does not offer|is not offered") as refused:
        REFUSED[method](sdk)
    assert refused.value.response.status_code in (404, 405)
