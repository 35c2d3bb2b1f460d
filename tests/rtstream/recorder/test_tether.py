"""A program ends with the process that started it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from rtstream.recorder.tether import main as tether

pytestmark = pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="the tests read /proc")


def test_a_program_whose_parent_is_gone_already_does_not_start() -> None:
    marker = [sys.executable, "-c", "print('ran')"]
    run = [sys.executable, "-I", "-S", tether.__code__.co_filename, "1", *marker]
    ended = subprocess.run(run, capture_output=True, text=True, timeout=20)
    assert (ended.returncode, ended.stdout) == (1, "")
