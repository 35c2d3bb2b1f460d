"""Types end nowhere on the way from the database to the tools."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
PRODUCT = ("rtstream", "server", "tools", "resources")
MOST_ANY = 250
"""Uses of ``Any`` in the product. The number may only shrink."""


def modules() -> list[Path]:
    return [path for room in PRODUCT for path in sorted((ROOT / room).rglob("*.py"))]


def test_rows_of_the_database_library_stay_inside_the_store() -> None:
    outside = [path for path in modules() if "store" not in path.parts]
    assert [str(path) for path in outside if re.search(r"\bRow\[", path.read_text())] == []


def test_the_product_has_few_values_without_a_type() -> None:
    used = 0
    for path in modules():
        for line in path.read_text().splitlines():
            code = line.split("  #")[0]
            if not code.lstrip().startswith(("from ", "import ", '"""')):
                used += len(re.findall(r"\bAny\b", code))
    assert used <= MOST_ANY
