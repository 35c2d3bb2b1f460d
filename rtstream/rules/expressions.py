"""Regular expressions that cannot hang: RE2 matches in time that grows with the text only, whatever the pattern.

Patterns come from users and models, texts from strangers; Python's own engine can take hours for some pairs of them.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

MAX_PATTERN = 500  # characters
MAX_TEXT = 20_000
"""Characters that are searched. With ``_MEMORY`` the worst pattern found took 0.2 s for them."""
_MEMORY = 1 << 17  # bytes a compiled pattern may take
SYNTAX = "Look-ahead, look-behind and back references are not supported (RE2 syntax)."


def check(pattern: str) -> None:
    """Raise ValueError with one sentence when the pattern cannot be used."""
    if not pattern or len(pattern) > MAX_PATTERN:
        raise ValueError(f"A regular expression has 1 to {MAX_PATTERN} characters.")
    _compiled(pattern)


def find(pattern: str, text: str) -> str | None:
    """The line of ``text`` (verbatim) in which the pattern is found first, or None. Lines end at newlines."""
    text = text[:MAX_TEXT]
    found = _compiled(pattern).search(text)
    if found is None:
        return None
    begin = text.rfind("\n", 0, found.start()) + 1
    end = text.find("\n", found.end())
    return text[begin : end if end >= 0 else len(text)].strip()


@lru_cache(maxsize=256)
def _compiled(pattern: str) -> Any:
    try:
        import re2
    except ImportError:
        raise ValueError("Regular expressions need the package google-re2: pip install google-re2.") from None
    options = re2.Options()
    options.log_errors = False
    options.max_mem = _MEMORY
    try:
        return re2.compile(pattern, options)
    except (re2.error, UnicodeError):
        raise ValueError(f"That is no regular expression that can be used here. {SYNTAX}") from None
