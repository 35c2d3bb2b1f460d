"""Changes of health reach the receiver of the settings once each, in order, also across restarts and failures."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from pydantic import ValidationError
from standardwebhooks import Webhook

from rtstream.config import EngineConfig
from rtstream.engine.engine import Engine
from rtstream.engine.journal import Journal
from rtstream.engine.webhooks import HealthWebhook, WebhookSender
from rtstream.models import ConnectStream
from rtstream.states import HealthCode
from rtstream.store.database import Database
from rtstream.store.journal import Entry
from tests.rtstream.engine.webhooks.receivers import CHECK, SECRET, Receiver
from tests.waiting import eventually

if TYPE_CHECKING:
    from rtstream.testsource import LiveSource

pytestmark = pytest.mark.anyio


class Problems:
    """The problems of an engine."""

    def __init__(self) -> None:
        self.shown: dict[HealthCode, str] = {}

    async def set_problem(self, code: HealthCode, text: str, next_step: str) -> None:
        assert next_step
        self.shown[code] = text

    async def clear_problem(self, code: HealthCode) -> None:
        self.shown.pop(code, None)


@asynccontextmanager
async def following(
    db: Database, url: str, problems: Problems | None = None, delays_s: Sequence[float] = (0.01,) * 9
) -> AsyncIterator[Journal]:
    journal = Journal(db)
    sender = WebhookSender(CHECK, SECRET, 5.0)
    webhook = HealthWebhook(url, db, journal, problems or Problems(), sender, delays_s)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(webhook.run)
        yield journal
        tasks.cancel_scope.cancel()


def change(number: int, channel: str = "health", **more: Any) -> Entry:
    return Entry(channel, {"state": "connected", "reason": str(number)}, "rts-1", "Door", **more)


def reasons(receiver: Receiver) -> list[str]:
    return [body["reason"] for _, body in receiver.got]


async def begun(db: Database) -> None:
    """Wait until the webhook knows where it begins."""
    from rtstream.store import values

    await eventually(lambda: db.read(values.get, "health_webhook"), lambda sent: sent is not None, what="the beginning")


async def test_changes_of_health_arrive_signed_and_in_order_and_nothing_else_does(
    db: Database, receiver: Receiver
) -> None:
    await Journal(db).append(change(0))
    async with following(db, receiver.url) as journal:
        await begun(db)
        await journal.append(change(1), change(9, "catalogue"), change(2))
        await receiver.wait_for(lambda: len(receiver.got) == 2)
    assert reasons(receiver) == ["1", "2"]
    headers, body = receiver.got[0]
    assert Webhook(SECRET).verify(headers[":body"], headers) == body
    assert body | {"timestamp": "", "seq": 0} == {
        "type": "stream_health", "rtstream_id": "rts-1", "rtstream_name": "Door",
        "state": "connected", "reason": "1", "timestamp": "", "seq": 0,
    }  # fmt: skip
    assert headers["webhook-id"] == f"health-{body['seq']}"
    assert body["timestamp"].endswith("Z")


async def test_what_happened_while_the_engine_was_down_is_sent_afterwards(db: Database, receiver: Receiver) -> None:
    async with following(db, receiver.url) as journal:
        await begun(db)
        await journal.append(change(1))
        await receiver.wait_for(lambda: len(receiver.got) == 1)
    await Journal(db).append(change(2))
    async with following(db, receiver.url):
        await receiver.wait_for(lambda: reasons(receiver)[-1] == "2")
    assert reasons(receiver)[-1:] == ["2"]


async def test_a_receiver_that_is_set_later_hears_nothing_of_the_time_before(db: Database, receiver: Receiver) -> None:
    async with following(db, receiver.url):
        await begun(db)
    async with following(db, ""):
        await eventually(lambda: _sent(db), lambda sent: sent is None)
    await Journal(db).append(change(1))
    async with following(db, receiver.url) as journal:
        await begun(db)
        await journal.append(change(2))
        await receiver.wait_for(lambda: len(receiver.got) == 1)
    assert reasons(receiver) == ["2"]


async def _sent(db: Database) -> object:
    from rtstream.store import values

    return await db.read(values.get, "health_webhook")


async def test_a_receiver_that_fails_is_a_problem_until_it_accepts_and_gets_the_same_entry_again(
    db: Database, receiver: Receiver
) -> None:
    receiver.answers = [500, 503, 500]
    problems = Problems()
    async with following(db, receiver.url, problems, [0.05, 0.05, 0.5]) as journal:
        await begun(db)
        await journal.append(change(1), change(2))
        shown = await eventually(lambda: dict(problems.shown), what="the problem")
        assert "500" in shown[HealthCode.DELIVERY_FAILING] or "503" in shown[HealthCode.DELIVERY_FAILING]
        await receiver.wait_for(lambda: len(receiver.got) == 5)
        await eventually(lambda: not problems.shown)
    assert reasons(receiver) == ["1", "1", "1", "1", "2"]
    assert len({headers["webhook-id"] for headers, _ in receiver.got}) == 2


@pytest.mark.parametrize(("answers", "old_s"), [([410], 0.0), ([500], 90_000.0), ([500] * 3, 0.0)])
async def test_an_entry_that_cannot_be_delivered_does_not_stop_those_after_it(
    db: Database, receiver: Receiver, answers: list[int], old_s: float
) -> None:
    receiver.answers = list(answers)
    async with following(db, receiver.url, delays_s=(0.01, 0.01)) as journal:
        await begun(db)
        entry = change(1)
        await journal.append(change(1, at=entry.at - old_s), change(2))
        await receiver.wait_for(lambda: len(receiver.got) == len(answers) + 1)
    assert reasons(receiver) == ["1"] * len(answers) + ["2"]


async def test_the_setting_is_all_it_takes(tmp_path: Path, receiver: Receiver, live_source: LiveSource) -> None:
    config = EngineConfig(
        data_dir=tmp_path,
        allow_networks="loopback",
        webhook_allow_networks="loopback",
        health_webhook_url=receiver.url.replace("://", "://bob:s3cret@"),
    )
    async with Engine(config) as engine:
        stream = await engine.connect_stream(ConnectStream(url=live_source.rtsp_url, name="Door"))
        await engine.streams.stop(stream.id)
        await receiver.wait_for(lambda: bool(receiver.got) and receiver.got[-1][1]["state"] == "stopped")
    assert {body["rtstream_id"] for _, body in receiver.got} == {stream.id}
    assert all(headers["authorization"].startswith("Basic ") for headers, _ in receiver.got)


@pytest.mark.parametrize("url", ["ftp://a.example/x", "not a url", "http://", "https://a.example:99999/"])
async def test_a_url_that_no_webhook_can_have_is_refused(url: str) -> None:
    with pytest.raises(ValidationError):
        EngineConfig(health_webhook_url=url)
    assert "s3cret" not in repr(EngineConfig(health_webhook_url="https://bob:s3cret@a.example/"))
