"""Regular expressions with guaranteed linear matching time (RE2).

Patterns come from users and models, and the texts from untrusted streams. With some combinations, Python's own engine
would run for hours.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Protocol

MAX_PATTERN = 500  # characters
MAX_TEXT = 20_000
"""Number of characters that are searched. With ``_MEMORY``, the slowest pattern found took 0.2 s for them."""
_MEMORY = 1 << 17  # bytes that a compiled pattern may occupy
SYNTAX = "Look-ahead, look-behind and back references are not supported (RE2 syntax)."


def check(pattern: str) -> None:
    """Validate a pattern.

    Raises:
        ValueError: The pattern cannot be used. The message is one sentence for the user.
    """
    if not pattern or len(pattern) > MAX_PATTERN:
        raise ValueError(f"A regular expression must have 1 to {MAX_PATTERN} characters.")
    _compiled(pattern)


class _Match(Protocol):
    def start(self) -> int: ...

    def end(self) -> int: ...


class _Pattern(Protocol):
    def search(self, text: str, /) -> _Match | None: ...


def find(pattern: str, text: str) -> str | None:
    """Return the line of ``text`` (verbatim) that contains the first match, or None."""
    text = text[:MAX_TEXT]
    found = _compiled(pattern).search(text)
    if found is None:
        return None
    begin = text.rfind("\n", 0, found.start()) + 1
    end = text.find("\n", found.end())
    return text[begin : end if end >= 0 else len(text)].strip()


@lru_cache(maxsize=256)
def _compiled(pattern: str) -> _Pattern:
    try:
        import re2
    except ImportError:
        raise ValueError("Regular expressions require the package google-re2: pip install google-re2.") from None
    options = re2.Options()
    options.log_errors = False
    options.max_mem = _MEMORY
    try:
        return re2.compile(pattern, options)
    except (re2.error, UnicodeError):
        raise ValueError(f"The regular expression is invalid or not supported. {SYNTAX}") from None
