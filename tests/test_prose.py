"""The prose check finds what the style page warns about, and no file gets worse."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[1]
STYLE = ROOT / "docs" / "developers" / "style.md"


def load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("prose", ROOT / "scripts" / "prose.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


prose = load()


def examples() -> list[tuple[str, str, str]]:
    text = STYLE.read_text(encoding="utf-8")
    table = text.partition("<!-- patterns:begin -->")[2].partition("<!-- patterns:end -->")[0]
    return re.findall(r"^\| ([^|]+) \| `([^|]+)` \| `([^|]+)` \|$", table, re.MULTILINE)


def names_found(text: str) -> set[str]:
    return {finding.pattern.name for finding in prose.findings("rtstream/example.py", f'"""{text}"""\n')}


@pytest.mark.parametrize(("name", "bad", "good"), examples(), ids=[name for name, _, _ in examples()])
def test_the_examples_of_the_style_page_are_told_apart(name: str, bad: str, good: str) -> None:
    assert name in names_found(bad)
    assert names_found(good) == set()


def test_every_pattern_has_an_example_on_the_style_page() -> None:
    assert {pattern.name for pattern in prose.PATTERNS} == {name for name, _, _ in examples()}


@pytest.mark.parametrize(
    "source",
    [
        "# The engine goes on.\n",
        'raise ValueError("the engine goes on")\n',
        'def f():\n    """The engine goes on."""\n',
        'class A:\n    x: int = 0\n    """Recording goes on."""\n',
        'log.warning(f"stream {name} goes on recording")\n',
    ],
    ids=["comment", "error", "docstring", "attribute docstring", "f-string"],
)
def test_comments_docstrings_and_texts_are_read(source: str) -> None:
    assert [finding.pattern.name for finding in prose.findings("server/example.py", source)] == ["go on"]


def test_a_sentence_over_several_lines_is_read_as_one() -> None:
    assert len(prose.findings("server/example.py", '"""Recording\ngoes\non."""\n# It goes\n# on.\n')) == 2
    assert len(prose.findings("docs/example.md", "Recording goes\non.\n\n| a | it goes on |\n")) == 2


def test_code_and_test_data_are_left_alone() -> None:
    assert prose.findings("docs/example.md", "```\nit goes on\n```\n`it goes on`\n") == []
    assert prose.findings("tests/test_example.py", 'TEXT = "the engine goes on"\n') == []
    assert prose.findings("rtstream/example.py", '"""Calls ``go on``."""\n') == []


def test_a_count_may_only_shrink() -> None:
    grown, shrunk = prose.compare({"a.py": 3, "b.py": 1, "new.py": 1}, {"a.py": 2, "b.py": 2, "gone.py": 1})
    assert grown == {"a.py": 3, "new.py": 1}
    assert shrunk == {"b.py": 1, "gone.py": 0}


def test_updating_never_raises_a_count() -> None:
    text = prose.lowered({"a.py": 3, "b.py": 1, "new.py": 1}, {"a.py": 2, "b.py": 2, "gone.py": 1})
    assert prose.read_baseline(text) == {"a.py": 2, "b.py": 1}


def test_the_prose_of_the_project_matches_its_baseline() -> None:
    grown, shrunk = prose.compare(prose.count(), prose.read_baseline(prose.BASELINE.read_text(encoding="utf-8")))
    assert grown == {}, "list the findings with: python scripts/prose.py FILE"
    assert shrunk == {}, "lower the baseline with: python scripts/prose.py --update"
