"""Other programs run without secrets in their environment, and end when they are told to."""

from __future__ import annotations

import subprocess
import sys

import pytest

from rtstream.recorder.program import end_program, start_program


def test_a_program_gets_its_arguments_and_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RTSTREAM_API_KEY", "sk-secret")
    script = "import os, sys; print(sys.argv[1], 'RTSTREAM_API_KEY' in os.environ)"
    process = start_program([sys.executable, "-I", "-S", "-c", script, "an argument"], stdout=subprocess.PIPE)
    out, _ = process.communicate(timeout=20)
    assert (process.returncode, out.split()) == (0, b"an argument False".split())


def test_a_program_is_ended_at_once() -> None:
    waiting = [sys.executable, "-I", "-S", "-c", "import sys; print('runs', flush=True); sys.stdin.read()"]
    process = start_program(waiting, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    with process:
        assert process.stdout is not None
        assert process.stdout.readline().strip() == b"runs"
        end_program(process)
        assert process.returncode != 0
        assert process.stdout.read() == b""  # nothing of it holds the pipe


def test_a_program_that_does_not_exist_ends_with_an_error() -> None:
    process = start_program(["/no/such/program"], stderr=subprocess.PIPE)
    process.communicate(timeout=20)
    assert process.returncode != 0
