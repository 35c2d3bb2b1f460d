"""The share of the disk that recordings may fill: decided by the setting, else by the age of the data folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from rtstream.config import EngineConfig
from rtstream.engine.engine import Engine

pytestmark = pytest.mark.anyio


async def percent(data: Path, **settings: float | None) -> float:
    config = EngineConfig.model_validate({"data_dir": data, "local_vision": False, **settings})
    async with Engine(config) as engine:
        return engine.bound.percent


async def test_a_new_data_folder_is_bounded_and_stays_so(tmp_path: Path) -> None:
    assert [await percent(tmp_path), await percent(tmp_path)] == [80.0, 80.0]


@pytest.mark.parametrize("name", ["media", "rtstream.db"])
async def test_an_older_data_folder_keeps_everything_until_asked(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir() if name == "media" else (tmp_path / name).touch()
    assert [await percent(tmp_path), await percent(tmp_path)] == [0.0, 0.0]
    assert await percent(tmp_path, retain_percent=60) == 60.0
    assert await percent(tmp_path) == 0.0


async def test_the_setting_comes_before_the_default(tmp_path: Path) -> None:
    assert await percent(tmp_path, retain_percent=0) == 0.0
    assert await percent(tmp_path, retain_percent=50) == 50.0
