"""Fixtures of the tests with the official SDK."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from rtstream.perception.embeddings.minilm import weights
from tests.integration.sdk_service import Service, listening


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Searches by meaning too where ``RTSTREAM_TEST_DATA`` names a data folder with the embeddings weights."""
    data_dir = tmp_path_factory.mktemp("engine")
    if given := os.environ.get("RTSTREAM_TEST_DATA"):
        weights.install(data_dir, weights.folder(Path(given)))
    with listening(data_dir) as running:
        yield running
