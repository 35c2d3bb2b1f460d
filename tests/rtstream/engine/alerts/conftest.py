"""A model server for the alerts that need one."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.modelserver import ModelServer, forget_keys, model_server


@pytest.fixture
async def model(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[ModelServer]:
    forget_keys(monkeypatch)
    async with model_server() as running:
        yield running
