"""The API key is taken from the settings or the data folder, and created once."""

from __future__ import annotations

import base64
import stat
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from rtstream import keys
from rtstream.errors import Unavailable


def test_the_key_of_the_settings_takes_precedence_and_is_not_stored(tmp_path: Path) -> None:
    assert keys.load_or_create(tmp_path, "sk-given") == "sk-given"
    assert keys.read(tmp_path) == ""
    assert list(tmp_path.iterdir()) == []


def test_processes_that_start_together_agree_on_one_key(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "data"
    with ThreadPoolExecutor(8) as pool:
        found = set(pool.map(lambda _: keys.load_or_create(folder), range(8)))
    assert found == {keys.read(folder)}
    assert [path.name for path in folder.iterdir()] == [keys.FILE_NAME]
    if sys.platform != "win32":
        assert stat.S_IMODE(keys.key_file(folder).stat().st_mode) == 0o600


def test_an_empty_key_file_is_replaced(tmp_path: Path) -> None:
    keys.key_file(tmp_path).write_text("\n")
    assert keys.load_or_create(tmp_path).startswith("sk-")


def test_a_folder_that_cannot_be_written_is_explained(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(Unavailable, match="RTSTREAM_API_KEY"):
        keys.load_or_create(tmp_path / "file")


def test_each_purpose_gets_bytes_of_its_own() -> None:
    assert keys.derived("sk", "a") != keys.derived("sk", "b") != keys.derived("sk2", "b")
    prefix, _, encoded = keys.webhook_secret("sk").partition("_")
    assert (prefix, base64.b64decode(encoded)) == ("whsec", keys.derived("sk", "webhooks"))
