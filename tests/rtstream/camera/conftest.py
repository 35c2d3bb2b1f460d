"""Fixtures of the tests of cameras: probes on loopback alone."""

from __future__ import annotations

import pytest

from tests.rtstream.camera.loopback import probe_on_loopback


@pytest.fixture
def loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    probe_on_loopback(monkeypatch)
