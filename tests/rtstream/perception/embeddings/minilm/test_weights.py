"""The files of the model are those of the package, or those of the data folder."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from rtstream.perception.embeddings import providers as embeddings
from rtstream.perception.embeddings.minilm import weights

pytest.importorskip(weights.PACKAGE, reason="needs the extra 'local'")


def test_the_model_comes_from_the_package_and_its_vocabulary_is_the_known_one(tmp_path: Path) -> None:
    files = weights.find(tmp_path)
    assert files is not None
    assert (files.name, files.sha256) == (weights.NAME, weights.sha256(files.model))
    assert files.vocabulary == weights.VOCABULARY
    notice = (weights.VOCABULARY.parent / "NOTICE").read_text()
    assert hashlib.sha256(weights.VOCABULARY.read_bytes()).hexdigest() in notice


def test_weights_that_an_earlier_version_installed_are_not_read(tmp_path: Path) -> None:
    folder = weights.folder(tmp_path)
    folder.mkdir(parents=True)
    for name in ("model.safetensors", "vocab.txt"):
        (folder / name).write_text("old")
    assert weights.find(tmp_path) == weights.find(tmp_path / "elsewhere")


def test_a_model_in_the_data_folder_takes_precedence_under_a_name_of_its_own(tmp_path: Path) -> None:
    installed = weights.find(tmp_path)
    assert installed is not None
    folder = weights.folder(tmp_path)
    folder.mkdir(parents=True)
    (folder / "model.onnx").symlink_to(installed.model)
    same = weights.find(tmp_path)
    assert same is not None
    assert (same.name, same.model, same.vocabulary) == (weights.NAME, folder / "model.onnx", weights.VOCABULARY)

    (folder / "model.onnx").unlink()
    (folder / "model.onnx").write_bytes(b"another model")
    (folder / "vocab.txt").write_text("[CLS]\n[SEP]\n[UNK]\n")
    other = weights.find(tmp_path)
    assert other is not None
    assert (other.name, other.vocabulary) == ("local:93dc44381b52", folder / "vocab.txt")


@pytest.mark.parametrize("lacking", ["PACKAGE", "RUNTIME"])
def test_without_the_package_or_its_runtime_there_is_no_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lacking: str
) -> None:
    monkeypatch.setattr(weights, lacking, "a_package_that_is_not_installed")
    assert embeddings.local(tmp_path) is None
