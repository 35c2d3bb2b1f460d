"""Fixtures of the tests of the RTStream system, which knows nothing about MCP."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from rtstream.client import RTStreamClient


@pytest.fixture
async def client(served: Any) -> AsyncIterator[RTStreamClient]:
    """The API client, connected to the engine of ``served``."""
    from rtstream.client import RTStreamClient

    client = RTStreamClient(served.url, served.engine.api_key)
    yield client
    await client.aclose()
