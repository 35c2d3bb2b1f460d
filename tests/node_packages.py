"""Packages of npm that tests run, with a Node of their own. They are installed once per version."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import NoReturn

import pytest
from filelock import FileLock

NODE = "node@22.23.3"
BUILD = Path(__file__).parents[1] / "build"
INSTALL_S = 300


def node_packages(folder: str, *packages: str, scripts: bool = True) -> Path:
    """Return the folder ``node_modules`` of packages. Without npm, the test is skipped, except in CI.

    Args:
        folder: Name of the folder below ``build``, one for each set of packages.
        packages: Packages with their versions.
        scripts: Whether the packages may run programs when they are installed.
    """
    place = BUILD / folder
    place.mkdir(parents=True, exist_ok=True)
    installed = place / "installed.json"
    with FileLock(place / "install.lock"):
        if not installed.exists() or json.loads(installed.read_text()) != list(packages):
            npm = shutil.which("npm")
            if npm is None:
                _missing(f"npm is not installed, which installs {', '.join(packages)}")
            (place / "package.json").write_text('{"private": true}')
            command = [str(npm), "install", "--no-audit", "--no-fund", "--loglevel=error", *packages]
            if not scripts:
                command.append("--ignore-scripts")
            try:
                subprocess.run(command, cwd=place, check=True, timeout=INSTALL_S, stdout=subprocess.DEVNULL)
            except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as exc:
                _missing(f"npm could not install {', '.join(packages)}: {exc}")
            installed.write_text(json.dumps(packages))
    return place / "node_modules"


def _missing(reason: str) -> NoReturn:
    if os.environ.get("CI"):
        pytest.fail(f"{reason}; CI does not skip the tests that need it")
    pytest.skip(reason)


def node() -> Path:
    """Return the program ``node``."""
    return node_packages("node", NODE) / ".bin" / "node"
