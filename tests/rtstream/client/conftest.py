"""A service without the additions of this engine."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.rtstream.client.hosted import Hosted, hosted_service


@pytest.fixture
async def hosted() -> AsyncIterator[Hosted]:
    async with hosted_service() as service:
        yield service
