"""Tables in the pages are generated between their markers."""

from __future__ import annotations

from pathlib import Path

import pytest

from server.cli import docs

pytestmark = pytest.mark.unit

PAGE = "# Page\n\n<!-- tools:begin -->\nstale row\n<!-- tools:end -->\n\nend\n"


def test_only_the_text_between_the_markers_is_replaced() -> None:
    filled = docs.filled(PAGE)
    assert filled.startswith("# Page\n\n<!-- tools:begin -->\n| Tool |")
    assert filled.endswith("|\n<!-- tools:end -->\n\nend\n")
    assert "stale row" not in filled
    assert docs.filled(filled) == filled
    assert docs.filled("no markers") == "no markers"
    assert docs.filled("<!-- tools:begin --> without an end") == "<!-- tools:begin --> without an end"


def test_each_setting_and_each_tool_has_a_row() -> None:
    from server.settings import Settings
    from tools.registry import definitions

    assert docs.settings_table().count("\n") == len(Settings.model_fields) + 1
    assert docs.tools_table().count("\n") == len(definitions()) + 1


def test_a_stale_page_is_reported_or_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "page.md"
    page.write_text(PAGE)
    monkeypatch.setattr(docs, "PAGES", (page,))
    assert docs.main(["--check"]) == 1
    assert "page.md is not up to date" in capsys.readouterr().err
    assert page.read_text() == PAGE
    assert (docs.main([]), docs.main(["--check"])) == (0, 0)
