"""What the tests with the official SDK share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.integration.sdk_service import Service, listening


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with listening(tmp_path_factory.mktemp("engine")) as running:
        yield running
