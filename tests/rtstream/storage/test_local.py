"""Files as media processes reach them: below one folder, and drafts that appear as a whole."""

from __future__ import annotations

import pickle
import sys
from pathlib import Path

import pytest

from rtstream.errors import NotFound
from rtstream.storage.local import Draft, LocalFiles, is_locked


def test_files_are_read_below_their_folder_only(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a").write_bytes(b"0123456789")
    (tmp_path / "secret").write_bytes(b"x")
    files = pickle.loads(pickle.dumps(LocalFiles(str(tmp_path / "data"))))
    assert (files.read("a", 2, 3), files.read("a", 8, 99)) == (b"234", b"89")
    with files.open("a") as file:
        assert file.read() == b"0123456789"
    for key in ("../secret", "/secret", ""):
        with pytest.raises(NotFound):
            files.open(key)


def test_a_draft_appears_when_it_is_published(tmp_path: Path) -> None:
    final = tmp_path / "m-1"
    with Draft(str(final)) as draft:
        draft.write("index", b"{}")
        draft.assemble("video", b"head", [("source", 1, 2)], [], files(tmp_path))
        assert draft.free() > 0
        assert not final.exists()
        with pytest.raises(FileExistsError):
            draft.write("index", b"again")
        draft.publish()
    assert {path.name: path.read_bytes() for path in final.iterdir()} == {"index": b"{}", "video": b"headbc"}


def files(folder: Path) -> LocalFiles:
    (folder / "source").write_bytes(b"abcd")
    return LocalFiles(str(folder))


def test_a_draft_that_fails_leaves_nothing(tmp_path: Path) -> None:
    def fail() -> None:
        with Draft(str(tmp_path / "m-1")) as draft:
            draft.write("index", b"{}")
            raise RuntimeError("no room")

    with pytest.raises(RuntimeError, match="no room"):
        fail()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such locks")
def test_the_lock_of_a_recorder_is_seen_and_not_taken(tmp_path: Path) -> None:
    import fcntl

    path = tmp_path / "recording.log"
    assert not is_locked(path)
    with path.open("w") as held:
        assert not is_locked(path)
        fcntl.flock(held, fcntl.LOCK_EX)
        assert is_locked(path)
    assert not is_locked(path)
