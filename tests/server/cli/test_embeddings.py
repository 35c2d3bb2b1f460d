"""The command that puts the embeddings weights into the data folder."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.server.mcp_servers import SCRIPT

WEIGHTS = os.environ.get("RTSTREAM_TEST_DATA", "")


def install(data_dir: Path, *options: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [SCRIPT, "install-embeddings", "--data-dir", data_dir, *options],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )


def test_offline_it_says_how_to_bring_the_weights(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    done = install(tmp_path / "data", PIP_NO_INDEX="1", PIP_FIND_LINKS=str(empty), UV_OFFLINE="1", UV_NO_INDEX="1")
    assert done.returncode == 2
    assert "could not be downloaded" in done.stderr
    assert "--from" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_wrong_file_is_not_installed(tmp_path: Path) -> None:
    folder = tmp_path / "weights"
    folder.mkdir()
    for name in ("model.safetensors", "vocab.txt"):
        (folder / name).write_text("something else")
    done = install(tmp_path / "data", "--from", str(folder))
    assert done.returncode == 2
    assert "not the expected file" in done.stderr
    assert not list((tmp_path / "data").rglob("vocab.txt"))


@pytest.mark.skipif(not WEIGHTS, reason="RTSTREAM_TEST_DATA names no folder with weights")
def test_verified_weights_are_put_in_place_and_found_the_second_time(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    done = install(data_dir, "--from", WEIGHTS)
    assert (done.returncode, done.stderr) == (0, "")
    assert (data_dir / "models" / "minilm" / "model.safetensors").stat().st_size > 90_000_000
    assert "already" in install(data_dir).stdout
