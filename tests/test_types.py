"""Types end nowhere on the way from the database to the tools."""

from __future__ import annotations

import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
PRODUCT = ("rtstream", "server", "tools", "resources")
MOST_ANY = 34
"""Uses of ``Any`` in the product. The number may only shrink."""


def modules() -> list[Path]:
    return [path for room in PRODUCT for path in sorted((ROOT / room).rglob("*.py"))]


def uses_of_any(source: str) -> Iterator[int]:
    """Yield the line of each ``Any`` in code. Imports, comments and texts do not count."""
    importing, first = False, True
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type in (tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT):
            first = True
        elif token.type not in (tokenize.NL, tokenize.COMMENT):
            importing = token.string in ("from", "import") if first else importing
            first = False
            if token.type == tokenize.NAME and token.string == "Any" and not importing:
                yield token.start[0]


def has_reason(lines: list[str], line: int) -> bool:
    """Return whether a comment with ``Any`` is on this line or just above, or the text of an alias is just below."""
    around = [*lines[max(0, line - 3) : line]]
    below = lines[line : line + 1]
    return any(re.search(r"#.*\bAny\b", text) for text in around) or any(text.startswith('"""') for text in below)


def test_rows_of_the_database_library_stay_inside_the_store() -> None:
    outside = [path for path in modules() if "store" not in path.parts]
    assert [str(path) for path in outside if re.search(r"\bRow\[", path.read_text())] == []


def test_uses_of_any_are_counted_in_code_only() -> None:
    source = "\n".join(
        [
            '"""Any text."""',
            "from typing import (",
            "    Any,",
            ")",
            "x: Any = 1  # Any number",
            "def f(a: Any) -> Any: ...",
        ]
    )
    assert list(uses_of_any(source)) == [5, 6, 6]


def test_the_product_has_few_values_without_a_type() -> None:
    used = [f"{path}:{line}" for path in modules() for line in uses_of_any(path.read_text())]
    assert len(used) <= MOST_ANY, used


def test_each_value_without_a_type_has_a_reason() -> None:
    missing = []
    for path in modules():
        source = path.read_text()
        lines = source.splitlines()
        missing += [f"{path}:{line}" for line in uses_of_any(source) if not has_reason(lines, line)]
    assert missing == []
