"""One attempt says in its result why it failed, and never raises."""

from __future__ import annotations

import pytest

from rtstream.config import EngineConfig
from rtstream.engine.streams.addresses import Addresses
from rtstream.engine.webhooks import WebhookSender
from rtstream.engine.webhooks.sender import SendResult
from tests.rtstream.engine.webhooks.receivers import CHECK, SECRET, Receiver

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(("status", "error"), [(204, ""), (302, "302"), (429, "429"), (503, "503")])
async def test_the_status_decides_whether_a_webhook_was_accepted(receiver: Receiver, status: int, error: str) -> None:
    receiver.answers, receiver.retry_after = [status], "7"
    result = await WebhookSender(CHECK, SECRET, 5.0).send("id-1", receiver.url, {"seq": 1})
    assert result.status == status
    assert (result.retry_after_s, bool(result.error)) == (7.0, bool(error)) or status == 204
    assert error in result.error


async def test_a_receiver_that_hangs_or_may_not_be_reached_is_a_result(receiver: Receiver) -> None:
    receiver.blocked_paths = {"/slow"}
    result = await WebhookSender(CHECK, SECRET, 0.2).send("id-1", f"{receiver.url}/slow", {})
    assert "0.2 s" in result.error
    refused = WebhookSender(Addresses(EngineConfig()).webhook, SECRET, 5.0)
    result = await refused.send("id-1", receiver.url, {})
    assert result.error
    assert result == SendResult(result.error)
