"""Embedding providers: the built-in MiniLM, and any server with OpenAI's embeddings call."""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
import sys
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import anyio

from rtstream.perception.embeddings.minilm import weights
from rtstream.perception.embeddings.minilm.weights import ModelFiles
from rtstream.perception.protocols import EmbeddingProvider, ProviderError

if TYPE_CHECKING:
    import httpx

    from rtstream.perception.embeddings.minilm.encoder import Encoder
    from rtstream.perception.protocols import Vectors

OPENAI = "https://api.openai.com/v1"
MAX_TEXTS = 64
"""Maximum number of texts per call to a server."""
MAX_CHARACTERS = 8000
"""Longer texts are truncated (models truncate at a few hundred to a few thousand tokens)."""
TIMEOUT_S = 30.0
QUERY_THREADS = 2
LOWEST_PRIORITY = 19
BACKGROUND_TEXTS = 8
BACKGROUND_CHARACTERS = 1500
"""Limits of the texts that are embedded without a pause, about 0.2 s of one core."""
_MAX_WAIT_S = 86_400.0


class LocalEmbeddings:
    """The built-in model, for English. It runs in threads and never blocks the event loop.

    Queries have threads of their own. Documents are embedded in another one, which gets the processor only when live
    work leaves it free (on Linux, where the priority of a thread can be lowered).
    """

    dimensions = 384

    def __init__(self, files: ModelFiles) -> None:
        self.name = files.name
        self._files = files
        self._encoder: Encoder | None = None
        self._loading = anyio.Lock()
        self._queries = ThreadPoolExecutor(QUERY_THREADS, "query-embeddings")
        self._documents = ThreadPoolExecutor(1, "document-embeddings", _yield_to_live_work)

    async def embed(self, texts: Sequence[str], *, background: bool = False) -> Vectors:
        """Return float32 [len(texts), dimensions] with rows of unit length.

        Raises ProviderError if the model cannot be loaded.
        """
        import numpy as np

        loop = asyncio.get_running_loop()
        async with self._loading:
            encoder = self._encoder or await loop.run_in_executor(self._queries, self._load)
            self._encoder = encoder
        cut = [text[:MAX_CHARACTERS] for text in texts]
        if not background:
            return await loop.run_in_executor(self._queries, encoder.encode, cut)
        vectors = np.zeros((len(cut), self.dimensions), np.float32)
        # In parts, so that a cancellation does not wait for all of them.
        for part in _parts(cut):
            vectors[part] = await loop.run_in_executor(self._documents, encoder.encode, [cut[row] for row in part])
        return vectors

    def _load(self) -> Encoder:
        from rtstream.perception.embeddings.minilm.encoder import Encoder

        try:
            encoder = Encoder(self._files)
        except (OSError, ValueError, ImportError) as exc:
            raise ProviderError(
                f"The built-in embeddings model cannot be loaded: {exc}. Install the extra 'local' again.",
                permanent=True,
            ) from None
        self.dimensions = encoder.dimensions
        return encoder

    async def aclose(self) -> None:
        """Release the model."""
        self._encoder = None
        self._queries.shutdown(wait=False, cancel_futures=True)
        self._documents.shutdown(wait=False, cancel_futures=True)


def _parts(texts: Sequence[str]) -> Iterator[list[int]]:
    """Yield the numbers of texts that are embedded together. Texts of similar length share a part."""
    part: list[int] = []
    for row in sorted(range(len(texts)), key=lambda row: len(texts[row])):
        if part and (len(part) == BACKGROUND_TEXTS or (len(part) + 1) * len(texts[row]) > BACKGROUND_CHARACTERS):
            yield part
            part = []
        part.append(row)
    if part:
        yield part


def _yield_to_live_work() -> None:
    """Lower the priority of the calling thread. Other systems than Linux only have priorities of processes."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), LOWEST_PRIORITY)


class ServerEmbeddings:
    """A server that implements ``POST {base_url}/embeddings`` of the OpenAI API. Texts leave the machine."""

    def __init__(self, name: str, model: str, base_url: str, api_key: str | None = None) -> None:
        self.name = name
        self.dimensions = 0
        """Known after the first response."""
        self._model = model
        self._url = f"{base_url.rstrip('/')}/embeddings"
        self._headers = {"authorization": f"Bearer {api_key}"} if api_key else {}
        self._client: httpx.AsyncClient | None = None

    async def embed(self, texts: Sequence[str], *, background: bool = False) -> Vectors:
        """Return float32 [len(texts), dimensions] with rows of unit length. Raises ProviderError."""
        import numpy as np

        vectors = [await self._call(texts[begin : begin + MAX_TEXTS]) for begin in range(0, len(texts), MAX_TEXTS)]
        return np.concatenate(vectors) if vectors else np.zeros((0, self.dimensions), np.float32)

    async def _call(self, texts: Sequence[str]) -> Vectors:
        import httpx

        client = self._client = self._client or httpx.AsyncClient(timeout=TIMEOUT_S, headers=self._headers)
        # Many servers reject an empty text.
        body = {
            "model": self._model,
            "input": [text[:MAX_CHARACTERS] or " " for text in texts],
            "encoding_format": "float",
        }
        try:
            with anyio.fail_after(TIMEOUT_S):
                response = await client.post(self._url, json=body)
        except (httpx.HTTPError, TimeoutError):
            raise ProviderError(
                f"{self.name} cannot be reached or did not respond within {TIMEOUT_S:g} s. Check that its server runs."
            ) from None
        if response.status_code != 200:
            raise _refusal(self.name, response)
        return self._vectors(response, len(texts))

    def _vectors(self, response: httpx.Response, count: int) -> Vectors:
        import numpy as np

        try:
            rows = sorted(response.json()["data"], key=lambda row: row["index"])
            vectors = np.asarray([row["embedding"] for row in rows], np.float32)
        except (ValueError, KeyError, TypeError):
            vectors = np.zeros((0, 0), np.float32)
        if vectors.ndim != 2 or len(vectors) != count or not np.isfinite(vectors).all():
            raise ProviderError(f"{self.name} did not return one vector per text. Check that it embeds text.")
        if self.dimensions and len(vectors[0]) != self.dimensions:
            raise ProviderError(
                f"{self.name} changed the length of its vectors from {self.dimensions} to {len(vectors[0])}. "
                "Restart the engine to use the new length.",
                permanent=True,
            )
        self.dimensions = len(vectors[0])
        return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)

    async def aclose(self) -> None:
        """Close the connections."""
        if self._client is not None:
            await self._client.aclose()


def local(data_dir: Path) -> EmbeddingProvider | None:
    """Return the built-in model, or None if it is not installed (extra ``local``)."""
    files = weights.find(data_dir)
    return LocalEmbeddings(files) if files is not None else None


def _refusal(name: str, response: httpx.Response) -> ProviderError:
    """Return our error for a status. The body is omitted because it may repeat the request."""
    status = response.status_code
    if status in (401, 403):
        return ProviderError(f"{name} rejected the key (HTTP {status}). Check the provider's key.", permanent=True)
    if status == 404:
        return ProviderError(f"{name} does not exist on its server (HTTP 404). Check the model's name.", permanent=True)
    try:
        wait = float(response.headers.get("retry-after", ""))
    except ValueError:
        wait = math.nan
    return ProviderError(
        f"{name} could not embed the text (HTTP {status}).",
        retry_after_s=min(wait, _MAX_WAIT_S) if wait >= 0 else None,
    )
