"""A model server for the providers' tests, and no keys from outside."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.modelserver import ModelServer, forget_keys, model_server


@pytest.fixture
async def server() -> AsyncIterator[ModelServer]:
    """A model server on a free port."""
    async with model_server() as running:
        yield running


@pytest.fixture(autouse=True)
def no_keys_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests see only the keys and addresses they set themselves."""
    forget_keys(monkeypatch)
