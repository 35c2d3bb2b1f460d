"""Embedding providers: the built-in MiniLM, and any server with OpenAI's embeddings call."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread

from rtstream.perception.embeddings.minilm import weights
from rtstream.perception.protocols import EmbeddingProvider, ProviderError

if TYPE_CHECKING:
    import httpx

    from rtstream.perception.embeddings.minilm.encoder import Encoder
    from rtstream.perception.protocols import Vectors

LOCAL_NAME = "local:all-MiniLM-L6-v2"
OPENAI = "https://api.openai.com/v1"
MAX_TEXTS = 64
"""Maximum number of texts per call to a server."""
MAX_CHARACTERS = 8000
"""Longer texts are truncated (models truncate at a few hundred to a few thousand tokens)."""
TIMEOUT_S = 30.0
_MAX_WAIT_S = 86_400.0


class LocalEmbeddings:
    """MiniLM in numpy, for English. It runs in worker threads and never blocks the event loop."""

    name = LOCAL_NAME
    dimensions = 384

    def __init__(self, data_dir: Path) -> None:
        self._folder = weights.folder(data_dir)
        self._encoder: Encoder | None = None
        self._loading = anyio.Lock()
        # Two at a time, so that a query does not wait for a batch that is being indexed.
        self._threads = anyio.CapacityLimiter(2)

    async def embed(self, texts: Sequence[str]) -> Vectors:
        """Return float32 [len(texts), 384] with rows of unit length.

        Raises ProviderError if the weights cannot be read.
        """
        async with self._loading:
            encoder = self._encoder or await anyio.to_thread.run_sync(self._load, limiter=self._threads)
            self._encoder = encoder
        cut = [text[:MAX_CHARACTERS] for text in texts]
        return await anyio.to_thread.run_sync(encoder.encode, cut, limiter=self._threads)

    def _load(self) -> Encoder:
        from rtstream.perception.embeddings.minilm.encoder import Encoder

        try:
            return Encoder(self._folder)
        except (OSError, ValueError, KeyError) as exc:
            raise ProviderError(
                f"The embedding weights cannot be read ({exc}). Run: rtstream-mcp install-embeddings", permanent=True
            ) from None

    async def aclose(self) -> None:
        """Release the weights."""
        self._encoder = None


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

    async def embed(self, texts: Sequence[str]) -> Vectors:
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
    """Return the built-in model, or None until ``rtstream-mcp install-embeddings`` has installed its weights."""
    return LocalEmbeddings(data_dir) if weights.installed(data_dir) else None


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
