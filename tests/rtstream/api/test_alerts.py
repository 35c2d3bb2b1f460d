"""Alerts on any number of streams over the API."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.rtstream.api.test_streams import data

from .conftest import AddStream

pytestmark = pytest.mark.anyio

LOST = {"event_prompt": "the stream is lost", "label": "lost"}


async def test_an_alert_is_created_listed_changed_and_deleted(api: httpx.AsyncClient, add_stream: AddStream) -> None:
    one, two = await add_stream(), await add_stream()
    made = await data(await api.post("/rtstream/alert", json={"streams": ["all"], "cooldown_s": 5, **LOST}), 201)
    assert {alert["rtstream_id"] for alert in made["alerts"]} == {one, two}
    path = f"/rtstream/alert/{made['alert_id']}"
    single = await data(await api.post("/rtstream/alert", json={"streams": [one], **LOST}), 201)
    listed = await data(await api.get("/rtstream/alert", params={"streams": two, "start": 0}))
    assert ([group["alert_id"] for group in listed["alerts"]], listed["count"]) == ([made["alert_id"]], 1)
    assert [alert["fired_in_range"] for alert in listed["alerts"][0]["alerts"]] == [0, 0]
    changed = await data(await api.patch(path, json={"enabled": False, "mute_s": 60, "dedupe": None}))
    assert (changed["status"], changed["options"]["cooldown_s"]) == ("disabled", 5)
    assert (await data(await api.get(path)))["options"] == changed["options"]
    await data(await api.delete(path))
    assert (await api.get(path)).status_code == 404
    assert [group["alert_id"] for group in (await data(await api.get("/rtstream/alert")))["alerts"]] == [
        single["alert_id"]
    ]
    assert (await api.delete(f"/rtstream/alert/{single['alert_id']}")).status_code == 200


@pytest.mark.parametrize(
    "request_",
    [
        {"streams": [], **LOST},
        {"streams": "all", **LOST},
        {"streams": ["all"]},
        {"streams": ["all"], **LOST, "pre_s": 9999},
        {"streams": ["all"], **LOST, "callback_url": "ftp://x"},
    ],
)
async def test_a_wrong_request_is_refused(api: httpx.AsyncClient, request_: dict[str, Any]) -> None:
    assert (await api.post("/rtstream/alert", json=request_)).status_code == 400
    assert (await data(await api.get("/rtstream/alert"))) == {"alerts": [], "count": 0}


@pytest.mark.parametrize(
    ("prompt", "matching", "way_out"),
    [
        ('"action items" is said', "cannot_decide", "use an audio index"),
        ("speech starts", "cannot_decide", "use an audio index"),
        ("the stream is lost", "rule", ""),
    ],
)
async def test_an_index_accepts_every_event_and_tells_which_it_cannot_decide(
    api: httpx.AsyncClient, add_stream: AddStream, add_index: AddStream, prompt: str, matching: str, way_out: str
) -> None:
    stream_id = await add_stream()
    path = f"/rtstream/{stream_id}/index/{await add_index(stream_id)}/alert"
    event = await data(await api.post("/rtstream/event", json={"event_prompt": prompt, "label": "x"}), 201)
    assert event["matching"] == "rule"
    made = await data(await api.post(path, json={"event_id": event["event_id"]}), 201)
    assert made["matching"] == matching
    assert way_out in made["note"]
    [listed] = (await data(await api.get(path)))["alerts"]
    assert listed["matching"] == matching


async def test_what_is_said_does_not_fire_on_the_text_of_a_slide(
    served: Any, api: httpx.AsyncClient, add_stream: AddStream, add_index: AddStream
) -> None:
    from tests.rtstream.api.test_events import add_scene
    from tests.waiting import eventually

    stream_id = await add_stream()
    index_id = await add_index(stream_id)
    path = f"/rtstream/{stream_id}/index/{index_id}/alert"
    outcomes: dict[str, str] = {}
    alerts: dict[str, str] = {}
    for prompt in ('"action items" is said', "someone mentions “action items”", '"action items" is shown'):
        event = await data(await api.post("/rtstream/event", json={"event_prompt": prompt, "label": "x"}), 201)
        alerts[prompt] = (await data(await api.post(path, json={"event_id": event["event_id"]}), 201))["alert_id"]
    await add_scene(served.engine, stream_id, index_id, "Action items", "Anna: report")
    for prompt, alert_id in alerts.items():

        async def decided(alert_id: str = alert_id) -> list[dict[str, Any]]:
            return (await data(await api.get(f"{path}/{alert_id}/decisions")))["decisions"]

        [decision] = await eventually(decided)
        outcomes[prompt] = decision["outcome"]
    assert list(outcomes.values()) == ["failed", "failed", "fired"]
