"""Reserved disk space exists on the disk, and is free again after its release."""

from __future__ import annotations

import shutil
from pathlib import Path

from rtstream.storage import DiskReserve


def test_reserved_space_occupies_blocks_until_it_is_released(tmp_path: Path) -> None:
    reserve = DiskReserve(tmp_path / "reserve", 4 << 20)
    assert not reserve.held
    assert reserve.fill()
    assert reserve.held
    found = (tmp_path / "reserve").stat()
    assert found.st_blocks * 512 >= 4 << 20
    assert found.st_mode & 0o777 == 0o600
    assert reserve.fill()
    assert reserve.release()
    assert not reserve.release()
    assert list(tmp_path.iterdir()) == []


def test_a_disk_without_room_has_no_reserve(tmp_path: Path) -> None:
    reserve = DiskReserve(tmp_path / "reserve", 1 << 20)
    reserve.size = shutil.disk_usage(tmp_path).total + (1 << 30)
    assert not reserve.fill()
    assert list(tmp_path.iterdir()) == []
