"""Alerts on several or all streams, later ones included, across restarts and deletions."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from rtstream import ids
from rtstream.config import EngineConfig
from rtstream.engine.alerts import failures
from rtstream.engine.alerts.indexes import AlertIndexes
from rtstream.engine.engine import Engine
from rtstream.engine.streams import stall_watch
from rtstream.errors import Conflict, InvalidRequest, NotFound, Unavailable
from rtstream.models import AlertGroup, CreateAlertGroup, Page, Slice, UpdateAlert
from rtstream.store import indexes as index_rows
from rtstream.store import streams as stream_rows
from rtstream.store.journal import Entry
from tests.waiting import eventually

pytestmark = pytest.mark.anyio

SHOWN = '"Invoice 4711" is on the screen'
ALL = Slice()
PAGE = Page()


@asynccontextmanager
async def running(folder: Path, **settings: Any) -> AsyncIterator[Engine]:
    async with Engine(EngineConfig(data_dir=folder, embedding_model="none", **settings)) as engine:
        yield engine


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[Engine]:
    async with running(tmp_path) as engine:
        yield engine


async def add_stream(engine: Engine, name: str = "Desk", *, announced: bool = True, **more: Any) -> str:
    """Store a stopped stream, and announce it as a connection does."""
    now = time.time()
    values = {
        "id": ids.stream_id(),
        "name": name,
        "url": "u",
        "collection_id": "default",
        "created_at": now,
        "media_types": ["video"],
        "audio": True,
        "sample_rate": 30.0,
        "store": True,
        "enable_transcript": False,
        "desired": "stopped",
        "health": {"state": "stopped", "since": now},
        **more,
    }
    await engine.db.write(lambda conn: stream_rows.insert(conn, **values))
    if announced:
        data = {"change": "added", "kind": "stream", "id": values["id"], "name": name}
        await engine.journal.append(Entry("catalogue", data, values["id"], name))
    return values["id"]


async def create(engine: Engine, *streams: str, prompt: str = SHOWN, **more: Any) -> AlertGroup:
    request = {"streams": [*streams], "event_prompt": prompt, "label": "invoice", **more}
    return await engine.alert_groups.create(CreateAlertGroup(**request))


async def watched(engine: Engine, alert_id: str, number: int) -> set[str]:
    """The streams that an alert watches, once there are ``number``."""

    async def read() -> list[str]:
        return [alert.rtstream_id for alert in (await engine.alert_groups.get(alert_id)).alerts]

    return set(await eventually(read, lambda found: len(found) == number))


async def test_an_alert_on_one_stream_starts_an_index_and_reuses_it(engine: Engine) -> None:
    stream_id = await add_stream(engine)
    first = await create(engine, stream_id)
    [begun] = first.started
    assert (begun.rtstream_id, begun.created, begun.extraction_type) == (stream_id, True, "time")
    assert [alert.alert_id for alert in first.alerts] == [first.alert_id]
    assert first.alerts[0].matching == "rule"
    second = await create(engine, stream_id, prompt='"Paid" is shown')
    assert second.started == []
    assert second.alerts[0].rtstream_index_id == first.alerts[0].rtstream_index_id
    await engine.indexes.stop(stream_id, begun.rtstream_index_id)
    third = await create(engine, stream_id, prompt='"Due" is shown')
    assert [(one.created, one.rtstream_index_id) for one in third.started] == [(False, begun.rtstream_index_id)]


async def test_something_that_is_said_is_watched_on_the_transcript_and_needs_no_index(engine: Engine) -> None:
    pytest.importorskip("moonshine_voice", reason="hearing needs the extra 'local'")
    stream_id = await add_stream(engine)
    made = await create(engine, stream_id, prompt='"action items" is said')
    assert [(one.extraction_type, one.rtstream_index_id) for one in made.started] == [("transcript", "")]
    assert made.alerts[0].rtstream_index_id == ""
    assert await engine.indexes.list(stream_id) == []
    assert (await engine.transcripts.status(stream_id, None)).state == "running"
    assert (await create(engine, stream_id, prompt="speech stops")).started == []


async def test_an_alert_on_a_lost_connection_needs_no_analysis(engine: Engine) -> None:
    stream_id = await add_stream(engine)
    made = await create(engine, stream_id, prompt="the stream is lost")
    assert (made.started, made.limits) == ([], ["1 of 1 streams are stopped. It fires only while its stream runs."])
    assert await engine.indexes.list(stream_id) == []


async def test_an_alert_on_all_streams_includes_later_ones_once(tmp_path: Path) -> None:
    async with running(tmp_path) as engine:
        first = await add_stream(engine)
        made = await create(engine, "all")
        assert (made.all_streams, [alert.rtstream_id for alert in made.alerts]) == (True, [first])
        second = await add_stream(engine, "Yard")
        assert await watched(engine, made.alert_id, 2) == {first, second}
        unseen = await add_stream(engine, "Gate", announced=False)  # as if the engine ended right after it was stored
    for _ in range(2):
        async with running(tmp_path) as engine:
            assert await watched(engine, made.alert_id, 3) == {first, second, unseen}
            again = await add_stream(engine, "Roof")
            assert again in await watched(engine, made.alert_id, 4)
            await engine.delete_stream(again)
            assert await watched(engine, made.alert_id, 3) == {first, second, unseen}


async def test_an_alert_on_named_streams_does_not_include_later_ones(engine: Engine) -> None:
    one, two = await add_stream(engine), await add_stream(engine, "Yard")
    named = await create(engine, one, two, one)
    everywhere = await create(engine, "all")
    await add_stream(engine, "Gate")
    await watched(engine, everywhere.alert_id, 3)
    assert await watched(engine, named.alert_id, 2) == {one, two}


async def test_an_alert_that_was_deleted_on_one_stream_does_not_come_back(tmp_path: Path) -> None:
    async with running(tmp_path) as engine:
        one, two = await add_stream(engine), await add_stream(engine, "Yard")
        made = await create(engine, "all")
        [gone] = [alert for alert in made.alerts if alert.rtstream_id == one]
        await engine.alert_groups.delete(gone.alert_id)
        assert await watched(engine, made.alert_id, 1) == {two}
    async with running(tmp_path) as engine:
        later = await add_stream(engine, "Gate")
        assert await watched(engine, made.alert_id, 2) == {two, later}
        shown = await engine.alert_groups.get(made.alert_id)
        assert [(one_.rtstream_id, one_.reason) for one_ in shown.unwatched] == [(one, "")]


@pytest.mark.parametrize("what", ["alert", "event"])
async def test_a_deletion_removes_the_alerts_of_all_streams_for_good(engine: Engine, what: str) -> None:
    one = await add_stream(engine)
    made = await create(engine, "all")
    if what == "alert":
        await engine.alert_groups.delete(made.alert_id)
    else:
        await engine.alerts.delete_event(made.event_id)
    other = await create(engine, "all", prompt='"Paid" is shown')
    later = await add_stream(engine, "Yard")
    await watched(engine, other.alert_id, 2)
    for stream_id in (one, later):
        for index in await engine.indexes.list(stream_id):
            listed = await engine.alerts.list_alerts(stream_id, index.rtstream_index_id)
            assert {alert.event_id for alert in listed} == {other.event_id}
    with pytest.raises(NotFound, match="no alert"):
        await engine.alert_groups.get(made.alert_id)
    found, total = await engine.alert_groups.list(ALL)
    assert ([group.alert_id for group in found], total) == ([other.alert_id], 1)


async def test_a_stream_that_cannot_be_watched_is_named_with_the_reason(engine: Engine) -> None:
    silent = await add_stream(engine, "Silent", audio=False)
    said = {"prompt": '"action items" is said', "must_fire": True}
    with pytest.raises(InvalidRequest, match="audio=false"):
        await create(engine, silent, **said)
    with pytest.raises(InvalidRequest, match="audio=false"):
        await create(engine, "all", **said)
    pytest.importorskip("moonshine_voice", reason="hearing needs the extra 'local'")
    loud = await add_stream(engine, "Loud")
    with pytest.raises(InvalidRequest, match=f"The stream {silent} cannot be watched"):
        await create(engine, silent, loud, **said)
    made = await create(engine, "all", **said)
    assert [alert.rtstream_id for alert in made.alerts] == [loud]
    assert [(one.rtstream_id, "audio=false" in one.reason) for one in made.unwatched] == [(silent, True)]
    assert any("1 streams" in limit for limit in made.limits)
    await engine.streams.update(silent, audio=True)
    await engine.journal.append(Entry("health", {"state": "connected"}, silent, "Silent"))
    assert await watched(engine, made.alert_id, 2) == {silent, loud}


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (Unavailable("The recorder does not respond."), "The recorder does not respond."),
        (ZeroDivisionError(), "Internal error of the engine."),
        pytest.param(Conflict("There are too many indexes."), "There are too many indexes.", marks=pytest.mark.long),
        pytest.param(TimeoutError(), "The index did not start within 60 s.", marks=pytest.mark.long),
    ],
    ids=["unavailable", "fault", "conflict", "timeout"],
)
async def test_a_stream_that_fails_affects_no_other_and_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, sentence: str
) -> None:
    broken: set[str] = set()
    tried: list[str] = []
    ensure = AlertIndexes.ensure

    async def fail(self: AlertIndexes, wanted: Any, stream_id: str) -> Any:
        tried.append(stream_id)
        if stream_id in broken:
            raise error
        return await ensure(self, wanted, stream_id)

    monkeypatch.setattr(AlertIndexes, "ensure", fail)
    monkeypatch.setattr(failures, "RETRY_S", 0.1)
    monkeypatch.setattr(stall_watch, "LOOK_EVERY_S", 0.05)
    async with running(tmp_path) as engine:
        first, second = await add_stream(engine), await add_stream(engine, "Yard")
        broken.add(second)
        made = await create(engine, first, second)
        assert [alert.rtstream_id for alert in made.alerts] == [first]
        everywhere = await create(engine, "all")
        third, fourth = [await add_stream(engine, name, announced=False) for name in ("Gate", "Roof")]
        broken.add(third)
        await engine.journal.append(Entry("health", {"state": "connected"}, fourth, "Roof"))
        assert await watched(engine, everywhere.alert_id, 2) == {first, fourth}
        await engine.health.set(second, "connected", "")

        async def problems() -> list[str]:
            reasons = (await engine.streams.get(second)).health.reasons
            return [reason.text for reason in reasons if reason.code == "index_stalled"]

        found = await eventually(problems)
        assert any("'invoice' does not watch this stream" in text and sentence in text for text in found)
        shown = await engine.alert_groups.get(everywhere.alert_id)
        assert {one.rtstream_id for one in shown.unwatched} == {second, third}
        assert all(sentence in one.reason and failures.AGAIN in one.reason for one in shown.unwatched)
        assert len(tried) < 60  # with growing pauses
        broken.clear()
        assert await watched(engine, everywhere.alert_id, 4) == {first, second, third, fourth}
        assert await watched(engine, made.alert_id, 2) == {first, second}
        await eventually(problems, lambda found: not found)
        assert engine.alert_groups.failures.problems() == []


@pytest.mark.parametrize(("audio_codec", "video_codec"), [(None, "h264"), ("aac", None)])
async def test_a_medium_that_the_source_does_not_send_is_no_medium_to_watch(
    engine: Engine, audio_codec: str | None, video_codec: str | None
) -> None:
    media = {"audio_codec": audio_codec, "video_codec": video_codec}
    stream_id = await add_stream(engine, media=media)
    lacking = SHOWN if audio_codec else '"action items" is said'
    with pytest.raises(InvalidRequest, match=f"sends no {'video' if audio_codec else 'audio'}"):
        await create(engine, stream_id, prompt=lacking)


async def test_options_and_the_state_of_a_group_hold_for_all_its_streams(engine: Engine) -> None:
    await add_stream(engine)
    made = await create(engine, "all", cooldown_s=60)
    changed = await engine.alert_groups.update(made.alert_id, UpdateAlert(enabled=False, dedupe=False, mute_s=60))
    assert changed.options["muted_until"] > time.time() + 50
    await add_stream(engine, "Yard")
    await watched(engine, made.alert_id, 2)
    for alert in (await engine.alert_groups.get(made.alert_id)).alerts:
        assert (alert.status, alert.options) == ("disabled", changed.options)
    unmuted = await engine.alert_groups.update(made.alert_id, UpdateAlert(enabled=True, mute_s=0))
    assert (unmuted.status, unmuted.options) == ("enabled", {"cooldown_s": 60, "dedupe": False})
    with pytest.raises(InvalidRequest, match="min_confidence"):
        await engine.alert_groups.update(made.alert_id, UpdateAlert(min_confidence=2))


async def test_a_muted_alert_does_not_fire(engine: Engine) -> None:
    stream_id = await add_stream(engine)
    made = await create(engine, stream_id)
    await engine.alert_groups.update(made.alert_id, UpdateAlert(mute_s=3600))
    index_id = made.alerts[0].rtstream_index_id
    now = time.time()
    values = {"start": now - 1, "end": now, "text": "", "status": "ok", "model": "local", "data": None}
    detail = {"lines": ["Invoice 4711"], "changes": {"text_read": True}}
    scene = {"index_id": index_id, "stream_id": stream_id, "detail": detail, "created_at": now, **values}
    await engine.db.write(lambda conn: index_rows.add_scene(conn, **scene))
    engine.evaluator.scene_stored(index_id)

    async def decided() -> list[str]:
        found, _ = await engine.alerts.list_decisions(stream_id, index_id, made.alert_id, page=PAGE)
        return [decision.reason for decision in found]

    assert await eventually(decided) == ["the alert is muted (mute_for)"]


async def test_an_event_that_its_index_cannot_decide_is_accepted_unless_it_must_fire(engine: Engine) -> None:
    stream_id = await add_stream(engine)
    index_id = (await create(engine, stream_id)).alerts[0].rtstream_index_id
    said = {"prompt": '"action items" is said', "rtstream_index_id": index_id}
    made = await create(engine, stream_id, **said)
    assert made.alerts[0].matching == "cannot_decide"
    assert "use an audio index" in made.alerts[0].note
    with pytest.raises(InvalidRequest, match="use an audio index"):
        await create(engine, stream_id, must_fire=True, **said)


@pytest.mark.parametrize(
    ("request_", "sentence"),
    [
        ({"event_prompt": None}, "either event_id"),
        ({"event_id": "event-1"}, "either event_id"),
        ({"event_prompt": None, "event_id": "event-1"}, "label and rule"),
        ({"rtstream_index_id": "idx"}, "one stream"),
        ({"event_prompt": "  "}, "no prompt"),
        ({"rule": {"text": ""}}, "text must be"),
    ],
)
async def test_a_contradictory_request_is_refused_before_anything_is_created(
    engine: Engine, request_: dict[str, Any], sentence: str
) -> None:
    stream_id = await add_stream(engine)
    given = {"streams": ["all"], "event_prompt": SHOWN, "label": "x", **request_}
    with pytest.raises(InvalidRequest, match=sentence):
        await engine.alert_groups.create(CreateAlertGroup(**given))
    assert await engine.alerts.list_events() == []
    assert await engine.indexes.list(stream_id) == []


async def test_alerts_are_listed_in_parts_and_by_stream(engine: Engine) -> None:
    one, two = await add_stream(engine), await add_stream(engine, "Yard")
    of_one, of_all, of_two = await create(engine, one), await create(engine, "all"), await create(engine, two)
    found, total = await engine.alert_groups.list(Slice(limit=2, offset=1))
    assert ([group.alert_id for group in found], total) == ([of_all.alert_id, of_two.alert_id], 3)
    found, total = await engine.alert_groups.list(ALL, [one])
    assert ([group.alert_id for group in found], total) == ([of_one.alert_id, of_all.alert_id], 2)
    with pytest.raises(NotFound):
        await engine.alert_groups.list(ALL, ["rts-none"])


async def test_the_connection_of_a_group_receives_the_firings_of_later_streams(engine: Engine) -> None:
    await add_stream(engine)
    made = await create(engine, "all", ws_connection_id="wsc-1")
    await add_stream(engine, "Yard")
    await watched(engine, made.alert_id, 2)
    ids_ = {alert.alert_id for alert in (await engine.alert_groups.get(made.alert_id)).alerts}
    assert {("alert", alert_id) for alert_id in ids_} <= engine.subscriptions.targets("wsc-1")
