"""The encoder computes the vectors of the published model."""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rtstream.perception.embeddings.minilm import weights
from rtstream.perception.embeddings.minilm.encoder import Encoder
from rtstream.perception.embeddings.minilm.weights import ModelFiles

pytest.importorskip(weights.PACKAGE, reason="needs the extra 'local'")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> ModelFiles:
    found = weights.find(tmp_path_factory.mktemp("data"))
    assert found is not None
    return found


@pytest.fixture(scope="module")
def encoder(files: ModelFiles) -> Encoder:
    return Encoder(files)


def test_a_vector_is_the_published_one_but_for_the_rounding_of_the_weights(encoder: Encoder) -> None:
    [vector] = encoder.encode(["This is an example sentence"])
    # Published with the model all-MiniLM-L6-v2.
    assert vector[:6] == pytest.approx([0.0676569, 0.0634959, 0.0487131, 0.0793050, 0.0374480, 0.0026528], abs=0.003)
    assert np.linalg.norm(vector) == pytest.approx(1)


def test_a_text_has_the_same_vector_whatever_shares_its_batch(encoder: Encoder) -> None:
    texts = ["the dogs", "", "running " * 400, "Café!", "the dog runs - the dog", *(f"dog {n}" for n in range(4))]
    vectors = encoder.encode(texts)
    assert vectors.shape == (len(texts), encoder.dimensions)
    assert vectors.dtype == np.float32
    assert vectors == pytest.approx(np.concatenate([encoder.encode([text]) for text in texts]), abs=2e-6)


def test_no_text_has_no_vector(encoder: Encoder) -> None:
    assert encoder.encode([]).shape == (0, 384)


def test_a_file_that_is_not_the_known_one_is_not_run(files: ModelFiles, tmp_path: Path) -> None:
    changed = tmp_path / "model.onnx"
    changed.write_bytes(files.model.read_bytes() + b"\0")
    with pytest.raises(ValueError, match="not the expected file"):
        Encoder(replace(files, model=changed))


def test_a_damaged_model_is_an_error(files: ModelFiles, tmp_path: Path) -> None:
    damaged = tmp_path / "model.onnx"
    damaged.write_bytes(files.model.read_bytes()[:100_000])
    with pytest.raises(ValueError, match="cannot be run"):
        Encoder(replace(files, model=damaged, sha256=""))


def test_a_model_of_another_kind_is_an_error(files: ModelFiles) -> None:
    ocr = importlib.util.find_spec("rapidocr")
    if ocr is None or ocr.origin is None:
        pytest.skip("another model is in the package of the text reader")
    another = next(Path(ocr.origin).parent.rglob("*rec*.onnx"))
    with pytest.raises(ValueError, match="not a BERT encoder"):
        Encoder(replace(files, model=another, sha256=""))
