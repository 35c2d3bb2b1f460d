"""A BERT sentence encoder in numpy, which reads a safetensors folder and returns unit vectors.

It runs any mean-pooled BERT model with this layout (such as MiniLM and E5). The architecture is the post-layer-norm
transformer of Devlin et al. (BERT, 2018), with mean pooling and unit length as in Reimers and Gurevych (Sentence-BERT,
2019).
"""

from __future__ import annotations

import json
import math
import mmap
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rtstream.json_types import JsonObject
from rtstream.perception.embeddings.minilm.wordpiece import WordPiece

Floats = NDArray[np.float32]

TOKENS = 256
"""Maximum length in tokens (about 190 words), as the model was published. Longer texts are truncated."""
BATCH_TOKENS = 1024
"""Tokens that pass through the model together. Bounds memory (about 15 MB) and the delay of the next query."""
ATTENDED_TOKENS = 64
"""Short texts share an attention step, each attending to itself, because threads pass Python's lock at each step."""
GELU_ROWS = 32
"""Tokens whose inner layer is activated at a time, so that the numbers stay in the processor's cache."""
_TYPES = {"F32": np.dtype("<f4"), "F16": np.dtype("<f2")}
_MAX_HEADER = 10_000_000


class Encoder:
    """Encodes texts as vectors.

    ``encode`` is expensive, so call it in a thread. Several threads may call it at once.
    """

    def __init__(self, folder: Path) -> None:
        self._words = WordPiece(folder / "vocab.txt")
        self._weights = read_safetensors(folder / "model.safetensors")
        config_file = folder / "config.json"
        config: JsonObject = json.loads(config_file.read_text()) if config_file.exists() else {}
        try:
            positions = len(self._weights["embeddings.position_embeddings.weight"])
            self.dimensions: int = self._weights["embeddings.word_embeddings.weight"].shape[1]
        except KeyError as exc:
            raise ValueError(f"{folder} does not contain a BERT model: {exc.args[0]} is missing.") from None
        # All small and base models of this family have 12 heads.
        self._heads = int(config.get("num_attention_heads", 12))
        self._epsilon = float(config.get("layer_norm_eps", 1e-12))
        self._limit = min(TOKENS, positions)
        self._layers = 0
        while f"encoder.layer.{self._layers}.output.dense.weight" in self._weights:
            self._layers += 1

    def encode(self, texts: Sequence[str]) -> Floats:
        """Return float32 [len(texts), dimensions] with rows of unit length."""
        tokens = [self._words.encode(text, self._limit) for text in texts]
        vectors = np.empty((len(texts), self.dimensions), np.float32)
        batch: list[int] = []
        for row in [*sorted(range(len(texts)), key=lambda row: len(tokens[row])), None]:
            size = sum(len(tokens[other]) for other in batch)
            if batch and (row is None or size + len(tokens[row]) > BATCH_TOKENS):
                vectors[batch] = self._forward([tokens[other] for other in batch])
                batch = []
            if row is not None:
                batch.append(row)
        return vectors

    def _forward(self, batch: list[list[int]]) -> Floats:
        """Run the model on texts laid end to end, [tokens, dimensions], so that no time is spent on padding."""
        ends = np.cumsum([len(tokens) for tokens in batch])
        spans = [slice(end - len(tokens), end) for tokens, end in zip(batch, ends.tolist(), strict=True)]
        groups = list(_together(spans))
        weights = self._weights
        x = weights["embeddings.word_embeddings.weight"][np.concatenate(batch)]
        x += weights["embeddings.position_embeddings.weight"][np.concatenate([np.arange(len(t)) for t in batch])]
        x += weights["embeddings.token_type_embeddings.weight"][0]
        x = self._normalise(x, "embeddings.LayerNorm")
        for layer in range(self._layers):
            name = f"encoder.layer.{layer}"
            x += self._linear(self._attend(x, name, groups), f"{name}.attention.output.dense")
            x = self._normalise(x, f"{name}.attention.output.LayerNorm")
            inner = self._linear(x, f"{name}.intermediate.dense")
            for begin in range(0, len(inner), GELU_ROWS):
                rows = inner[begin : begin + GELU_ROWS]
                rows[:] = _gelu(rows)
            x += self._linear(inner, f"{name}.output.dense")
            x = self._normalise(x, f"{name}.output.LayerNorm")
        means = np.stack([x[span].mean(axis=0) for span in spans])
        return means / np.maximum(np.linalg.norm(means, axis=1, keepdims=True), 1e-9)

    def _attend(self, x: Floats, name: str, groups: list[tuple[slice, NDArray[np.bool_]]]) -> Floats:
        """Compute attention, in which each text attends to itself only."""
        size = self.dimensions // self._heads
        query, key, value = (
            self._linear(x, f"{name}.attention.self.{part}").reshape(-1, self._heads, size).transpose(1, 0, 2)
            for part in ("query", "key", "value")
        )
        out = np.empty_like(x)
        for span, foreign in groups:
            scores = query[:, span] @ key[:, span].transpose(0, 2, 1)
            scores /= np.float32(math.sqrt(size))
            scores[:, foreign] = -np.inf
            scores -= scores.max(axis=-1, keepdims=True)
            np.exp(scores, out=scores)
            scores /= scores.sum(axis=-1, keepdims=True)
            out[span] = (scores @ value[:, span]).transpose(1, 0, 2).reshape(-1, self.dimensions)
        return out

    def _linear(self, x: Floats, name: str) -> Floats:
        y = x @ self._weights[f"{name}.weight"].T
        y += self._weights[f"{name}.bias"]
        return y

    def _normalise(self, x: Floats, name: str) -> Floats:
        x = x - x.mean(axis=-1, keepdims=True)
        x /= np.sqrt(np.square(x).mean(axis=-1, keepdims=True) + np.float32(self._epsilon))
        x *= self._weights[f"{name}.weight"]
        x += self._weights[f"{name}.bias"]
        return x


def _together(spans: list[slice]) -> Iterator[tuple[slice, NDArray[np.bool_]]]:
    """Yield groups of neighbouring texts.

    Each comes with a mask, bool [tokens, tokens], which is True where two tokens belong to different texts.
    """
    first = 0
    for last, span in enumerate(spans):
        following = spans[last + 1].stop if last + 1 < len(spans) else math.inf
        if following - spans[first].start > ATTENDED_TOKENS:
            text = np.repeat(np.arange(last + 1 - first), [s.stop - s.start for s in spans[first : last + 1]])
            yield slice(spans[first].start, span.stop), text[:, None] != text
            first = last + 1


def _gelu(x: Floats) -> Floats:
    """Return x * Phi(x), with erf by Abramowitz and Stegun 7.1.26 (error below 1.5e-7: numpy has no erf)."""
    z = np.abs(x) * np.float32(math.sqrt(0.5))
    t = 1 / (1 + np.float32(0.3275911) * z)
    series = np.float32(1.061405429) * t
    for factor in (-1.453152027, 1.421413741, -0.284496736, 0.254829592):
        series += np.float32(factor)
        series *= t
    erf = 1 - series * np.exp(-z * z)
    return np.float32(0.5) * x * (1 + np.copysign(erf, x))


def read_safetensors(path: Path) -> dict[str, Floats]:
    """Return the tensors of a safetensors file as float32. Those stored as float32 are mapped from the file.

    Layout: 8 bytes little-endian header length, a JSON header ``{name: {dtype, shape, data_offsets}}``, then the data.

    Raises:
        ValueError: The file does not follow this layout.
    """
    with path.open("rb") as file:
        data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    length = int.from_bytes(data[:8], "little")
    if not 2 <= length <= min(len(data) - 8, _MAX_HEADER):
        raise ValueError(f"{path.name} is not a safetensors file.")
    tensors: dict[str, Floats] = {}
    for name, entry in json.loads(data[8 : 8 + length]).items():
        if name == "__metadata__" or entry["dtype"] not in _TYPES:
            continue
        begin, end = (8 + length + offset for offset in entry["data_offsets"])
        kind = _TYPES[entry["dtype"]]
        count = math.prod(entry["shape"])
        if not (8 + length <= begin <= end <= len(data)) or end - begin != count * kind.itemsize:
            raise ValueError(f"{path.name} is damaged: tensor {name[:80]} lies outside the file.")
        array = np.frombuffer(data, kind, count, begin).reshape(entry["shape"])
        tensors[name.removeprefix("bert.")] = np.asarray(array, np.float32)
    return tensors
