"""Fixtures of all tests, and the marker of each test's kind: unit, engine or integration."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import pytest
from hypothesis import settings

# Other work on the computer may slow a single example down. Each run tries others, so it need not try many.
settings.register_profile("quick", deadline=None, max_examples=50)
settings.load_profile("quick")

pytest_plugins = ["tests.sources", "tests.fixtures.databases", "tests.fixtures.served"]

KINDS = ("unit", "engine", "integration")
KIND_OF_FOLDER = {
    # The longest matching prefix decides; a test or module may set its own marker instead.
    "": "unit",
    "conformance": "integration",
    "faults": "integration",
    "integration": "integration",
    "matrix": "integration",
    "resources": "engine",
    "rtstream/api": "engine",
    "rtstream/camera": "engine",
    "rtstream/client": "engine",
    "rtstream/engine": "engine",
    "rtstream/extract": "engine",
    "rtstream/perception": "engine",
    "rtstream/recorder": "engine",
    "rtstream/store/migrations": "engine",
    "rtstream/testsource": "engine",
    "server": "integration",
    "tools": "engine",
}


def kind_of(module: PurePosixPath) -> str:
    """The kind of a module of tests, by its folder below ``tests``."""
    folder = next(str(parent) for parent in module.parents if str(parent) in KIND_OF_FOLDER or str(parent) == ".")
    return KIND_OF_FOLDER["" if folder == "." else folder]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark each test with its kind, unless it already has one."""
    root = Path(__file__).parent
    for item in items:
        if not any(item.get_closest_marker(kind) for kind in KINDS):
            item.add_marker(kind_of(PurePosixPath(item.path.relative_to(root).as_posix())))


@pytest.fixture
def anyio_backend() -> str:
    """The engine runs on asyncio."""
    return "asyncio"
