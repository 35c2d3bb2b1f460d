"""The log contains neither secrets nor characters that control a terminal, in every process of the program."""

from __future__ import annotations

import io
import logging
import re
import subprocess
import sys
from pathlib import Path

import pytest

from rtstream.logs import LogFormatter

ROOT = Path(__file__).parents[2]
SAID = "\x1b[2J\x1b]0;owned\x07\x9b31m\u202e\u2028\x7f\nroot CRITICAL: all is lost"
URL = "rtsp://admin:hunter2@10.0.0.5/live"
ALLOWED = re.compile(r"[\t\n\x20-\x7e\xa1-\xac\xae-\u200a\u2010-\u2027\u2030-\u205f\u2070-\ud7ff]*")


def written_by(code: str) -> str:
    """Run a program whose functions can be found by its child processes; returns its standard error."""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, timeout=60, check=False)
    return done.stderr.decode()


def test_messages_and_tracebacks_are_shown_with_escapes_and_without_secrets() -> None:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(LogFormatter())
    log = logging.Logger("stream")
    log.addHandler(handler)
    try:
        raise ValueError(f"bad {SAID} {URL}")
    except ValueError:
        log.exception("failed: %s %s", SAID, URL)
    text = stream.getvalue()
    assert ALLOWED.fullmatch(text)
    assert text.count("\\x1b[2J") >= 2
    assert "hunter2" not in text
    assert "10.0.0.5/live" in text
    lines = text.splitlines()
    assert " ERROR stream: failed: " in lines[0]
    assert all(line.startswith("| ") for line in lines[1:])


@pytest.mark.parametrize(
    "code",
    [
        "raise ValueError(SAID + URL)",
        "import threading; t = threading.Thread(target=lambda: int(SAID + URL)); t.start(); t.join()",
        "import logging; logging.getLogger('x').warning(SAID + URL)",
    ],
    ids=["crash", "thread", "message"],
)
def test_errors_that_nothing_handles_are_logged_like_messages(code: str) -> None:
    text = written_by(
        f"from rtstream.logs import log_to_stderr\nlog_to_stderr('INFO')\nSAID, URL = {SAID!r}, {URL!r}\n{code}\n"
    )
    assert ALLOWED.fullmatch(text)
    assert "10.0.0.5" in text
    assert "hunter2" not in text
    assert not [line for line in text.splitlines() if line.startswith("root CRITICAL")]


def test_child_processes_log_in_the_same_way() -> None:
    text = written_by(
        "from rtstream.forkserver import start_process\n"
        "from tests.rtstream.test_logs import fail\n"
        "if __name__ == '__main__':\n"
        "    process, connection = start_process(fail, 'job', 'child')\n"
        "    process.join(30)\n"
        "    assert process.exitcode == 1\n"
    )
    assert ALLOWED.fullmatch(text)
    assert " WARNING child: " in text
    assert " ERROR rtstream.forkserver: child failed" in text
    assert "| ValueError: " in text
    assert "hunter2" not in text


def fail(_connection: object, _job: str) -> None:
    """The work of a child process that fails."""
    logging.getLogger("child").warning("%s", SAID + URL)
    raise ValueError(SAID + URL)
