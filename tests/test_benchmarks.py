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
SHORT = ("export", "mishearings", "playlist", "search_peers")
"""Those that take a few seconds. The others start engines and streams, and are measured in ``make test-long``."""
LIMIT_S = 300

pytestmark = [pytest.mark.integration, pytest.mark.timeout(LIMIT_S + 20)]


def test_the_list_of_benchmarks_names_each() -> None:
    done = subprocess.run([sys.executable, "-m", "benchmarks"], cwd=ROOT, capture_output=True, text=True, check=True)
    for name in COMMANDS:
        assert f"python -m benchmarks.{name} " in done.stdout


@pytest.mark.parametrize("name", SHORT)
def test_a_benchmark_runs_and_prints_a_result(name: str) -> None:
    run(name)


@pytest.mark.long
@pytest.mark.parametrize("name", sorted({*COMMANDS} - {*SHORT}))
def test_a_benchmark_that_starts_an_engine_runs_and_prints_a_result(name: str) -> None:
    run(name)


def run(name: str) -> None:
    """Run a benchmark with its smallest inputs and check that it prints a table or JSON."""
    if name in NEEDS_FFMPEG and shutil.which("ffmpeg") is None and not os.environ.get("CI"):
        pytest.skip("ffmpeg, the peer, is not installed")
    command = [sys.executable, "-m", f"benchmarks.{name}", "--tiny"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=LIMIT_S)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "| " in done.stdout or done.stdout.strip().startswith("{"), done.stdout
