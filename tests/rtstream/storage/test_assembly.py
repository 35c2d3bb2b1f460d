"""A file is assembled from byte ranges of others, or nothing of it is left."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from rtstream.storage.assembly import ByteRange, assemble, assemble_or_remove


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    folder = tmp_path / "sources"
    folder.mkdir()
    (folder / "a").write_bytes(b"0123456789")
    (folder / "b").write_bytes(b"abcdefghij" * 500_000)
    return folder


@pytest.mark.parametrize("in_kernel", [True, False])
def test_ranges_follow_the_header_and_patches_replace_their_bytes(
    sources: Path, tmp_path: Path, in_kernel: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not in_kernel:
        monkeypatch.delattr(os, "copy_file_range", raising=False)
    done: list[int] = []
    ranges: list[ByteRange] = [("a", 2, 3), ("b", 10, 4_000_000), ("a", 0, 1)]
    path = tmp_path / "out"
    assemble(path, b"head", ranges, [(4, b"X"), (0, b"H")], lambda key: (sources / key).open("rb"), done.append)
    expected = b"HeadX34" + b"abcdefghij" * 400_000 + b"0"
    assert path.read_bytes() == expected
    assert done == sorted(done)
    assert done[-1] == len(expected)


@pytest.mark.parametrize("in_kernel", [True, False])
def test_a_file_shorter_than_its_range_is_an_error_that_leaves_nothing(
    sources: Path, tmp_path: Path, in_kernel: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not in_kernel:
        monkeypatch.delattr(os, "copy_file_range", raising=False)
    path = tmp_path / "out"
    with pytest.raises(ValueError, match="truncated"):
        assemble_or_remove(path, b"head", [("a", 5, 100)], [], lambda key: (sources / key).open("rb"))
    with pytest.raises(FileNotFoundError):
        assemble_or_remove(path, b"head", [("missing", 0, 1)], [], lambda key: (sources / key).open("rb"))
    assert not path.exists()


def test_an_existing_file_is_left_alone(sources: Path, tmp_path: Path) -> None:
    path = tmp_path / "out"
    path.write_bytes(b"mine")
    with pytest.raises(FileExistsError):
        assemble_or_remove(path, b"head", [], [], lambda key: (sources / key).open("rb"))
    assert path.read_bytes() == b"mine"
