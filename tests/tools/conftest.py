"""The way to accept changed tool definitions."""

from __future__ import annotations

import os

import pytest


@pytest.fixture
def update() -> bool:
    """UPDATE_SNAPSHOTS=1 regenerates the snapshots."""
    return os.environ.get("UPDATE_SNAPSHOTS") == "1"
