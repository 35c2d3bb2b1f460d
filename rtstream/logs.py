"""The log of this process: one line per message, without secrets and without characters that control a terminal."""

from __future__ import annotations

import logging
import sys
import threading
from types import TracebackType

from rtstream.rules.redaction import redact
from rtstream.rules.text_safety import for_terminal

log = logging.getLogger(__name__)

_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
ExceptionInfo = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]


class LogFormatter(logging.Formatter):
    """Formats log records. A message takes one line, and the lines of a traceback begin with a bar."""

    def __init__(self) -> None:
        super().__init__(_FORMAT)

    def formatMessage(self, record: logging.LogRecord) -> str:
        """As in logging."""
        return _shown(super().formatMessage(record))

    def formatException(self, ei: ExceptionInfo) -> str:
        """As in logging."""
        return "\n".join(f"| {_shown(line)}" for line in super().formatException(ei).split("\n"))


def log_to_stderr(level: str) -> None:
    """Log to standard error from ``level`` on, exceptions that nothing handles included."""
    root = logging.getLogger()
    if not root.handlers:
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(LogFormatter())
        root.addHandler(handler)
        sys.excepthook = _report_crash
        threading.excepthook = _report_thread
    if any(isinstance(handler.formatter, LogFormatter) for handler in root.handlers):  # else a host program has its own
        root.setLevel(level)


def _report_crash(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        return
    log.critical("the process ends because of an unexpected error", exc_info=(kind, error, trace))


def _report_thread(found: threading.ExceptHookArgs) -> None:
    name = found.thread.name if found.thread is not None else "unknown"
    error = found.exc_value or found.exc_type()
    log.error("the thread %s has ended with an error", name, exc_info=(found.exc_type, error, found.exc_traceback))


def _shown(line: str) -> str:
    return for_terminal(redact(line))
