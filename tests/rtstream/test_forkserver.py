"""Processes start without importing the main module, and their failures are logged."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.engine

PROGRAM = """
import json, os, sys
sys.path.insert(0, sys.argv[1])
print("started", flush=True)  # a child that imports this module prints it as well
from child_code import reply
from rtstream.forkserver import start_process
process, connection = start_process(reply, sys.argv[2], "child")
found = json.loads(connection.recv_bytes()) if connection.poll(20) else None
process.join(20)
print(json.dumps([found, process.exitcode, process.name, process.pid == os.getpid()]), flush=True)
"""
CHILD = """
import json, os

def reply(connection, job):
    connection.send_bytes(json.dumps([job, os.getppid() > 0]).encode())
    if job == "fail":
        raise ValueError("no")
"""


@pytest.mark.parametrize(("job", "code"), [("work", 0), ("fail", 1)])
def test_a_function_runs_in_a_process_of_its_own(tmp_path: Path, job: str, code: int) -> None:
    (tmp_path / "child_code.py").write_text(CHILD)
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    ended = subprocess.run(
        [sys.executable, str(program), str(tmp_path), job], capture_output=True, text=True, timeout=60
    )
    lines = ended.stdout.splitlines()
    assert lines[0] == "started"
    assert json.loads(lines[1]) == [[job, True], code, "child", False]
    assert len(lines) == 2
    assert ("child failed" in ended.stderr) == (job == "fail")
