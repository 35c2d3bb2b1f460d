"""The demo, which is the first command of the README, ends with an alert and leaves nothing behind."""

from __future__ import annotations

import ast
import inspect
import os
import subprocess
import sys
from pathlib import Path

import pytest

from server.cli import demo
from tests.server.mcp_servers import SCRIPT
from tools.registry import toolset


@pytest.mark.long
@pytest.mark.timeout(240)
@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="the test reads /proc")
def test_the_demo_ends_with_an_alert_and_leaves_no_process_and_no_file(tmp_path: Path) -> None:
    pytest.importorskip("rapidocr", reason="reading screen text needs the extra 'local'")
    env = {**os.environ, "TMPDIR": str(tmp_path), "RTSTREAM_DATA_DIR": str(tmp_path / "unused")}
    shown = subprocess.run([SCRIPT, "demo", "--once"], env=env, capture_output=True, text=True, timeout=200)
    assert shown.returncode == 0, shown.stdout + shown.stderr
    assert "ALERT invoice_on_screen" in shown.stdout
    assert "http://127.0.0.1" in shown.stdout
    assert not (tmp_path / "unused").exists()
    assert not list(tmp_path.glob("rtstream-demo-*"))
    marker = f"TMPDIR={tmp_path}".encode()
    assert not [path for path in Path("/proc").glob("[0-9]*/environ") if marker in read(path)]


def read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""  # it has ended, or is not ours


def test_an_unknown_option_is_refused() -> None:
    ended = subprocess.run(
        [sys.executable, "-P", "-m", "rtstream_mcp", "demo", "--twice"], capture_output=True, text=True
    )
    assert ended.returncode == 2
    assert "--twice" in ended.stderr


def test_its_calls_fit_the_tools_that_are_offered_by_default() -> None:
    parameters = {tool.name: set(tool.parameters["properties"]) for tool in toolset("default")}
    calls = {
        node.args[0].value: {word.arg for word in node.keywords} - {"show"}
        for node in ast.walk(ast.parse(inspect.getsource(demo)))
        if isinstance(node, ast.Call)
        and ast.unparse(node.func) == "self._call"
        and isinstance(node.args[0], ast.Constant)
    }
    assert calls
    assert [(name, given) for name, given in calls.items() if not given <= parameters.get(str(name), set())] == []
