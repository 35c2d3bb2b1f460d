"""The note with which a recorder starts a crashed engine again."""

from __future__ import annotations

import os
import resource
import stat
import sys
from pathlib import Path

import pytest

from rtstream.ipc import restart
from rtstream.ipc.sockets import SUPPORTED

pytestmark = pytest.mark.skipif(not SUPPORTED, reason="recorders end with the engine here")

SECRETS = ("OPENAI_API_KEY", "RTSTREAM_API_KEY", "RTSTREAM_MODEL_API_KEY", "ASSEMBLYAI_API_KEY", "HF_TOKEN")


@pytest.fixture(autouse=True)
def no_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in SECRETS:
        monkeypatch.delenv(name, raising=False)


def test_a_note_starts_the_same_command_with_the_same_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RTSTREAM_SEGMENT_S", "7")
    monkeypatch.chdir(tmp_path)
    run = tmp_path / "run"
    assert restart.write_note(run, ["--version"])
    (note,) = run.iterdir()
    assert stat.S_IMODE(note.stat().st_mode) == 0o600
    written = note.read_text()
    assert "RTSTREAM_SEGMENT_S" in written

    found = tmp_path / "found"
    code = (
        "import os, resource, sys;"
        "print(os.environ['RTSTREAM_SEGMENT_S'], os.getcwd(), os.getsid(0) == os.getpid(),"
        "*resource.getrlimit(resource.RLIMIT_DATA), file=open(sys.argv[1], 'w'))"
    )
    note.write_text(written.replace('"-P", "-m", "rtstream_mcp", "--version"', f'"-c", "{code}", "{found}"'))
    claimed = restart.claim_note(run)
    assert claimed is not None
    assert restart.claim_note(run) is None
    before = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (data_bytes() + (1 << 28), before[1]))
    try:
        pid = restart.start_engine(claimed)
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, before)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert found.read_text().split() == ["7", str(tmp_path), "True", str(before[1]), str(before[1])]
    assert restart.collect(pid)
    assert sys.executable in written


def data_bytes() -> int:
    """Return the size of this process's data, which is large after many other tests."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmData:")[1].split()[0]) * 1024


@pytest.mark.parametrize("name", SECRETS)
def test_an_engine_with_a_secret_in_its_environment_leaves_no_note(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    restart.write_note(tmp_path, [])
    monkeypatch.setenv(name, "sk-to-hide")
    assert not restart.write_note(tmp_path, [])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", ["", "[]", '{"command": []}'])
def test_a_damaged_note_starts_nothing(tmp_path: Path, content: str) -> None:
    (tmp_path / restart.FILE).write_text(content)
    claimed = restart.claim_note(tmp_path)
    assert claimed is not None
    with pytest.raises((ValueError, KeyError, TypeError)):
        restart.start_engine(claimed)
