"""The layout of the tests: they mirror the packages, wait on events, and every long test is documented."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.syntax import parsed

TESTS = Path(__file__).parent
ROOT = TESTS.parent
PACKAGES = ("server", "tools", "resources", "rtstream")
MODULES = sorted(
    path.relative_to(ROOT).as_posix()
    for package in PACKAGES
    for path in (ROOT / package).rglob("*.py")
    if not path.name.startswith("__")
)
MIGRATIONS = ("rtstream/store/migrations/versions/", "rtstream/store/migrations/env.py")
"""Tested together: tests/rtstream/store/migrations upgrades a database of every revision and uses it."""

SLEEPS: dict[str, str] = {
    # module -> the reason for a sleep that is not a wait
    "waiting.py": "eventually polls",
    "modelserver.py": "the latency of a remote model",
    "changes/sources.py": "the pace of a source",
    "faults/injection.py": "the duration of a fault, and the time between two",
    "conformance/fixtures.py": "the suite asks for progress and log lines that take time",
    "rtstream/api/test_connections.py": "the pace of a slow upload",
    "rtstream/api/test_server.py": "the pace of a stream that never ends",
    "rtstream/engine/test_kill.py": "the pace of scenes, and a random moment to be killed",
    "rtstream/engine/transcripts/test_runner.py": "the pace of audio",
    "rtstream/engine/webhooks/test_transport.py": "measures how long the event loop was held",
}


def has_logic(path: Path) -> bool:
    """Whether the module defines a function or a method with a body of its own.

    Modules of types are exempt: their classes have fields, methods without a body, and an ``__init__`` at most.
    """
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name != "__init__":
            body = [one for one in node.body if not (isinstance(one, ast.Expr) and isinstance(one.value, ast.Constant))]
            if body:
                return True
    return False


def mirror(module: str) -> Path:
    """The place of the tests of a product module."""
    path = Path(module)
    return TESTS / path.parent / f"test_{path.stem.lstrip('_')}.py"


def test_every_module_with_logic_has_tests_in_the_mirrored_place() -> None:
    modules = [module for module in MODULES if not module.startswith(MIGRATIONS)]
    missing = [mirror(module) for module in modules if has_logic(ROOT / module) and not mirror(module).exists()]
    assert not missing, f"add {[path.relative_to(ROOT).as_posix() for path in missing]}"


def test_every_folder_of_tests_is_that_of_a_package() -> None:
    for path in TESTS.rglob("test_*.py"):
        folder = path.parent.relative_to(TESTS)
        if folder.parts and folder.parts[0] in PACKAGES:
            assert (ROOT / folder).is_dir(), f"{path.relative_to(ROOT)}: there is no package {folder}"


MAX_LINES = 450


def test_every_module_has_at_most_450_lines() -> None:
    long = {
        path.relative_to(ROOT).as_posix(): lines
        for folder in (*PACKAGES, "tests", "benchmarks", "scripts")
        for path in (ROOT / folder).rglob("*.py")
        if (lines := len(path.read_text(encoding="utf-8").splitlines())) > MAX_LINES
    }
    assert not long, f"split {long} where a reader would look for the parts"


MAX_BODY = 60


def test_every_function_fits_a_screen() -> None:
    """The docstring, the signature and the values of snapshots do not count."""
    long = [
        f"{path.relative_to(ROOT)}: {node.name} has {lines} lines"
        for folder in (*PACKAGES, "tests", "benchmarks", "scripts")
        for path in (ROOT / folder).rglob("*.py")
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and (lines := length(node)) > MAX_BODY
    ]
    assert not long


def length(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of the body of a function, without those that only continue the value of a snapshot."""
    data = sum(
        (call.end_lineno or 0) - call.lineno
        for call in ast.walk(node)
        if isinstance(call, ast.Call) and getattr(call.func, "id", "") == "snapshot"
    )
    return (node.end_lineno or 0) - body_of(node)[0].lineno + 1 - data


def body_of(node: ast.FunctionDef | ast.AsyncFunctionDef) -> list[ast.stmt]:
    return node.body[1:] or node.body if ast.get_docstring(node) is not None else node.body


def sleeps(tree: ast.AST) -> Iterator[int]:
    """The lines that call ``sleep``, whatever it was imported from or as an attribute of."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            if name == "sleep" or name.startswith("sleep_until"):
                yield node.lineno


@pytest.mark.parametrize("code", ["import time\ntime.sleep(1)", "await anyio.sleep(0.1)", "sleep(2)"])
def test_a_sleep_is_recognised(code: str) -> None:
    tree = compile(code, "x", "exec", ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    assert list(sleeps(tree))


def test_no_test_sleeps_to_wait() -> None:
    for path in TESTS.rglob("*.py"):
        name = path.relative_to(TESTS).as_posix()
        if name not in SLEEPS:
            found = list(sleeps(parsed(path)))
            assert not found, f"{name}:{found}: wait for the event, or use tests.waiting.eventually"


def test_every_long_test_is_documented() -> None:
    page = (ROOT / "docs" / "developers" / "testing.md").read_text(encoding="utf-8")
    long = {
        node.name
        for path in TESTS.rglob("test_*.py")
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and any("pytest.mark.long" in ast.unparse(one) for one in node.decorator_list)
    }
    listed = set(re.findall(r"^\| `(test_\w+)` \|", page, re.M))
    assert listed == long
