"""The encoder computes the vectors of the published model."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from rtstream.perception.embeddings.minilm.encoder import Encoder, read_safetensors
from rtstream.perception.embeddings.providers import LocalEmbeddings
from tests.fixtures.small_bert import write_safetensors
from tests.rtstream.perception.embeddings.test_providers import model, plain_vector

__all__ = ["model"]


def test_the_encoder_gives_what_the_plain_model_gives_whatever_shares_its_batch(model: Path) -> None:
    texts = ["the dogs", "", "running " * 60, "Café!", "the dog runs - the dog", "the"]
    vectors = Encoder(model).encode(texts)
    assert vectors.dtype == np.float32
    assert vectors == pytest.approx(np.array([plain_vector(model, text) for text in texts]), abs=2e-6)


def test_no_text_gives_no_vector(model: Path) -> None:
    assert Encoder(model).encode([]).shape == (0, 24)


def test_half_precision_weights_are_read(tmp_path: Path) -> None:
    write_safetensors(tmp_path / "x.safetensors", {"bert.a": np.array([[1.5, -2.0]], np.float16)})
    assert read_safetensors(tmp_path / "x.safetensors")["a"].tolist() == [[1.5, -2.0]]


@pytest.mark.parametrize("spoil", [lambda data: data[:-300], lambda data: b"\xff" * 16, lambda data: data[:100]])
def test_a_damaged_file_of_weights_gets_a_sentence(model: Path, spoil: Callable[[bytes], bytes]) -> None:
    path = model / "model.safetensors"
    path.write_bytes(spoil(path.read_bytes()))
    with pytest.raises(ValueError):  # noqa: PT011 - of several kinds
        Encoder(model)


@pytest.mark.anyio
@pytest.mark.skipif("RTSTREAM_TEST_DATA" not in os.environ, reason="RTSTREAM_TEST_DATA names no folder with weights")
async def test_the_real_weights_give_the_published_vector() -> None:
    provider = LocalEmbeddings(Path(os.environ["RTSTREAM_TEST_DATA"]))
    [vector] = await provider.embed(["This is an example sentence"])
    # Published with the model all-MiniLM-L6-v2.
    assert vector[:6] == pytest.approx([0.0676569, 0.0634959, 0.0487131, 0.0793050, 0.0374480, 0.0026528], abs=1e-6)
