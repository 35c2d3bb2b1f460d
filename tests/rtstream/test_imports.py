"""Modules that are imported when they are first used."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from rtstream.imports import LateModule


def test_a_module_is_imported_at_its_first_use_and_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "late_example.py").write_text("value = [1]\ndef double(x): return 2 * x\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    late: Any = LateModule("late_example")
    assert "late_example" not in sys.modules
    assert late.double(4) == 8
    assert late.value is sys.modules["late_example"].value
    with pytest.raises(AttributeError, match="missing"):
        _ = late.missing


def test_a_module_that_is_not_installed_is_an_error_at_its_first_use() -> None:
    late = LateModule("no_such_module_of_any_package")
    with pytest.raises(ImportError, match="no_such_module_of_any_package"):
        _ = late.value
