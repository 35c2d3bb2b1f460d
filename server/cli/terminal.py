"""Output of the commands. Text of others reaches a terminal without characters that control it."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, TextIO

from rtstream.rules.text_safety import for_terminal

if TYPE_CHECKING:  # takes long to import
    from pydantic import BaseModel


def say(*lines: str) -> None:
    """Print lines on standard output."""
    _write(sys.stdout, lines)


def warn(*lines: str) -> None:
    """Print lines on standard error."""
    _write(sys.stderr, lines)


def say_json(value: BaseModel) -> str:
    """Print a model as one line of JSON in which Markdown and HTML have no effect. Returns the line.

    Fields without a value are omitted. The line is ASCII.
    """
    from rtstream.client.markdown import for_chat  # takes long

    # JSON leaves one control character as it is.
    line = json.dumps(for_chat(value.model_dump(mode="json", exclude_none=True))).replace("\x7f", "\\u007f")
    say(line)
    return line


def show_progress(text: str) -> int:
    """Print a line that the next output replaces. Returns its length."""
    shown = for_terminal(text)
    sys.stdout.write("\r" + shown)
    sys.stdout.flush()
    return len(shown)


def clear_progress(length: int) -> None:
    """Remove a line of this length that ``show_progress`` printed."""
    sys.stdout.write("\r" + " " * length + "\r")


def _write(stream: TextIO, lines: tuple[str, ...]) -> None:
    text = "".join(for_terminal(line) + "\n" for line in lines)
    # A terminal that cannot show a character shows its escape.
    encoding = stream.encoding or "utf-8"
    stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
    stream.flush()
