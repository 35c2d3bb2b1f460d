"""The examples of the published reference run with the official SDK as they are printed, one after the other."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from rtstream.testsource import ClipSpec
from tests.integration.meetings import heard, meeting
from tests.integration.reference_script import EXAMPLES, Script, example, wait_for
from tests.integration.sdk_service import listening
from tests.modelserver import Call
from tests.rtstream.engine.webhooks.receivers import Receiver, receiving

pytest.importorskip("moonshine_voice", reason="hearing needs the extra 'local'")
pytestmark = pytest.mark.rtmp_server

WORKFLOW = example("Weekly Standup")
MEETING_S = 11.0
SCREEN = {
    "app_name": "Slack",
    "activity": "reading",
    "ui_elements": ["channel list"],
    "contains_text": True,
    "dominant_colors": ["purple"],
}
"""The response of the model to the prompt of the reference that asks for JSON."""


APPLICATIONS = itertools.cycle(["Slack", "a terminal"])


def model(call: Call) -> str:
    """See Slack in every other window, and find every event in the scenes that name it."""
    if events := re.findall(r"^(\d+)\. \".*\"$", call.instructions, re.MULTILINE):
        verdict = {"explanation": "Slack is on the screen.", "match": "Slack" in call.text, "confidence": 0.95}
        return json.dumps({"verdicts": [{"event": int(event), **verdict} for event in events]})
    if not call.pictures:
        return "A summary."
    return json.dumps(SCREEN) if "JSON" in call.text else f"The user opened {next(APPLICATIONS)}."


@pytest.fixture(scope="module")
def slides(clip_of: Callable[[ClipSpec], Path]) -> Path:
    return clip_of(ClipSpec(width=640, height=360, fps=10, gop=10, seconds=24, bitrate=300_000, audio=False))


@contextmanager
def scripted(
    tmp_path: Path, url: str, reply: Callable[[Call], str] | None, meeting_s: float = MEETING_S
) -> Iterator[tuple[Script, Receiver]]:
    with ExitStack() as stack:
        service = stack.enter_context(listening(tmp_path / "data", reply))
        receiver = stack.enter_context(receiving())
        script = Script(service, url, f"{receiver.url}/alerts", {60: 4, 1800: meeting_s})
        stack.enter_context(script.connected())
        yield script, receiver


def run_all_but_the_workflow(script: Script) -> dict[str, list[str]]:
    """Run the examples in their order. Returns the lines that each printed, by its first line."""
    printed: dict[str, list[str]] = {}
    variables = script.variables
    for text in EXAMPLES:
        if text == WORKFLOW:
            continue
        if "rtstream.index_audio(" in text and "audio_index" not in variables:
            variables["rtstream"].start()  # an earlier example stopped it
        if "get_scene_index(" in text:
            variables["index_id"] = variables["scene_index"].rtstream_index_id
        if "get_scenes(" in text:
            wait_for(lambda: variables["scene_index"].get_scenes()["scenes"], "a scene")
        ids = {"rts_xxx": variables["rtstream"].id} if "rtstream" in variables else {}
        printed[text.splitlines()[0]] = script.run(text, **ids)
    return printed


WITH_AND_WITHOUT_A_MODEL = pytest.mark.parametrize("reply", [None, model], ids=["without a model", "with a model"])


@pytest.mark.long
@WITH_AND_WITHOUT_A_MODEL
def test_every_example_of_the_reference_runs_as_it_is_printed(
    tmp_path: Path, slides: Path, reply: Callable[[Call], str] | None
) -> None:
    with meeting(tmp_path, slides) as url, scripted(tmp_path, url, reply) as (script, receiver):
        printed = run_all_but_the_workflow(script)
        variables = script.variables
        stream = variables["rtstream"]
        assert printed["rtstreams = coll.list_rtstreams("] == []  # it asks for the name "meeting"
        listed = script.run(example("list_rtstreams(").replace("meeting", "Live Stream"))
        assert listed == [f"{stream.id}: My Live Stream - connected"]
        assert printed["import time"][0].startswith(f"Recorded stream: {script.service.url}/watch?v=")
        lines = next(found for first, found in printed.items() if first.startswith("export_result"))
        exported = dict(line.split(": ", 1) for line in lines)
        assert exported["Video ID"].startswith("m-")
        assert exported["Stream URL"].endswith(".m3u8")
        assert 1 < float(exported["Duration"].removesuffix("s")) < 20
        assert re.fullmatch(r"\[\d+\.?\d*-\d+\.?\d*\] .+", printed["result = scene_index.get_scenes("][0], re.DOTALL)
        assert printed["events = conn.list_events()"] == [f"{variables['event_id']}: slack_opened"]
        assert {index.status for index in stream.list_scene_indexes()} <= {"connected", "stopped"}
        check_hearing(script)
        check_seeing(script, with_model=reply is not None)
        if reply is not None:
            check_alert(script, receiver)


def check_hearing(script: Script) -> None:
    """Check the messages of the transcript and of the audio indexes on the WebSocket."""
    assert script.message("transcript", lambda message: bool(message["data"]["text"]))["data"]["start"] > 1e9
    audio = script.message("audio_index", lambda message: message["data"]["status"] == "ok")
    assert audio["rtstream_id"] == script.variables["rtstream"].id


def check_seeing(script: Script, *, with_model: bool) -> None:
    """Check the messages of a scene index on the WebSocket, and that prompts for JSON have JSON for an answer."""
    indexes = script.variables["rtstream"].list_scene_indexes()
    [asked] = [index for index in indexes if "app_name" in (index.prompt or "")]

    def of_json(message: dict[str, Any]) -> bool:
        return message["data"]["rtstream_index_id"] == asked.rtstream_index_id

    script.message("scene_index", of_json)
    scenes = asked.get_scenes()["scenes"]
    seen = [json.loads(scene["text"]) for scene in scenes]
    assert seen
    assert all(set(each) == set(SCREEN) for each in seen)
    if with_model:
        assert seen[0] == SCREEN


def check_alert(script: Script, receiver: Receiver) -> None:
    """Check an alert on the WebSocket and at the receiver against the two shapes that the reference prints."""
    alert = script.message("alert")
    assert alert["rtstream_id"] == script.variables["rtstream"].id
    assert alert["data"]["event_label"] == "slack_opened"
    assert isinstance(alert["data"]["timestamp"], int)
    assert alert["data"]["timestamp"] > 1_700_000_000_000
    assert alert["data"]["text"] == "Slack is on the screen."
    wait_for(lambda: receiver.got, "a webhook")
    body = receiver.got[0][1]
    assert (body["event_id"], body["label"]) == (script.variables["event_id"], "slack_opened")
    assert (body["confidence"], body["explanation"]) == (0.95, "Slack is on the screen.")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", body["timestamp"])
    assert 1.7e9 < body["start_time"] < body["end_time"]
    assert body["stream_url"].startswith("http")
    assert "/watch?v=" in body["player_url"]


def test_the_workflow_of_the_reference_finds_the_action_items_that_were_spoken(tmp_path: Path, slides: Path) -> None:
    with meeting(tmp_path, slides) as url, scripted(tmp_path, url, None) as (script, _):
        recorded, exported, clip = script.run(WORKFLOW)
        assert recorded.startswith(f"Recorded stream: {script.service.url}/watch?v=")
        assert exported.startswith("Exported video: m-")
        assert clip.startswith(f"Action items clip: {script.service.url}/")
        assert "action items" in heard(clip.removeprefix("Action items clip: ")).lower()


@pytest.mark.long
@WITH_AND_WITHOUT_A_MODEL
def test_the_workflow_says_that_there_are_no_action_items_without_audio(
    tmp_path: Path, slides: Path, reply: Callable[[Call], str] | None
) -> None:
    with meeting(tmp_path, slides, audio=False) as url, scripted(tmp_path, url, reply) as (script, _):
        *_, last = script.run(WORKFLOW)
        assert last == "No action items were detected in the recording."


@pytest.mark.long
@WITH_AND_WITHOUT_A_MODEL
def test_every_example_runs_on_a_source_without_audio(
    tmp_path: Path, slides: Path, reply: Callable[[Call], str] | None
) -> None:
    with meeting(tmp_path, slides, audio=False) as url, scripted(tmp_path, url, reply) as (script, receiver):
        printed = run_all_but_the_workflow(script)
        check_recorded(script, printed)
        check_seeing(script, with_model=reply is not None)
        if reply is not None:
            check_alert(script, receiver)
        assert script.variables["transcript"]["transcription_records"] == []


def check_recorded(script: Script, printed: dict[str, list[str]]) -> None:
    """Check what the examples print about the recording and the scenes."""
    assert printed["import time"][0].startswith(f"Recorded stream: {script.service.url}/watch?v=")
    assert any(lines[0].startswith("Video ID: m-") for lines in printed.values() if lines)
    assert re.fullmatch(r"\[\d+\.?\d*-\d+\.?\d*\] .+", printed["result = scene_index.get_scenes("][0], re.DOTALL)


LATE_S = 20.0


@pytest.mark.long
@WITH_AND_WITHOUT_A_MODEL
def test_the_workflow_finds_what_is_said_on_a_source_whose_audio_begins_late(
    tmp_path: Path, slides: Path, reply: Callable[[Call], str] | None
) -> None:
    meeting_s = LATE_S + 1.5 * MEETING_S
    with (
        meeting(tmp_path, slides, audio_after_s=LATE_S) as url,
        scripted(tmp_path, url, reply, meeting_s) as (script, _),
    ):
        recorded, exported, clip = script.run(WORKFLOW)
        # The video begins with the audio, because its format changed there.
        assert MEETING_S < float(script.variables["export_result"].duration) < meeting_s - LATE_S / 2
        assert recorded.startswith(f"Recorded stream: {script.service.url}/watch?v=")
        assert exported.startswith("Exported video: m-")
        assert clip.startswith(f"Action items clip: {script.service.url}/")
        assert "action items" in heard(clip.removeprefix("Action items clip: ")).lower()


@pytest.mark.long
@WITH_AND_WITHOUT_A_MODEL
def test_every_example_runs_on_a_source_whose_audio_begins_late(
    tmp_path: Path, slides: Path, reply: Callable[[Call], str] | None
) -> None:
    with (
        meeting(tmp_path, slides, audio_after_s=LATE_S) as url,
        scripted(tmp_path, url, reply) as (script, receiver),
    ):
        printed = run_all_but_the_workflow(script)
        check_recorded(script, printed)
        check_hearing(script)
        check_seeing(script, with_model=reply is not None)
        if reply is not None:
            check_alert(script, receiver)
