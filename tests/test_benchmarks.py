"""Every benchmark runs on its smallest inputs, so that none stops working unnoticed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
COMMANDS = [path.stem for path in sorted((ROOT / "benchmarks").glob("[a-z]*.py"))]
NEEDS_FFMPEG = ("export", "recording")
LIMIT_S = 300  # a few seconds each on an idle machine

pytestmark = [pytest.mark.integration, pytest.mark.timeout(LIMIT_S + 20)]


def test_the_list_of_benchmarks_names_each() -> None:
    done = subprocess.run([sys.executable, "-m", "benchmarks"], cwd=ROOT, capture_output=True, text=True, check=True)
    for name in COMMANDS:
        assert f"python -m benchmarks.{name} " in done.stdout


@pytest.mark.parametrize("name", COMMANDS)
def test_a_benchmark_runs_and_prints_a_result(name: str) -> None:
    if name in NEEDS_FFMPEG and shutil.which("ffmpeg") is None and not os.environ.get("CI"):
        pytest.skip("ffmpeg, the peer, is not installed")
    command = [sys.executable, "-m", f"benchmarks.{name}", "--tiny"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=LIMIT_S)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "| " in done.stdout or done.stdout.strip().startswith("{"), done.stdout
