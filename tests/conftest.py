"""Fixtures every room uses."""

from __future__ import annotations

import pytest

pytest_plugins = ["tests.sources"]


@pytest.fixture
def anyio_backend() -> str:
    """The engine runs on asyncio."""
    return "asyncio"
