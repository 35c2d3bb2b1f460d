"""The engine and its API as a program that listens, for the official SDK."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio

from rtstream.api.server import serve
from rtstream.config import EngineConfig
from rtstream.engine.engine import Engine
from tests.modelserver import KEY as MODEL_KEY
from tests.modelserver import Call, model_server

KEY = "sk-key-of-the-sdk-test"
START_S = 30.0
"""Seconds that a busy machine may need to start a recorder and to produce a first result."""


@dataclass
class Service:
    """The engine and its API in a thread of their own, as a program that listens."""

    data_dir: Path
    settings: dict[str, Any] = field(default_factory=dict)
    reply: Callable[[Call], str] | None = None
    """Returns the response of the vision and language model to a call. None: there is no model."""
    url: str = ""

    def run(self, ready: Callable[[], Any], stop: threading.Event) -> None:
        async def main() -> None:
            values: dict[str, Any] = {
                "data_dir": self.data_dir,
                "api_key": KEY,
                "embedding_model": "none",
                "allow_networks": "loopback",
                "webhook_allow_networks": "loopback",
                "segment_s": 1.0,
            }

            def on_ready(url: str) -> None:
                self.url = url
                ready()

            should_exit = anyio.Event()

            async def wait_for_stop() -> None:
                await anyio.to_thread.run_sync(stop.wait)
                should_exit.set()

            async with AsyncExitStack() as stack:
                if self.reply is not None:
                    model = await stack.enter_async_context(model_server())
                    model.reply = self.reply
                    values |= {"vision_model": "openai:eye-1", "model_base_url": model.url, "model_api_key": MODEL_KEY}
                engine = await stack.enter_async_context(Engine(EngineConfig(**values | self.settings)))
                tasks = await stack.enter_async_context(anyio.create_task_group())
                tasks.start_soon(wait_for_stop)
                await serve(engine, host="127.0.0.1", port=0, on_ready=on_ready, should_exit=should_exit)

        anyio.run(main)


@contextmanager
def listening(data_dir: Path, reply: Callable[[Call], str] | None = None, **settings: Any) -> Iterator[Service]:
    """A service that listens until the end of the block. ``reply`` is as in ``Service``."""
    running = Service(data_dir, settings, reply)
    ready, stop = threading.Event(), threading.Event()
    thread = threading.Thread(target=running.run, args=(ready.set, stop))
    thread.start()
    try:
        assert ready.wait(START_S), "the engine did not start"
        yield running
    finally:
        stop.set()
        thread.join(START_S)
    assert not thread.is_alive(), "the engine did not stop"
