"""Runs the Python examples of the published reference with the official SDK, as they are printed."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import videodb

from tests.integration.sdk_service import KEY, START_S, Service
from tests.waiting import eventually_sync

EXAMPLES: list[str] = re.findall(
    r"```python\n(.*?)```",
    (Path(__file__).parents[1] / "fixtures" / "reference_examples.md").read_text(encoding="utf-8"),
    re.DOTALL,
)
"""The examples, in the order of the reference."""


def example(words: str) -> str:
    """Return the only example that contains these words."""
    [found] = [text for text in EXAMPLES if words in text]
    return found


@dataclass
class Script:
    """One Python program that runs the examples one after the other.

    Args:
        service: The service that the SDK is connected to.
        source_url: URL of the source in place of the printed one.
        webhook_url: URL of the receiver in place of the printed one.
        seconds: By the printed sleep in seconds, the shorter one.
    """

    service: Service
    source_url: str
    webhook_url: str
    seconds: dict[int, float]
    printed: list[str] = field(default_factory=list)
    messages: list[dict[str, Any]] = field(default_factory=list)
    variables: dict[str, Any] = field(default_factory=dict)
    arrived: threading.Condition = field(default_factory=threading.Condition)

    def __post_init__(self) -> None:
        self.variables["print"] = lambda *words: self.printed.append(" ".join(map(str, words)))

    def run(self, text: str, **ids: str) -> list[str]:
        """Run an example with our URLs, ids and sleep times. Returns the lines that it printed."""
        text = text.replace("videodb.connect()", f"videodb.connect(api_key={KEY!r}, base_url={self.service.url!r})")
        text = text.replace("rtmp://your-stream-server/live/stream-key", self.source_url)
        text = text.replace("https://your-backend.com/alerts", self.webhook_url)
        for printed, ours in self.seconds.items():
            text = text.replace(f"time.sleep({printed})", f"time.sleep({ours})")
        for printed, ours in ids.items():
            text = text.replace(printed.replace("_", "-"), ours)
        assert "your-" not in text
        before = len(self.printed)
        exec(text, self.variables)
        return self.printed[before:]

    def message(self, channel: str, wanted: Callable[[dict[str, Any]], bool] = lambda message: True) -> dict[str, Any]:
        """Wait for a message of the WebSocket and return it."""

        def found() -> dict[str, Any] | None:
            return next((each for each in self.messages if each.get("channel") == channel and wanted(each)), None)

        with self.arrived:
            message = self.arrived.wait_for(found, timeout=2 * START_S)
        assert message, f"no message on {channel}"
        return message

    @contextmanager
    def connected(self) -> Iterator[None]:
        """Connect the WebSocket of the SDK, whose id the examples know as ``ws_id``."""
        ready, ended = threading.Event(), threading.Event()

        async def listen() -> None:
            address = videodb.connect(api_key=KEY, base_url=self.service.url).connect_websocket()
            async with address as socket:
                self.variables["ws_id"] = socket.connection_id
                ready.set()

                async def receive() -> None:
                    async for message in socket.receive():
                        with self.arrived:
                            self.messages.append(message)
                            self.arrived.notify_all()

                receiving = asyncio.ensure_future(receive())
                await asyncio.to_thread(ended.wait)
                receiving.cancel()

        thread = threading.Thread(target=lambda: asyncio.run(listen()))
        thread.start()
        try:
            assert ready.wait(START_S), "the WebSocket was not connected"
            yield
        finally:
            ended.set()
            thread.join(START_S)


def wait_for(read: Callable[[], Any], what: str) -> Any:
    """Wait until a value of the service is true, and return it."""
    return eventually_sync(read, limit_s=2 * START_S, every_s=0.1, what=what)
