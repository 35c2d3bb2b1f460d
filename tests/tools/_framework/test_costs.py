"""A paid analysis of the past is asked about first: with a form where the client has one, else through ``confirm``."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from mcp import Client
from mcp_types import ElicitRequestParams, ElicitResult

from rtstream.client import RTStreamClient
from server.mcp_server import create_endpoint
from tests.modelserver import KEY as MODEL_KEY
from tests.modelserver import ModelServer, forget_keys, model_server
from tests.rtstream.engine.backfill.conftest import LENGTH_S, PER_WINDOW, PRICE, billed
from tests.rtstream.engine.recordings.test_exports import STREAM, add_recording, add_stream
from tests.server.mcp_servers import KEY, Served, call, refusal, serving
from tests.waiting import eventually

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]

WINDOWS = {"value": 0.5, "frame_count": 1}


@pytest.fixture
async def model(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[ModelServer]:
    pytest.importorskip("pydantic_ai", reason="models need the extra 'models'")
    forget_keys(monkeypatch)
    async with model_server() as running:
        running.reply = billed
        yield running


@pytest.fixture
async def served(tmp_path: Path, model: ModelServer, clip: Path) -> AsyncIterator[Served]:
    """An engine with a paid model and a recording of 6 s that began five minutes ago."""
    paid = {"vision_model": "openai:eye-1", "model_base_url": model.url, "model_api_key": MODEL_KEY}
    async with serving(tmp_path / "data", **paid, model_prices=PRICE) as running:
        await add_stream(running.engine)
        await add_recording(running.engine, clip, 1, float(int(time.time()) - 300), seconds=LENGTH_S)
        yield running


@asynccontextmanager
async def asking(served: Served, era: str, agrees: bool) -> AsyncIterator[tuple[Client, list[str]]]:
    """A client whose user answers questions like this, and the questions that were asked."""
    asked: list[str] = []

    async def on_question(context: Any, params: ElicitRequestParams) -> ElicitResult:
        asked.append(params.message)
        return ElicitResult(action="accept", content={"confirm": agrees})

    server = create_endpoint(RTStreamClient(served.url, KEY)).mcp
    async with Client(server, mode=era, elicitation_callback=on_question) as client:
        yield client, asked


@pytest.mark.parametrize("era", ["legacy", "auto"])
async def test_a_user_who_agrees_is_asked_once_with_the_cost(served: Served, model: ModelServer, era: str) -> None:
    async with asking(served, era, True) as (client, asked):
        made = await call(client, "index_visuals", prompt="Who?", batch_config=WINDOWS, start="-10m", end="now")
        assert len(asked) == 1
        assert "12 windows" in asked[0]
        assert "US dollars" in asked[0]
        assert "openai:eye-1" in asked[0]
        ended = await eventually(
            lambda: call(client, "jobs", job_id=made["job_id"]), lambda one: "next" not in one, what="the job"
        )
        assert (ended["jobs"][0]["state"], ended["result"]["done"]) == ("done", 12)
        assert ended["result"]["cost"] == pytest.approx(len(model.calls) * PER_WINDOW)
        again = await call(client, "index_visuals", prompt="Who?", batch_config=WINDOWS, start="-10m", end="now")
        assert (len(asked), again["index_id"], again.get("job_id")) == (1, made["index_id"], None)
    assert 10 <= len(model.calls) <= 12  # a window that shows nothing new needs no call


async def test_nothing_is_analysed_when_the_user_does_not_agree(served: Served, model: ModelServer) -> None:
    async with asking(served, "auto", False) as (client, _):
        assert "did not agree" in await refusal(client, "index_visuals", start="-10m", end="now")
    assert model.calls == []


async def test_a_client_without_forms_has_to_ask_first(served: Served, model: ModelServer) -> None:
    async with Client(create_endpoint(RTStreamClient(served.url, KEY)).mcp) as client:
        told = await refusal(client, "index_visuals", batch_config=WINDOWS, start="-10m", end="now")
        assert "12 windows" in told
        assert "confirm=true" in told
        assert model.calls == []
        free = await call(client, "index_visuals", batch_config=WINDOWS, model_name="local", start="-10m", end="now")
        assert free["job_id"]
        assert (await call(client, "index_visuals", batch_config=WINDOWS))["status"] == "running"  # live
        assert "needs a start" in await refusal(client, "index_visuals", end="-5m")


async def test_what_costs_money_in_the_past_is_listed_and_stopped(served: Served, model: ModelServer) -> None:
    model.reply = lambda call: billed(call).__class__(billed(call).body, delay_s=0.5)
    async with Client(create_endpoint(RTStreamClient(served.url, KEY)).mcp) as client:
        made = await call(client, "index_visuals", batch_config=WINDOWS, start="-10m", end="now", confirm=True)
        shown = await call(client, "get_stream", stream_id=STREAM)
        assert shown["paid"] == [f"backfill {made['job_id']} (openai:eye-1)"]
        stopped = await call(client, "update_stream", paid=False)
        assert stopped["streams"][0]["stopped"] == shown["paid"]
        [job] = (await call(client, "jobs", job_id=made["job_id"]))["jobs"]
        assert job["state"] == "cancelled"
