"""Names in the product: one public class per name, and modules named by the nouns of the style page."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
STYLE = ROOT / "docs" / "developers" / "style.md"
PACKAGES = ("rtstream", "server", "tools", "resources")


MIGRATIONS = ROOT / "rtstream" / "store" / "migrations"
NAMED_BY_ALEMBIC = {MIGRATIONS / "env.py", *(MIGRATIONS / "versions").glob("*.py")}


def modules() -> list[Path]:
    found = (path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py")))
    return [path for path in found if path not in NAMED_BY_ALEMBIC]


def public_classes(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield node.name


def listed(section: str) -> set[str]:
    found = re.search(rf"<!-- {section}:begin -->(.*?)<!-- {section}:end -->", STYLE.read_text("utf-8"), re.DOTALL)
    assert found is not None
    return set(re.findall(r"[a-z0-9]+", found[1]))


def words_of(path: Path) -> list[str]:
    name = path.parent.name if path.name == "__init__.py" else path.stem
    return [word for word in name.split("_") if word]


def test_no_two_public_classes_share_a_name() -> None:
    places: defaultdict[str, list[str]] = defaultdict(list)
    for path in modules():
        for name in public_classes(ast.parse(path.read_text(encoding="utf-8"))):
            places[name].append(path.relative_to(ROOT).as_posix())
    assert {name: paths for name, paths in places.items() if len(paths) > 1} == {}


@pytest.mark.parametrize("path", modules(), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_modules_are_named_by_the_nouns_of_the_style_page(path: Path) -> None:
    unknown = [word for word in words_of(path) if word not in listed("nouns") | listed("adjectives")]
    assert not unknown, f"{unknown}: rename the module, or add the noun to {STYLE.relative_to(ROOT)}"


def test_the_nouns_are_in_order() -> None:
    for section in ("nouns", "adjectives"):
        found = re.search(rf"<!-- {section}:begin -->(.*?)<!-- {section}:end -->", STYLE.read_text("utf-8"), re.DOTALL)
        assert found is not None
        words = re.findall(r"[a-z0-9]+", found[1])
        assert words == sorted(set(words))


def test_every_logger_is_called_log() -> None:
    for path in modules():
        for name in re.findall(r"^(\w+) = logging\.getLogger", path.read_text(encoding="utf-8"), re.MULTILINE):
            assert name == "log", f"{path.relative_to(ROOT)} calls its logger {name}"
