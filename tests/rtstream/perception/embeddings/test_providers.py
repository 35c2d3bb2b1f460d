"""Embeddings: the built-in model in threads, and models behind a server."""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import numpy as np
import pytest
from numpy.typing import NDArray

from rtstream.perception.embeddings import providers as embeddings
from rtstream.perception.embeddings.minilm import weights
from rtstream.perception.embeddings.minilm.encoder import Encoder
from rtstream.perception.embeddings.providers import (
    BACKGROUND_TEXTS,
    LOWEST_PRIORITY,
    LocalEmbeddings,
    ServerEmbeddings,
)
from rtstream.perception.protocols import ProviderError

needs_model = pytest.mark.skipif(weights.find(Path()) is None, reason="needs the extra 'local'")


def priority(thread: str) -> int:
    """The priority of the thread whose name begins like this, where a larger number means a lower priority."""
    found, *_ = [one.native_id for one in threading.enumerate() if one.name.startswith(thread)]
    assert found is not None
    return os.getpriority(os.PRIO_PROCESS, found)


@needs_model
@pytest.mark.anyio
async def test_documents_are_embedded_like_queries_in_a_thread_that_yields_to_all_other_work(tmp_path: Path) -> None:
    provider = embeddings.local(tmp_path)
    assert provider is not None
    texts = [f"{word} in the snow" for word in ["a dog runs", "a cat", "tracks", "someone"]] * BACKGROUND_TEXTS
    queries = await provider.embed(texts)
    documents = await provider.embed(texts, background=True)
    assert documents == pytest.approx(queries, abs=2e-6)
    if sys.platform == "linux":
        own = os.getpriority(os.PRIO_PROCESS, 0)
        assert (priority("document-embeddings"), priority("query-embeddings")) == (LOWEST_PRIORITY, own)
    await provider.aclose()


@needs_model
@pytest.mark.anyio
async def test_embedding_documents_can_be_cancelled_between_a_few_of_them(tmp_path: Path) -> None:
    files = weights.find(tmp_path)
    assert files is not None
    provider = LocalEmbeddings(files)
    begun, embedded = threading.Event(), []

    class Watched(Encoder):
        def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
            embedded.extend(texts)
            begun.set()
            return super().encode(texts)

    provider._encoder = Watched(files)
    with anyio.CancelScope() as scope:

        async def cancel() -> None:
            await anyio.to_thread.run_sync(begun.wait)
            scope.cancel()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(cancel)
            await provider.embed([f"text {number}" for number in range(2000)], background=True)
    assert scope.cancelled_caught
    await provider.embed(["the next one"], background=True)
    assert len(embedded) < 1000
    await provider.aclose()


@needs_model
@pytest.mark.anyio
async def test_a_model_that_cannot_be_loaded_is_one_sentence(tmp_path: Path) -> None:
    folder = weights.folder(tmp_path)
    folder.mkdir(parents=True)
    (folder / weights.MODEL).write_bytes(b"nothing")
    provider = embeddings.local(tmp_path)
    assert provider is not None
    with pytest.raises(ProviderError, match=r"cannot be loaded: .*Install the extra 'local' again"):
        await provider.embed(["dog"])
    await provider.aclose()


# a server


@contextmanager
def answering(status: int, body: Any, headers: dict[str, str]) -> Iterator[str]:
    """A server on loopback that always gives this answer; yields its base URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            data = json.dumps(body).encode()
            self.send_response(status if self.path == "/v1/embeddings" else 500)
            for name, value in {"content-length": str(len(data)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        thread = threading.Thread(target=http.serve_forever, args=(0.05,))
        thread.start()
        yield f"http://127.0.0.1:{http.server_port}/v1/"
        http.shutdown()
        thread.join()


@pytest.mark.anyio
async def test_a_server_gives_unit_vectors_in_the_order_of_the_texts() -> None:
    rows = [{"index": 1, "embedding": [0, 2]}, {"index": 0, "embedding": [3, 4]}]
    with answering(200, {"data": rows}, {}) as url:
        provider = ServerEmbeddings("test:x", "x", url)
        assert (await provider.embed(["a", "b"])).tolist() == [pytest.approx([0.6, 0.8]), [0, 1]]
        assert provider.dimensions == 2
        with pytest.raises(ProviderError, match="one vector per text"):
            await provider.embed(["a"])
        await provider.aclose()


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("status", "body", "says", "permanent", "wait"),
    [
        (401, {}, "rejected the key", True, None),
        (404, {}, "does not exist on its server", True, None),
        (429, {"error": "the text was secret"}, "HTTP 429", False, 7.0),
        (500, {}, "HTTP 500", False, 7.0),
        (200, {"data": "no"}, "one vector per text", False, None),
        (200, {"data": [{"index": 0, "embedding": [1, None]}]}, "one vector per text", False, None),
    ],
)
async def test_what_a_server_refuses_is_one_sentence(
    status: int, body: Any, says: str, permanent: bool, wait: float | None
) -> None:
    with answering(status, body, {"retry-after": "7"}) as url:
        provider = ServerEmbeddings("test:x", "x", url, "secret-key")
        with pytest.raises(ProviderError, match=says) as caught:
            await provider.embed(["a"])
        await provider.aclose()
    assert (caught.value.permanent, caught.value.retry_after_s) == (permanent, wait)
    assert "secret" not in str(caught.value)


@pytest.mark.anyio
async def test_a_server_that_is_not_there_is_one_sentence() -> None:
    with answering(200, {}, {}) as url:
        pass
    provider = ServerEmbeddings("test:x", "x", url)
    with pytest.raises(ProviderError, match="cannot be reached"):
        await provider.embed(["a"])
    await provider.aclose()
