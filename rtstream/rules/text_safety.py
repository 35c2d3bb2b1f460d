"""Makes text from a stream safe to store and display: no invisible characters, no control characters, bounded length.

It removes characters that a reader cannot see but a model would read. It does not make the text true or harmless. The
remaining text is still data, never instructions. The set of characters follows the filter of GitHub's MCP server,
extended to whole Unicode categories.
"""

from __future__ import annotations

import unicodedata
from typing import Any

ELLIPSIS = "…"
MAX_DEPTH = 20

# Letters and marks without a visible form: fillers, joiners, blank Braille.
_BLANK = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2065\u2800\u3164\uffa0")
_NEWLINES = str.maketrans({"\r": "\n", "\x0b": "\n", "\x0c": "\n", "\x85": "\n", "\u2028": "\n", "\u2029": "\n"})
_EMOJI_BASE = frozenset("#*0123456789©®‼⁉")


def clean(text: str, limit: int) -> str:
    """Return ``text`` in NFC without invisible characters, at most ``limit`` characters long.

    Newlines, tabs and a variation selector after the symbol it styles remain. Control and format characters
    (zero-width, bidirectional, tags, soft hyphens), surrogates, private use and blank fillers are removed. Truncated
    text ends with ``…``.
    """
    text = text.replace("\r\n", "\n").translate(_NEWLINES)
    if not (text.isascii() and text.replace("\n", "").replace("\t", "").isprintable()):
        text = _strip(text)
        # Composing can join characters that were separate, so strip the result once more.
        text = _strip(unicodedata.normalize("NFC", text))
    if len(text) <= limit:
        return text
    return text[: limit - 1].rstrip() + ELLIPSIS if limit > 0 else ""


def clean_data(value: Any, limit: int, depth: int = MAX_DEPTH) -> Any:
    """Apply ``clean`` to every string and key of a JSON value. Anything nested deeper than ``depth`` becomes ``…``."""
    if isinstance(value, str):
        return clean(value, limit)
    if isinstance(value, dict | list) and depth == 0:
        return ELLIPSIS
    if isinstance(value, dict):
        return {clean(str(key), limit): clean_data(inner, limit, depth - 1) for key, inner in value.items()}
    if isinstance(value, list):
        return [clean_data(inner, limit, depth - 1) for inner in value]
    return value


def _strip(text: str) -> str:
    result: list[str] = []
    for char in text:
        if "\ufe0e" <= char <= "\ufe0f":
            if result and _takes_selector(result[-1]):
                result.append(char)
        elif char in "\n\t" or not _invisible(char):
            result.append(char)
    return "".join(result)


def _takes_selector(base: str) -> bool:
    return base in _EMOJI_BASE or unicodedata.category(base) in ("So", "Sm", "Sk")


def _invisible(char: str) -> bool:
    code = ord(char)
    if code < 0x7F:
        return code < 0x20
    return (
        unicodedata.category(char) in ("Cc", "Cf", "Cs", "Co")
        or char in _BLANK
        or 0x180B <= code <= 0x180F  # Mongolian selectors
        or 0xFE00 <= code <= 0xFE0D  # variation selectors
        or 0xFFF0 <= code <= 0xFFF8  # default ignorable, unassigned
        or 0xE0000 <= code <= 0xE0FFF  # tags, more variation selectors
        or (code & 0xFFFE) == 0xFFFE  # noncharacters
        or 0xFDD0 <= code <= 0xFDEF
    )
