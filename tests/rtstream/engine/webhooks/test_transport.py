"""One webhook POST: a hostile receiver costs bounded bytes and time, and never holds the event loop."""

# Pyright counts a name that is bound in an "async with" of anyio as possibly unbound.
# pyright: reportPossiblyUnboundVariable=false

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import repeat

import anyio
import pytest

from rtstream.engine.webhooks.transport import PostFailed, post

pytestmark = pytest.mark.anyio

HELD_S = 0.5
"""The longest the event loop may be held; the flood of 100 Continue held it for 13 s."""


@contextmanager
def receiver(chunks: Callable[[], Iterator[bytes]], pause_s: float = 0.0) -> Iterator[str]:
    """A receiver that sends these chunks, without reading the request, until the peer closes."""
    listener = socket.create_server(("127.0.0.1", 0))
    over = threading.Event()

    def serve() -> None:
        with suppress(OSError):
            connection, _ = listener.accept()
            with connection, suppress(OSError):
                for chunk in chunks():
                    if over.wait(pause_s) if pause_s else over.is_set():
                        return
                    connection.sendall(chunk)
                over.wait(10)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/hook"
    finally:
        over.set()
        listener.close()
        thread.join(5)


async def attempt(url: str, timeout_s: float) -> tuple[object, float, float]:
    """POST once; returns the result or error, the seconds it took, and the longest the event loop was held."""
    held, result = 0.0, None

    async def watch() -> None:
        nonlocal held
        while True:
            before = time.monotonic()
            await anyio.sleep(0.01)
            held = max(held, time.monotonic() - before - 0.01)

    began = time.monotonic()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(watch)
        try:
            with anyio.fail_after(timeout_s):
                result = await post(url, ["127.0.0.1"], {}, b"{}", ssl.create_default_context())
        except (PostFailed, TimeoutError) as exc:
            result = exc
        took = time.monotonic() - began
        tasks.cancel_scope.cancel()
    return result, took, held


@pytest.mark.parametrize(
    "chunk",
    [
        b"HTTP/1.1 100 Continue\r\n\r\n" * 2000,
        b"HTTP/1.1 102 Processing\r\n\r\n" * 2000,
        b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n" * 2000,
        b"HTTP/1.1 199 \r\n\r\n" * 2000,
        b"HTTP/1.1 100 Continue\r\nx: " + b"a" * 60_000 + b"\r\n\r\n",
    ],
)
async def test_a_flood_of_informational_responses_ends_the_attempt_at_once(chunk: bytes) -> None:
    with receiver(lambda: repeat(chunk)) as url:
        result, took, held = await attempt(url, 10.0)
    assert isinstance(result, PostFailed)
    assert took < 2
    assert held < HELD_S


@pytest.mark.parametrize("start", [b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 100 Continue\r\n", b"", b"HTTP/1.1 200 "])
async def test_headers_without_end_end_the_attempt_at_once(start: bytes) -> None:
    def chunks() -> Iterator[bytes]:
        yield start
        yield from repeat(b"a: b\r\n" * 5000 if start.endswith(b"\r\n") else b"a" * 30_000)

    with receiver(chunks) as url:
        result, took, held = await attempt(url, 10.0)
    assert isinstance(result, PostFailed)
    assert took < 2
    assert held < HELD_S


@pytest.mark.parametrize(
    "chunk", [b"a", b"x: y\r\n", b"HTTP/1.1 100 Continue\r\n\r\n"], ids=["bytes", "headers", "informational"]
)
async def test_a_drip_ends_with_the_time_of_the_attempt(chunk: bytes) -> None:
    def chunks() -> Iterator[bytes]:
        if chunk == b"x: y\r\n" or chunk == b"a":
            yield b"HTTP/1.1 200 OK\r\n"
        yield from repeat(chunk)

    with receiver(chunks, pause_s=0.1) as url:
        result, took, held = await attempt(url, 0.6)
    assert isinstance(result, TimeoutError)
    assert took < 1.5
    assert held < HELD_S


async def test_a_receiver_that_reads_nothing_ends_with_the_time_of_the_attempt() -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    with listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        with pytest.raises(TimeoutError):
            with anyio.fail_after(0.5):
                await post(url, ["127.0.0.1"], {}, b"x" * 20_000_000, ssl.create_default_context())


async def test_a_few_informational_responses_before_the_final_one_are_fine() -> None:
    answer = b"HTTP/1.1 100 Continue\r\n\r\n" * 3 + b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n"
    with receiver(lambda: iter([answer + b"HTTP/1.1 204 No Content\r\nretry-after: 7\r\n\r\n"])) as url:
        result, _, _ = await attempt(url, 5.0)
    assert getattr(result, "status", None) == 204
    assert getattr(result, "retry_after_s", None) == 7.0
