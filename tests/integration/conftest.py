"""Fixtures of the tests with the official SDK."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.integration.sdk_service import Service, listening


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service that also searches by meaning, as it does by default."""
    with listening(tmp_path_factory.mktemp("engine"), embedding_model="") as running:
        yield running
