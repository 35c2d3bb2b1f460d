"""Text of others in the output of commands: it controls no terminal and links nothing."""

from __future__ import annotations

import ast
import io
import json
import re
import subprocess
import sys
from pathlib import Path

import anyio
import pytest

from rtstream.client.messages import LiveEvent
from server.cli import terminal
from server.cli.terminal import clear_progress, say, say_json, show_progress, warn
from tests.server.cli.test_watch import environment
from tests.server.mcp_servers import SCRIPT, Served

ROOT = Path(__file__).parents[3]
SEQUENCES = {
    "colour": "\x1b[31m",
    "clear the screen": "\x1b[2J\x1b[H",
    "title": "\x1b]0;owned\x07",
    "title, ended by ST": "\x1b]2;owned\x1b\\",
    "link": "\x1b]8;;http://h.example\x1b\\text\x1b]8;;\x1b\\",
    "clipboard": "\x1b]52;c;cm0gLXJmIH4=\x07",
    "answer back": '\x1bP$q"p\x1b\\\x05',
    "C1": "\x9b2J\x9d0;owned\x9c\x90q",
    "back": "safe\b\b\b\bevil\r",
    "delete": "a\x7fb",
    "bidirectional": "\u202egpj\u202c\u2066x\u2069",
    "invisible": "\u200b\u2060\ufeff\u00ad\U000e0041",
    "lines": "a\u2028b\u2029c\x85d\x0be\x0cf",
    "surrogate": "\ud800",
    "forged line": "x\nrtstream-mcp: all is well",
}
ALLOWED = re.compile(r"[\t\n\x20-\x7e\xa1-\xac\xae-\u200a\u2010-\u2027\u2030-\u205f\u2070-\ud7ff]*")


@pytest.mark.parametrize("sequence", SEQUENCES.values(), ids=SEQUENCES)
def test_no_sequence_reaches_the_terminal(sequence: str, capsys: pytest.CaptureFixture[str]) -> None:
    shown = f"before {sequence} after"
    say(shown)
    warn(shown)
    clear_progress(show_progress(shown))
    written = capsys.readouterr()
    for text in (written.out.replace("\r", ""), written.err):
        assert ALLOWED.fullmatch(text)
        assert "before " in text
        assert " after" in text
    assert written.err.count("\n") == 1


def test_ordinary_text_is_printed_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    lines = ("Tür 2\t“日本語” 🙂 العربية", "C:\\videos\\[1].mp4 http://host/path")
    say(*lines)
    assert capsys.readouterr().out.splitlines() == list(lines)


def test_a_terminal_that_lacks_a_character_shows_its_escape(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="cp1252"))
    say("Tür 日")
    assert raw.getvalue() == b"T\xfcr \\u65e5\n"


def test_json_is_one_ascii_line_without_live_links(capsys: pytest.CaptureFixture[str]) -> None:
    for sequence in SEQUENCES.values():
        hostile = f"{sequence} ![x](http://h.example/?q=1) <img src=//h.example>"
        event = LiveEvent(seq=1, channel="scenes", stream_id="rts-1", stream_name=hostile, untrusted_text=hostile)
        line = say_json(event)
        assert capsys.readouterr().out == line + "\n"
        assert re.fullmatch(r"[\x20-\x7e]*", line)
        read = json.loads(line)
        for text in (read["stream_name"], read["untrusted_text"]):
            assert "](" not in text
            assert "http://" not in text
            assert "<img" not in text
    own = LiveEvent(seq=1, channel="alerts", stream_id="rts-1", player_url="http://127.0.0.1:8740/watch?v=abc")
    assert json.loads(say_json(own))["player_url"] == "http://127.0.0.1:8740/watch?v=abc"


def test_the_program_logs_and_crashes_without_sequences() -> None:
    code = (
        "import logging, server.__main__ as main\n"
        "main.main(['no\\x1b[2Jcommand'])\n"
        "logging.getLogger('x').error('a\\x1b[2Jb')\n"
        "raise ValueError('c\\x9b2Jd')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, timeout=150, check=False)
    text = done.stderr.decode()
    assert ALLOWED.fullmatch(text)
    assert all(part in text for part in ("no\\x1b[2Jcommand", "a\\x1b[2Jb", "| ValueError: c\\x9b2Jd"))


def test_no_other_module_of_the_program_writes_to_the_terminal() -> None:
    for path in (ROOT / "server").rglob("*.py"):
        if path == Path(terminal.__file__):
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                called = ast.unparse(node.func)
                assert called != "print", f"{path.name}:{node.lineno}: use say or warn"
                assert not re.fullmatch(r"sys\.(stdout|stderr)(\.buffer)?\.(write|writelines)", called), (
                    f"{path.name}:{node.lineno}: use say or warn"
                )


@pytest.mark.anyio
@pytest.mark.parametrize("command", [["watch", "--since", "0"], ["link", "list"], ["link", "list", "--json"]])
async def test_hostile_names_and_words_in_the_output_of_commands(served: Served, command: list[str]) -> None:
    hostile = "".join(SEQUENCES.values()).replace("\ud800", "") + " [x](http://h.example)"
    stream_id = await served.add_stream(hostile)
    await served.happen("alert", stream_id, label=hostile, confidence=0.9, text=hostile)
    with anyio.fail_after(150):
        done = await anyio.run_process([str(SCRIPT), *command], env=environment(served.url), check=False)
    assert done.returncode == 0, done.stderr
    for output in (done.stdout, done.stderr):
        assert ALLOWED.fullmatch(output.decode())
        assert b"](http" not in output
