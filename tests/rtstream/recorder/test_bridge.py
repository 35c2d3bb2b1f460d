"""ffmpeg as a bridge for protocols that the codec library does not read."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from rtstream.recorder.bridge import concat_list
from tests.waiting import eventually_sync

pytestmark = pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="the tests read /proc")


PARENT = """
import sys
from rtstream.recorder.bridge import Bridge
bridge = Bridge(sys.argv[1], 10.0)
print(bridge._process.pid, flush=True)
sys.stdin.read()
"""


PASSPHRASE = "s3cret-passphrase"


def until(check: Callable[[], bool], what: str) -> None:
    """Poll the state of another process."""
    eventually_sync(check, what=what)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="there is no ffmpeg")
@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM])
@pytest.mark.parametrize("mode", ["listener", "caller"])
def test_an_srt_bridge_ends_with_its_recorder_and_shows_no_passphrase(
    tmp_path: Path, end: signal.Signals, mode: str
) -> None:
    url = f"srt://127.0.0.1:{free_port()}?mode={mode}&passphrase={PASSPHRASE}"
    environ = {**os.environ, "OPENAI_API_KEY": "sk-secret"}
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, url, str(tmp_path)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environ,
    ) as parent:  # fmt: skip
        assert parent.stdout is not None
        bridge = int(parent.stdout.readline())
        program = Path(f"/proc/{bridge}")
        until(lambda: b"ffmpeg" in (program / "cmdline").read_bytes().split(b"\0")[0], "ffmpeg runs")
        assert PASSPHRASE.encode() not in (program / "cmdline").read_bytes()
        assert b"srt:" not in (program / "cmdline").read_bytes().replace(b"pipe,srt", b"")
        assert b"sk-secret" not in (program / "environ").read_bytes()
        assert alive(bridge)
        os.kill(parent.pid, end)
        parent.wait(10)
        until(lambda: not alive(bridge), "the bridge ends")


def test_a_url_in_the_list_keeps_its_quotes_and_its_own_time_out() -> None:
    assert concat_list("srt://h:1?passphrase=it's", 10) == (
        b"ffconcat version 1.0\nfile 'srt://h:1?passphrase=it'\\''s&timeout=10000000'\n"
    )
    assert concat_list("srt://h:1", 2.5).endswith(b"srt://h:1?timeout=2500000'\n")
    assert concat_list("srt://h:1?timeout=5", 10).endswith(b"srt://h:1?timeout=5'\n")
