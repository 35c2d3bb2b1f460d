"""Names in the product: one public class per name, and modules named by the nouns of the style page."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests import syntax

ROOT = Path(__file__).parents[1]
STYLE = ROOT / "docs" / "developers" / "style.md"
PACKAGES = ("rtstream", "server", "tools", "resources")


MIGRATIONS = ROOT / "rtstream" / "store" / "migrations"
NAMED_BY_ALEMBIC = {MIGRATIONS / "env.py", *(MIGRATIONS / "versions").glob("*.py")}


@cache
def modules() -> list[Path]:
    found = (path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py")))
    return [path for path in found if path not in NAMED_BY_ALEMBIC]


def public_classes(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield node.name


@cache
def listed(section: str) -> set[str]:
    found = re.search(rf"<!-- {section}:begin -->(.*?)<!-- {section}:end -->", STYLE.read_text("utf-8"), re.DOTALL)
    assert found is not None
    return set(re.findall(r"[a-z0-9]+", found[1]))


def words_of(path: Path) -> list[str]:
    name = path.parent.name if path.name == "__init__.py" else path.stem
    return [word for word in name.split("_") if word]


def test_no_two_public_classes_share_a_name() -> None:
    places: defaultdict[str, list[str]] = defaultdict(list)
    for place, tree in parsed():
        for name in public_classes(tree):
            places[name].append(place)
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


@cache
def parsed() -> list[tuple[str, ast.Module]]:
    return [(path.relative_to(ROOT).as_posix(), syntax.parsed(path)) for path in modules()]


def defined(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """The functions of a module and the methods of its classes."""
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            yield from (one for one in node.body if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef))
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


VERBS = {
    # A name that siblings do not use -> the one that they do
    r"_?(listing|list_all|all_listing)|\w+_listing|listing_\w+": "list",
    r"show|fetch(_\w+)?|retrieve(_\w+)?": "get",
    r"_?(switch|change|act)(_(alert|index|stream|transcript|status))?|modify(_\w+)?|(rename|edit)_\w+": "update",
    r"_?(start|close|open)_runs?|close_runs_of|init_of": "insert, close or find",
}


def test_siblings_use_the_same_verbs() -> None:
    wrong = [
        f"{place}: {function.name} (use {verb})"
        for place, tree in parsed()
        for function in defined(tree)
        for pattern, verb in VERBS.items()
        if re.fullmatch(pattern, function.name)
    ]
    assert wrong == []


OLD_WORDS = ("worker", "face", "eras", "posting", "watches", "alerting")
"""Words of an older vocabulary, which the glossary replaces."""


def test_no_class_or_function_has_a_word_that_the_glossary_replaces() -> None:
    wrong = [
        f"{place}: {node.name}"
        for place, tree in parsed()
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and set(snake(node.name).split("_")) & set(OLD_WORDS)
    ]
    assert wrong == []


def snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def request_bodies() -> set[str]:
    """The models that the API parses request bodies as."""
    return {
        node.id
        for place, tree in parsed()
        if place.startswith("rtstream/api/")
        for function in defined(tree)
        for argument in function.args.args
        if argument.arg == "body" and argument.annotation is not None
        for node in ast.walk(argument.annotation)
        if isinstance(node, ast.Name) and node.id != "list"
    }


def test_the_parameter_of_a_request_body_is_called_request() -> None:
    bodies = request_bodies()
    assert {"ConnectStream", "CreateAlert", "UpdateEvent"} <= bodies
    wrong = [
        f"{place}: {function.name}({argument.arg}: {ast.unparse(argument.annotation)})"
        for place, tree in parsed()
        if not place.startswith("rtstream/api/")  # there, the request is that of HTTP
        for function in defined(tree)
        for argument in (*function.args.args, *function.args.kwonlyargs)
        if argument.annotation is not None and argument.arg != "request"
        if {node.id for node in ast.walk(argument.annotation) if isinstance(node, ast.Name)} & bodies
    ]
    assert wrong == []


def singular(word: str) -> str:
    return word.removesuffix("es" if word == "indexes" else "s")


NAMED_OTHERWISE = {"db"}
"""Attributes of the engine whose usual name is shorter than that of their class."""


def test_the_attributes_of_the_engine_are_named_after_their_classes() -> None:
    tree = syntax.parsed(ROOT / "rtstream" / "engine" / "engine.py")
    found: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call):
            target, made = node.targets[0], ast.unparse(node.value.func).rpartition(".")[2]
            if isinstance(target, ast.Attribute) and not target.attr.startswith("_") and made[:1].isupper():
                found[target.attr] = made
    assert len(found) > 15
    stems = {name: {singular(word) for word in snake(name).split("_")} for name in (*found, *found.values())}
    wrong = {attr: made for attr, made in found.items() if not stems[attr] <= stems[made]}
    assert set(wrong) <= NAMED_OTHERWISE, wrong


def test_every_logger_is_called_log_and_named_after_its_module() -> None:
    made = re.compile(r"^\s*([\w.]+)(?:: [\w.]+)? = (?:logging\.)?getLogger\((.+?)\)", re.MULTILINE)
    for path in modules():
        for name, argument in made.findall(path.read_text(encoding="utf-8")):
            assert (name, argument) == ("log", "__name__"), f"{path.relative_to(ROOT)} calls its logger {name}"
