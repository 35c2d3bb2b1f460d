"""Embeddings: the numpy encoder against a plain one, its tokenizer, its weights, and models behind a server."""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rtstream.perception.embeddings import providers as embeddings
from rtstream.perception.embeddings.minilm import weights
from rtstream.perception.embeddings.minilm.encoder import read_safetensors
from rtstream.perception.embeddings.minilm.wordpiece import WordPiece
from rtstream.perception.embeddings.providers import LocalEmbeddings, ServerEmbeddings
from rtstream.perception.protocols import ProviderError
from tests.fixtures.small_bert import small_bert

VOCABULARY = [
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    "the",
    "dog",
    "##s",
    "run",
    "##ning",
    "cafe",
    "日",
    ".",
    "!",
    "-",
    "$",
]


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A small BERT of random weights: 2 layers, 24 dimensions, 12 heads, 32 positions."""
    small_bert(tmp_path, VOCABULARY)
    return tmp_path


def plain_vector(folder: Path, text: str) -> Any:
    """The same model written down straight from its paper: one text, double precision, one head after the other."""
    w = {name: tensor.astype(np.float64) for name, tensor in read_safetensors(folder / "model.safetensors").items()}
    tokens = WordPiece(folder / "vocab.txt").encode(text, 32)

    def norm(x: Any, name: str) -> Any:
        rows = [(row - row.mean()) / math.sqrt(row.var() + 1e-12) for row in x]
        return np.array(rows) * w[f"{name}.weight"] + w[f"{name}.bias"]

    def linear(x: Any, name: str) -> Any:
        return x @ w[f"{name}.weight"].T + w[f"{name}.bias"]

    x = np.array([w["embeddings.word_embeddings.weight"][token] for token in tokens])
    x = x + w["embeddings.position_embeddings.weight"][: len(tokens)] + w["embeddings.token_type_embeddings.weight"][0]
    x = norm(x, "embeddings.LayerNorm")
    for layer in range(2):
        name = f"encoder.layer.{layer}"
        q, k, v = (linear(x, f"{name}.attention.self.{part}") for part in ("query", "key", "value"))
        heads = []
        for head in range(12):
            part = slice(2 * head, 2 * head + 2)
            scores = np.exp(q[:, part] @ k[:, part].T / math.sqrt(2))
            heads.append(scores / scores.sum(axis=1, keepdims=True) @ v[:, part])
        x = norm(
            linear(np.concatenate(heads, axis=1), f"{name}.attention.output.dense") + x,
            f"{name}.attention.output.LayerNorm",
        )
        inner = linear(x, f"{name}.intermediate.dense")
        inner = inner * np.vectorize(lambda z: (1 + math.erf(z / math.sqrt(2))) / 2)(inner)
        x = norm(linear(inner, f"{name}.output.dense") + x, f"{name}.output.LayerNorm")
    mean = x.mean(axis=0)
    return mean / np.linalg.norm(mean)


@pytest.mark.anyio
async def test_unreadable_weights_say_what_to_run(model: Path, tmp_path: Path) -> None:
    folder = weights.folder(tmp_path / "data")
    folder.mkdir(parents=True)
    for name in weights.FILES:
        (folder / name).write_bytes(b"nothing")
    provider = embeddings.local(tmp_path / "data")
    assert provider is not None
    with pytest.raises(ProviderError, match="install-embeddings"):
        await provider.embed(["dog"])


@pytest.mark.anyio
async def test_the_provider_embeds_in_threads(model: Path, tmp_path: Path) -> None:
    folder = weights.folder(tmp_path / "data")
    folder.parent.mkdir(parents=True)
    folder.symlink_to(model)
    provider = LocalEmbeddings(tmp_path / "data")
    assert (await provider.embed(["the dog"]))[0] == pytest.approx(plain_vector(model, "the dog"), abs=2e-6)
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


# installing
