"""A BERT sentence encoder on onnxruntime, which returns the mean of its last layer as a unit vector.

It runs any BERT model that was exported with the inputs ``input_ids``, ``attention_mask`` and ``token_type_ids``, and
whose first output is the last layer (float32 [texts, tokens, dimensions]). Mean pooling and unit length follow Reimers
and Gurevych (Sentence-BERT, 2019).
"""

from __future__ import annotations

import contextlib
import ctypes
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from rtstream.perception import telemetry
from rtstream.perception.embeddings.minilm.weights import ModelFiles, sha256
from rtstream.perception.embeddings.minilm.wordpiece import WordPiece

if TYPE_CHECKING:  # takes long to load
    import onnxruntime

Floats = NDArray[np.float32]

TOKENS = 256
"""Maximum length in tokens (about 190 words), as the model was published. Longer texts are truncated."""
BATCH = 8
"""Texts per run. Larger batches are not faster on one thread, and a run cannot be interrupted."""


class Encoder:
    """Encodes texts as vectors, on the thread that calls it.

    ``encode`` is expensive, so call it in a thread. Several threads may call it at once.

    Raises:
        OSError: A file cannot be read.
        ValueError: A file is not the expected one, or not a model of this kind.
    """

    def __init__(self, files: ModelFiles) -> None:
        if files.sha256 and sha256(files.model) != files.sha256:
            raise ValueError(f"{files.model.name} is not the expected file")
        self._words = WordPiece(files.vocabulary)
        self._session = _session(files.model)
        shape = self._session.get_outputs()[0].shape
        if {entry.name for entry in self._session.get_inputs()} != set(_inputs([[0]])) or len(shape) != 3:
            raise ValueError(f"{files.model.name} is not a BERT encoder")
        self.dimensions = int(shape[2])

    def encode(self, texts: Sequence[str]) -> Floats:
        """Return float32 [len(texts), dimensions] with rows of unit length."""
        tokens = [self._words.encode(text, TOKENS) for text in texts]
        vectors = np.empty((len(texts), self.dimensions), np.float32)
        # Texts of similar length share a run, because all are padded to the longest.
        rows = sorted(range(len(texts)), key=lambda row: len(tokens[row]))
        for begin in range(0, len(rows), BATCH):
            batch = rows[begin : begin + BATCH]
            vectors[batch] = self._run([tokens[row] for row in batch])
        return vectors

    def _run(self, batch: Sequence[Sequence[int]]) -> Floats:
        inputs = _inputs(batch)
        states = np.asarray(self._session.run(None, inputs)[0], np.float32)
        mask = inputs["attention_mask"][:, :, None].astype(np.float32)
        means = (states * mask).sum(axis=1) / mask.sum(axis=1)
        return means / np.maximum(np.linalg.norm(means, axis=1, keepdims=True), 1e-9)


def _inputs(batch: Sequence[Sequence[int]]) -> dict[str, NDArray[np.int64]]:
    """Return texts as padded token numbers, int64 [texts, tokens], with the mask of the real ones."""
    ids = np.zeros((len(batch), max(map(len, batch))), np.int64)
    mask = np.zeros_like(ids)
    for row, tokens in enumerate(batch):
        ids[row, : len(tokens)] = tokens
        mask[row, : len(tokens)] = 1
    return {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}


def _session(model: Path) -> onnxruntime.InferenceSession:
    """Return an inference session that works on the calling thread only."""
    telemetry.disable()
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    # The arena would keep the memory of the longest batch for good (80 MB).
    options.enable_cpu_mem_arena = False
    try:
        session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    except Exception as exc:  # noqa: BLE001 - the kinds of onnxruntime have no base class of their own
        raise ValueError(f"{model.name} cannot be run: {str(exc)[:200]}") from None
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):  # other C libraries have no such function
            ctypes.CDLL(None).malloc_trim(0)  # loading leaves 60 MB that glibc would keep
    return session
