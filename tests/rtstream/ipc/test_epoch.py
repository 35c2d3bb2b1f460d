"""The numbers of the engines of a data folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from rtstream.ipc.epoch import next_epoch
from rtstream.ipc.sockets import SUPPORTED

pytestmark = pytest.mark.skipif(not SUPPORTED, reason="recorders end with the engine here")


def test_each_engine_of_a_data_folder_has_a_higher_number(tmp_path: Path) -> None:
    assert [next_epoch(tmp_path / "run") for _ in range(3)] == [1, 2, 3]


@pytest.mark.parametrize("content", ["", "damaged", "3.5"])
def test_a_damaged_number_is_replaced(tmp_path: Path, content: str) -> None:
    (tmp_path / "epoch").write_text(content)
    assert next_epoch(tmp_path) == 1


def test_a_full_disk_keeps_no_engine_from_starting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert next_epoch(tmp_path) == 1

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    assert next_epoch(tmp_path) == 2
    monkeypatch.undo()
    assert next_epoch(tmp_path) == 2
    assert {path.name for path in tmp_path.iterdir()} == {"epoch"}
