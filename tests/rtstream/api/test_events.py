"""Events and alerts over the API and its client: change, explain, try out, deliver again, remove."""

from __future__ import annotations

import time
from typing import Any

import httpx
import pytest

from rtstream.client.client import RTStreamClient
from rtstream.engine.engine import Engine
from rtstream.errors import InvalidRequest, NotFound
from rtstream.models import CreateAlert, EventTest, UpdateEvent
from rtstream.store import alerts as alert_rows
from rtstream.store import indexes as index_rows
from rtstream.store.journal import Entry
from tests.rtstream.api.test_streams import data
from tests.waiting import eventually

from .conftest import AddStream

pytestmark = pytest.mark.anyio

LIMIT_S = 10.0
READ = {"text_read": True, "black": False, "changed": True, "frozen": False}


async def add_scene(engine: Engine, stream_id: str, index_id: str, *lines: str, **changes: Any) -> int:
    """Store a scene as an index does, and have it evaluated."""
    now = time.time()
    values = {"start": now - 1, "end": now, "text": " ".join(lines), "status": "ok", "model": "local", "data": None}
    detail = {"lines": list(lines), "changes": READ | changes}
    scene_id = await engine.db.write(
        lambda conn: index_rows.add_scene(
            conn, index_id=index_id, stream_id=stream_id, detail=detail, created_at=now, **values
        )
    )
    engine.evaluator.scene_stored(index_id)
    return scene_id


async def judged(client: RTStreamClient, *alert: str, number: int) -> list[Any]:
    """The decisions of an alert, oldest first, once there are so many."""

    async def read() -> list[Any]:
        return (await client.alerts.list_decisions(*alert))[0]

    return (await eventually(read, lambda found: len(found) >= number, limit_s=LIMIT_S))[::-1]


async def test_an_alert_explains_every_scene_it_judged(
    served: Any, client: RTStreamClient, add_stream: AddStream, add_index: AddStream
) -> None:
    stream_id = await add_stream()
    index_id = await add_index(stream_id)
    event = await client.alerts.create_event('"OPEN" is on the screen', "open")
    made = await client.alerts.create_alert(
        stream_id, index_id, CreateAlert(event_id=event.event_id, consecutive=2, cooldown_s=60)
    )
    assert made.options == {"consecutive": 2, "cooldown_s": 60}
    alert = (stream_id, index_id, made.alert_id)
    for lines in (["OPEN"], ["OPEN"], ["OPEN"], ["closed"], ["OPEN"], ["OPEN"]):
        await add_scene(served.engine, stream_id, index_id, *lines)
    found = await judged(client, *alert, number=6)
    assert [(d.outcome, d.reason) for d in found] == [
        ("suppressed", "not enough matching scenes in a row yet"),
        ("fired", ""),
        ("suppressed", "this episode has already been reported"),
        ("no_match", ""),
        ("suppressed", "not enough matching scenes in a row yet"),
        ("suppressed", "the alert fired a moment ago (cooldown_s)"),
    ]
    assert found[1].explanation == '"OPEN" was found in the line: OPEN.'
    assert found[1].seq is not None
    page, more = await client.alerts.list_decisions(*alert, page=2, page_size=4)
    assert ([d.outcome for d in page], more) == (["fired", "suppressed"], False)
    later, _ = await client.alerts.list_decisions(*alert, start=found[-1].end)
    assert later == []
    [listed] = await client.alerts.list_alerts(stream_id, index_id)
    assert listed.fired == 1
    assert await served.engine.db.write(alert_rows.trim_decisions, time.time() + 1, 100) == 5
    assert [d.outcome for d in await judged(client, *alert, number=1)] == ["fired"]


async def test_a_disabled_alert_says_what_it_would_have_done(
    served: Any, client: RTStreamClient, add_stream: AddStream, add_index: AddStream
) -> None:
    stream_id = await add_stream()
    index_id = await add_index(stream_id)
    event = await client.alerts.create_event('"OPEN" is on the screen', "open")
    made = await client.alerts.create_alert(stream_id, index_id, CreateAlert(event_id=event.event_id))
    await client.alerts.disable_alert(stream_id, index_id, made.alert_id)
    await add_scene(served.engine, stream_id, index_id, "OPEN")
    [decision] = await judged(client, stream_id, index_id, made.alert_id, number=1)
    assert (decision.outcome, decision.reason) == ("suppressed", "the alert is disabled")


async def test_an_event_is_changed_for_all_its_alerts_and_removed_with_them(
    served: Any, client: RTStreamClient, add_stream: AddStream, add_index: AddStream
) -> None:
    stream_id = await add_stream()
    index_id = await add_index(stream_id)
    event = await client.alerts.create_event("the door is open", "door")
    assert event.matching == "needs_model"
    made = await client.alerts.create_alert(stream_id, index_id, CreateAlert(event_id=event.event_id))
    assert "will not fire" in made.note
    alert = (stream_id, index_id, made.alert_id)
    await add_scene(served.engine, stream_id, index_id, "the door is open")
    [undecided] = await judged(client, *alert, number=1)
    assert undecided.outcome == "needs_model"
    assert undecided.confidence > 0.9

    changed = await client.alerts.update_event(event.event_id, UpdateEvent(rule={"regex": "door (is|was) open"}))
    assert (changed.matching, changed.event_prompt, changed.label) == ("rule", "the door is open", "door")
    assert changed.note.startswith("Decided by searching for the regular expression only")
    await add_scene(served.engine, stream_id, index_id, "the door is open")
    assert (await judged(client, *alert, number=2))[-1].outcome == "fired"
    renamed = await client.alerts.update_event(event.event_id, UpdateEvent(label="gate", rule={}))
    assert (renamed.matching, renamed.label, renamed.rule) == ("needs_model", "gate", None)

    await client.alerts.delete_event(event.event_id)
    assert await client.alerts.list_events() == []
    assert await client.alerts.list_alerts(stream_id, index_id) == []
    with pytest.raises(NotFound, match="no event"):
        await client.alerts.delete_event(event.event_id)


async def test_a_removed_alert_is_gone_with_its_logs_and_the_others_go_on(
    served: Any, client: RTStreamClient, add_stream: AddStream, add_index: AddStream
) -> None:
    stream_id = await add_stream()
    index_id = await add_index(stream_id)
    event = await client.alerts.create_event('"OPEN" is on the screen', "open")
    stays, goes = [
        (await client.alerts.create_alert(stream_id, index_id, CreateAlert(event_id=event.event_id))).alert_id
        for _ in range(2)
    ]
    await client.alerts.delete_alert(stream_id, index_id, goes)
    await add_scene(served.engine, stream_id, index_id, "OPEN")
    assert (await judged(client, stream_id, index_id, stays, number=1))[0].outcome == "fired"
    for call in (
        client.alerts.delete_alert,
        client.alerts.list_decisions,
        client.alerts.list_deliveries,
        client.alerts.redeliver,
    ):
        with pytest.raises(NotFound, match="no alert"):
            await call(stream_id, index_id, goes)
    other = await add_index(stream_id)
    with pytest.raises(NotFound):
        await client.alerts.delete_alert(stream_id, other, stays)


async def test_an_event_is_tried_out_on_past_scenes_without_creating_anything(
    served: Any, client: RTStreamClient, add_stream: AddStream, add_index: AddStream
) -> None:
    stream_id = await add_stream()
    index_id = await add_index(stream_id)
    for line in ("closed", "OPEN", "OPEN", "closed"):
        await add_scene(served.engine, stream_id, index_id, line)
    found = await client.alerts.test_event(stream_id, EventTest(event_prompt='"OPEN" appears'))
    assert [decision.outcome for decision in found] == ["no_match", "no_match", "match", "no_match"]
    limited = await client.alerts.test_event(
        stream_id, EventTest(event_prompt="x", rule={"text": "OPEN"}, rtstream_index_id=index_id, limit=2)
    )
    assert [decision.outcome for decision in limited] == ["no_match", "match"]
    assert await client.alerts.list_events() == []
    with pytest.raises(InvalidRequest, match="about the stream itself"):
        await client.alerts.test_event(stream_id, EventTest(event_prompt="the stream is lost"))
    with pytest.raises(NotFound):
        await client.alerts.test_event("rts-none", EventTest(event_prompt='"OPEN"'))


@pytest.mark.parametrize(
    ("rule", "sentence"),
    [
        ({"text": ""}, "text must be a phrase"),
        ({"regex": "(?=x)"}, "RE2 syntax"),
        ({"picture": "blue"}, "picture must be one of"),
        ({"sound": "loud"}, "exactly one of"),
    ],
)
async def test_a_rule_that_makes_no_sense_gets_a_sentence(
    api: httpx.AsyncClient, rule: dict[str, Any], sentence: str
) -> None:
    answer = await api.post("/rtstream/event", json={"event_prompt": "x", "label": "x", "rule": rule})
    assert answer.status_code == 400
    assert sentence in answer.json()["message"]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"cooldown_s": -1}, "cooldown_s must be a number from 0"),
        ({"consecutive": 0}, "consecutive must be a number from 1"),
        ({"quiet_hours": [{"start": "22:00"}]}, "Each entry of quiet_hours must look like"),
        ({"pre_s": 601}, "pre_s"),
        ({"consecutive": 2}, "never matches several"),
        ({"callback_url": "http://169.254.169.254/latest"}, "link-local"),
        ({"callback_url": "http://10.0.0.5/hook"}, "RTSTREAM_WEBHOOK_ALLOW_NETWORKS=private"),
    ],
)
async def test_options_that_make_no_sense_get_a_sentence(
    api: httpx.AsyncClient, add_stream: AddStream, add_index: AddStream, options: dict[str, Any], sentence: str
) -> None:
    stream_id = await add_stream()
    index_id = await add_index(stream_id)
    event = (await api.post("/rtstream/event", json={"event_prompt": '"A1" appears', "label": "x"})).json()["data"]
    answer = await api.post(
        f"/rtstream/{stream_id}/index/{index_id}/alert", json={"event_id": event["event_id"], **options}
    )
    assert answer.status_code == 400
    assert sentence in answer.json()["message"]


async def test_a_lost_stream_and_its_return_fire_once_each(
    served: Any, client: RTStreamClient, add_stream: AddStream, add_index: AddStream
) -> None:
    engine: Engine = served.engine
    stream_id = await add_stream()
    index_id = await add_index(stream_id)
    alerts = {}
    for name, rule in (("lost", {"stream": "lost"}), ("back", {"stream": "back"})):
        event = await client.alerts.create_event(f"the stream is {name}", name, rule)
        made = await client.alerts.create_alert(stream_id, index_id, CreateAlert(event_id=event.event_id))
        alerts[name] = (stream_id, index_id, made.alert_id)

    async def health(state: str, reason: str = "") -> None:
        data = {"state": state, "reason": reason, "since": time.time(), "attempts": 0}
        await engine.journal.append(Entry("health", data, stream_id, "Door"))

    await health("connecting")
    await health("connected")
    await health("reconnecting", "no answer")
    await health("reconnecting", "connection refused")
    await health("connecting")
    await health("connected")
    lost, back = [await judged(client, *alerts[name], number=4) for name in ("lost", "back")]
    assert [d.outcome for d in lost] == ["no_match", "fired", "suppressed", "no_match"]
    assert lost[1].explanation == "The stream is lost: no answer."
    assert [d.outcome for d in back] == ["no_match", "no_match", "no_match", "fired"]
    page = await client.journal(0)
    assert [m.data["label"] for m in page.entries if m.channel == "alert"] == ["lost", "back"]


async def test_events_and_alerts_are_made_listed_and_switched(
    api: httpx.AsyncClient, add_stream: AddStream, add_index: AddStream
) -> None:
    event = await data(
        await api.post("/rtstream/event", json={"event_prompt": '"OPEN" is shown', "label": "open"}), 201
    )
    [listed] = (await data(await api.get("/rtstream/event")))["events"]
    assert listed == event
    stream_id = await add_stream()
    path = f"/rtstream/{stream_id}/index/{await add_index(stream_id)}/alert"
    assert await data(await api.get(path)) == {"alerts": []}
    made = await data(await api.post(path, json={"event_id": event["event_id"], "callback_url": ""}), 201)
    assert (made["label"], made["callback_url"], made["status"]) == ("open", None, "enabled")
    status = f"{path}/{made['alert_id']}/status"
    for change, result in [
        ({"action": "disable"}, "disabled"),
        ({"action": "disable"}, "disabled"),
        ({"action": "enable"}, "enabled"),
        ({"status": "disabled"}, "disabled"),
        ({"status": "enabled", "action": None}, "enabled"),
    ]:
        assert (await data(await api.patch(status, json=change)))["status"] == result
        [alert] = (await data(await api.get(path)))["alerts"]
        assert alert["status"] == result
    assert (await api.patch(status, json={})).json()["message"] == "The action is missing. Send enable or disable."
    assert (await api.post(path, json={"event_id": "event-unknown"})).status_code == 404
    assert (await api.post(path, json={"event_id": event["event_id"], "callback_url": "ftp://x"})).status_code == 400
