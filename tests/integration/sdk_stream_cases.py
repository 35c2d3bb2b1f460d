"""One case per method of the official SDK on connections, collections, streams and scene indexes."""

# The annotations of the SDK differ from its results, so the checks of its results are off.
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportIndexIssue=false
# pyright: reportOptionalMemberAccess=false, reportOptionalSubscript=false, reportUnusedFunction=false
# pyright: reportOptionalIterable=false, reportCallIssue=false

from __future__ import annotations

import warnings
from typing import Any

import httpx
import pytest
from videodb import InvalidRequestError
from videodb.rtstream import RTStreamSceneIndex

from tests.integration.sdk_world import INDEX, World, jpeg_size, offered
from tests.rtstream.engine.recordings.test_exports import START, STREAM

# Connection


@offered("Connection.get_collection")
def _(sdk: World) -> None:
    found = sdk.conn.get_collection("default")
    assert (found.id, found.name, found.description, found.is_public) == (
        "default",
        "Default",
        "Default collection",
        False,
    )


@offered("Connection.get_collections")
def _(sdk: World) -> None:
    assert "default" in {one.id for one in sdk.conn.get_collections()}


@offered("Connection.create_collection")
def _(sdk: World) -> None:
    made = sdk.conn.create_collection("Yard", "Outside", is_public=True)
    assert (made.name, made.description, made.is_public) == ("Yard", "Outside", True)


@offered("Connection.update_collection")
def _(sdk: World) -> None:
    made = sdk.conn.create_collection("Yard", "Outside")
    assert sdk.conn.update_collection(made.id, "Garden", "Behind").name == "Garden"


@offered("Connection.create_event")
def _(sdk: World) -> None:
    assert sdk.conn.create_event('"PARCEL" is on the screen', "parcel").startswith("event-")


@offered("Connection.list_events")
def _(sdk: World) -> None:
    event_id = sdk.conn.create_event('"OPEN" is on the screen', "open")
    [event] = [event for event in sdk.conn.list_events() if event["event_id"] == event_id]
    assert (event["event_prompt"], event["label"]) == ('"OPEN" is on the screen', "open")


@offered("Connection.connect_websocket")
def _(sdk: World) -> None:
    assert sdk.conn.connect_websocket().url.startswith("ws://127.0.0.1:")


@offered("Connection.get_async_response")
def _(sdk: World) -> None:
    body = {"name": "Door", "wait_s": 0}
    assert sdk.conn.post(f"rtstream/{STREAM}/export", data=body)["video_id"] == sdk.video.id
    job_id = sdk.conn.get("jobs")["jobs"][0]["job_id"]
    assert sdk.conn.get_async_response(job_id)["video_id"] == sdk.video.id


# Collection


@offered("Collection.delete")
def _(sdk: World) -> None:
    made = sdk.conn.create_collection("Short", "")
    made.delete()
    with pytest.raises(InvalidRequestError, match=made.id):
        sdk.conn.get_collection(made.id)
    with pytest.raises(InvalidRequestError):
        sdk.coll.delete()


@offered("Collection.make_public")
def _(sdk: World) -> None:
    made = sdk.conn.create_collection("Open", "")
    made.make_public()
    assert sdk.conn.get_collection(made.id).is_public is True


@offered("Collection.make_private")
def _(sdk: World) -> None:
    made = sdk.conn.create_collection("Closed", "", is_public=True)
    made.make_private()
    assert sdk.conn.get_collection(made.id).is_public is False


@offered("Collection.get_videos")
def _(sdk: World) -> None:
    assert sdk.video.id in {one.id for one in sdk.coll.get_videos()}


@offered("Collection.get_video")
def _(sdk: World) -> None:
    video = sdk.coll.get_video(sdk.video.id)
    assert (video.name, video.collection_id, video.length) == ("Door", "default", pytest.approx(8, abs=0.1))
    assert [word["text"] for word in video.transcript] == ["Action", "items."]
    assert video.transcript_text == "Action items."
    assert jpeg_size(video.thumbnail_url) == (320, 180)


@offered("Collection.delete_video")
def _(sdk: World) -> None:
    sdk.coll.delete_video("m-1")
    assert "m-1" not in {one.id for one in sdk.coll.get_videos()}


@offered("Collection.get_audios")
def _(sdk: World) -> None:
    assert "a-1" in {one.id for one in sdk.coll.get_audios()}


@offered("Collection.get_audio")
def _(sdk: World) -> None:
    audio = sdk.coll.get_audio("a-1")
    assert (audio.name, audio.length) == ("a-1", 8.0)


@offered("Collection.delete_audio")
def _(sdk: World) -> None:
    sdk.coll.delete_audio("a-2")
    assert "a-2" not in {one.id for one in sdk.coll.get_audios()}


@offered("Collection.delete_image")
def _(sdk: World) -> None:
    picture = sdk.video.generate_thumbnail(time=7.5)
    sdk.coll.delete_image(picture.id)
    assert httpx.get(picture.url).status_code == 410
    with pytest.raises(InvalidRequestError, match="no picture img-none"):
        sdk.coll.delete_image("img-none")


@offered("Collection.connect_rtstream")
def _(sdk: World) -> None:
    stream = sdk.coll.connect_rtstream(sdk.url, "Yard", media_types=["video"], sample_rate=5, store=True)
    assert (stream.name, stream.status, stream.sample_rate, stream.collection_id) == ("Yard", "connected", 5, "default")
    stream.stop()


@offered("Collection.get_rtstream")
def _(sdk: World) -> None:
    found = sdk.coll.get_rtstream(STREAM)
    assert (found.id, found.name) == (STREAM, "Door")


@offered("Collection.list_rtstreams")
def _(sdk: World) -> None:
    assert [one.id for one in sdk.coll.list_rtstreams(name="door", status="stopped", limit=5)] == [STREAM]


@offered("Collection.search")
def _(sdk: World) -> None:
    hit = sdk.coll.search("parcel", namespace="rtstream").get_shots()[0]
    assert (hit.rtstream_id, hit.rtstream_name, hit.scene_index_id) == (STREAM, "Door", INDEX)
    with warnings.catch_warnings(action="ignore"):  # some videos are not transcribed
        assert sdk.coll.search("action items", include_clip=True).get_shots()[0].stream_url


@offered("Collection.legacy_search")
def _(sdk: World) -> None:
    with warnings.catch_warnings(action="ignore"):  # some videos are not transcribed
        found = sdk.coll.legacy_search("action items")
    assert sdk.video.id in {shot.video_id for shot in found.get_shots()}


# RTStream


@offered("RTStream.start")
def _(sdk: World) -> None:
    stream = sdk.coll.connect_rtstream(sdk.url, "Start")
    stream.start()
    assert sdk.coll.get_rtstream(stream.id).status == stream.status == "connected"
    stream.stop()


@offered("RTStream.stop")
def _(sdk: World) -> None:
    stream = sdk.coll.connect_rtstream(sdk.url, "Stop")
    stream.stop()
    assert sdk.coll.get_rtstream(stream.id).status == stream.status == "stopped"


@offered("RTStream.export")
def _(sdk: World) -> None:
    result = sdk.stream.export(name="Again")
    assert (result.video_id, result.name) == (sdk.video.id, "Door")
    assert result.duration == pytest.approx(8, abs=0.1)


@offered("RTStreamExportResult.get_embed_code")
def _(sdk: World) -> None:
    assert "/embed?v=" in sdk.stream.export().get_embed_code()


@offered("RTStream.start_transcript")
def _(sdk: World) -> None:
    for engine in (None, "assemblyai"):
        started = sdk.stream.start_transcript(engine=engine)
        assert (started["status"], started["engine"]) == ("running", "openai:whisper-1")
        assert isinstance(started["start_time"], float)
    sdk.stream.stop_transcript()


@offered("RTStream.stop_transcript")
def _(sdk: World) -> None:
    sdk.stream.start_transcript()
    assert sdk.stream.stop_transcript(engine="AAIS")["status"] == "stopped"


@offered("RTStream.get_transcript")
def _(sdk: World) -> None:
    page = sdk.stream.get_transcript(page=1, page_size=10, since=START)
    assert (page["transcription_records"], page["next_page"], page["page"], page["page_size"]) == ([], False, 1, 10)


@offered("RTStream.generate_stream")
def _(sdk: World) -> None:
    player_url = sdk.stream.generate_stream(START, START + 4, player_config={"title": "T", "slug": "s"})
    assert player_url == sdk.stream.player_url
    assert httpx.get(sdk.stream.stream_url).text.startswith("#EXTM3U")


@offered("RTStream.get_embed_code")
def _(sdk: World) -> None:
    stream = sdk.coll.get_rtstream(STREAM)
    stream.generate_stream(START, START + 4)
    assert "/embed?v=" in stream.get_embed_code()


def check_index(sdk: World, index: RTStreamSceneIndex, kind: str, config: dict[str, Any]) -> None:
    assert (index.rtstream_id, index.extraction_type, index.extraction_config) == (STREAM, kind, config)
    assert index.status == "connected"
    index.stop()
    assert sdk.stream.get_scene_index(index.rtstream_index_id).status == index.status == "stopped"


@offered("RTStream.index_scenes")
def _(sdk: World) -> None:
    check_index(sdk, sdk.stream.index_scenes(), "time", {"time": 2, "frame_count": 5})


@offered("RTStream.index_visuals")
def _(sdk: World) -> None:
    batch = {"type": "time", "value": 4, "frame_count": 2}
    index = sdk.stream.index_visuals("Describe", batch_config=batch, model_name="GPT4o", name="seen")
    assert (index.prompt, index.name) == ("Describe", "seen")
    check_index(sdk, index, "time", {"time": 4, "frame_count": 2})


@offered("RTStream.index_audio")
def _(sdk: World) -> None:
    index = sdk.stream.index_audio("Summarise", batch_config={"type": "sentence", "value": 2})
    check_index(sdk, index, "transcript", {"segmenter": "sentence", "segmentation_value": 2})


@offered("RTStream.index_spoken_words")
def _(sdk: World) -> None:
    index = sdk.stream.index_spoken_words()
    check_index(sdk, index, "transcript", {"segmenter": "word", "segmentation_value": 10})


@offered("RTStream.list_scene_indexes")
def _(sdk: World) -> None:
    assert INDEX in {one.rtstream_index_id for one in sdk.stream.list_scene_indexes()}


@offered("RTStream.get_scene_index")
def _(sdk: World) -> None:
    index = sdk.stream.get_scene_index(INDEX)
    assert (index.name, index.prompt, index.status) == ("scene", "Describe", "stopped")


@offered("RTStream.search")
def _(sdk: World) -> None:
    def texts(query: str = "parcel", **options: Any) -> list[str | None]:
        return [shot.text for shot in sdk.stream.search(query, **options).get_shots()]

    assert len(texts()) == 4
    assert texts(index_id=INDEX, result_threshold=2) == texts()[:2]
    assert texts("number 3", result_threshold=1) == ["a parcel number 3"]
    assert texts("number 3", score_threshold=0.99) == ["a parcel number 3"]
    assert texts("number 3", dynamic_score_percentage=100)[0] == "a parcel number 3"
    assert texts("helicopter") == []
    assert texts(filter=[{"field": "kind", "op": "==", "value": "visual"}])
    assert texts(filter=[{"field": "kind", "op": "==", "value": "alert"}]) == []
    with pytest.raises(InvalidRequestError):
        texts(result_threshold=0)


@offered("RTStreamSearchResult.get_shots")
def _(sdk: World) -> None:
    shot = sdk.stream.search("number 1", result_threshold=1).get_shots()[0]
    assert (shot.start, shot.end, shot.scene_index_name) == (START + 2, START + 4, "scene")
    assert isinstance(shot.search_score, float)
    assert shot.metadata == {"model": "local"}


@offered("RTStreamShot.generate_stream")
def _(sdk: World) -> None:
    shot = sdk.stream.search("number 1").get_shots()[0]
    assert httpx.get(shot.generate_stream()).text.startswith("#EXTM3U")


@offered("RTStreamShot.get_embed_code")
def _(sdk: World) -> None:
    assert "/embed?v=" in sdk.stream.search("number 1").get_shots()[0].get_embed_code()


# RTStreamSceneIndex


@offered("RTStreamSceneIndex.get_scenes")
def _(sdk: World) -> None:
    page = sdk.index.get_scenes(start=START, end=START + 8, page=1, page_size=3)
    assert page["next_page"] is True
    assert [scene["text"] for scene in page["scenes"]] == [f"a parcel number {number}" for number in (3, 2, 1)]
    first = page["scenes"][0]
    assert (first["description"], first["start"], first["end"]) == (first["text"], START + 6, START + 8)


@offered("RTStreamSceneIndex.start")
def _(sdk: World) -> None:
    index = sdk.stream.index_visuals("Start")
    index.stop()
    index.start()
    assert sdk.stream.get_scene_index(index.rtstream_index_id).status == index.status == "connected"
    index.stop()


@offered("RTStreamSceneIndex.stop")
def _(sdk: World) -> None:
    index = sdk.stream.index_visuals("Stop")
    for _ in range(2):
        index.stop()
    assert sdk.stream.get_scene_index(index.rtstream_index_id).status == index.status == "stopped"


def alert_on(sdk: World, label: str) -> str:
    return sdk.index.create_alert(sdk.conn.create_event(f'"{label}" is on the screen', label), "")


def alert(sdk: World, alert_id: str) -> dict[str, Any]:
    [found] = [one for one in sdk.index.list_alerts() if one["alert_id"] == alert_id]
    return found


@offered("RTStreamSceneIndex.create_alert")
def _(sdk: World) -> None:
    assert alert_on(sdk, "create").startswith("alert-")
    with pytest.raises(InvalidRequestError, match="event-none"):
        sdk.index.create_alert("event-none", "")


@offered("RTStreamSceneIndex.list_alerts")
def _(sdk: World) -> None:
    found = alert(sdk, alert_on(sdk, "list"))
    assert (found["label"], found["prompt"], found["status"]) == ("list", '"list" is on the screen', "enabled")


@offered("RTStreamSceneIndex.disable_alert")
def _(sdk: World) -> None:
    alert_id = alert_on(sdk, "disable")
    sdk.index.disable_alert(alert_id)
    assert alert(sdk, alert_id)["status"] == "disabled"


@offered("RTStreamSceneIndex.enable_alert")
def _(sdk: World) -> None:
    alert_id = alert_on(sdk, "enable")
    sdk.index.disable_alert(alert_id)
    sdk.index.enable_alert(alert_id)
    assert alert(sdk, alert_id)["status"] == "enabled"
