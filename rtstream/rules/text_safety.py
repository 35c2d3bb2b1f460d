"""Makes text from a stream safe to store and display: no invisible or control characters, bounded, no live Markdown.

It removes characters that a reader cannot see but a model would read. It does not make the text true or harmless. The
remaining text is still data, never instructions. The set of characters follows the filter of GitHub's MCP server,
extended to whole Unicode categories.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection
from typing import Any

ELLIPSIS = "…"
MAX_DEPTH = 20

# Letters and marks without a visible form: fillers, joiners, blank Braille.
_BLANK = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2065\u2800\u3164\uffa0")
_NEWLINES = str.maketrans({"\r": "\n", "\x0b": "\n", "\x0c": "\n", "\x85": "\n", "\u2028": "\n", "\u2029": "\n"})
_EMOJI_BASE = frozenset("#*0123456789©®‼⁉")

# The parts of Markdown and HTML that make a client load or link something, each with an optional escape in it, because
# some clients render text twice. The first alternative exempts the host of a media URL, which no client links.
_ACTIVE = re.compile(
    r"""
    (?P<media> (?:rtsps?|rtmps?|srt|tcp|udp|rtstream)://(?:\*++@)?+(?:(?!_www\\*\.)[\w.-])*+(?!\\*:[\\/]) )
  | (?P<scheme> (?:https?|ftps?|wss?|file)\\*:[\\/]+ )
  | (?P<slashes> (?<![:\w/])\\*/\\*/(?=[\w\[]) )    # //host takes the scheme of the page
  | (?P<host> (?<![^\W_])www\\*\.(?=\S) )
  | (?P<domain> (?<=\w|[^\x00-\x7f\s]) \\*\.
        (?=\\*(?:(?:[a-z]|[^\x00-\x7f\s]){2,24}|xn--[\w-]{1,60})\\*(?:[/?\#]|:\\*\d)) )
  | (?P<email> (?<=[\w.+\\-])@(?=[\w-]+\\*\.\w) )
  | (?P<bracket> \](?=[\\\s]*[(\[:]) )           # [text](link), [text][label], [label]: link
  | (?P<angle> <(?=[a-z/!?@\#\\]) )             # HTML, comments, <http://host>, mentions
  | (?P<entity> &(?=\#?\w{1,40};) )
    """,
    re.VERBOSE | re.IGNORECASE,
)
_PLAIN_URL = re.compile(r"https?://[\w.:\[\]-]+/[\w./?=&%~+:,;-]*", re.ASCII)
_INERT = str.maketrans({"/": "∕", "\\": "∕", ".": "․", "@": "＠", "]": "］", "<": "‹", "&": "＆"})


def clean(text: str, limit: int) -> str:
    """Return ``text`` in NFC without invisible characters, at most ``limit`` characters long.

    Newlines, tabs and a variation selector after the symbol it styles remain. Control and format characters
    (zero-width, bidirectional, tags, soft hyphens), surrogates, private use and blank fillers are removed. Truncated
    text ends with ``…``.
    """
    text = text.replace("\r\n", "\n").translate(_NEWLINES)
    if not _plain(text):
        text = _strip(text)
        # Composing can join characters that were separate, so strip the result once more.
        text = _strip(unicodedata.normalize("NFC", text))
    if len(text) <= limit:
        return text
    return text[: limit - 1].rstrip() + ELLIPSIS if limit > 0 else ""


# Any: a JSON value, which keeps its shape.
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


def neutralise_markdown(text: str) -> str:
    """Return ``text`` without anything that a client which renders Markdown would load or show as a link.

    That covers images, links, reference definitions, autolinks, bare web URLs and e-mail addresses, HTML, comments and
    entities, even if they are escaped or contain invisible characters. One character of each is replaced by one that
    looks alike, so that the text stays readable and as long as before. Other text is returned unchanged, as are media
    URLs such as ``rtsp://host/path`` and names of hosts without a path.
    """
    if not _plain(text):
        text = _strip(text)
    return _ACTIVE.sub(lambda match: match[0] if match["media"] else match[0].translate(_INERT), text)


# Any: a JSON value, which keeps its shape.
def neutralise_data(value: Any, links: Collection[str] = (), free: Collection[str] = (), depth: int = MAX_DEPTH) -> Any:
    """Apply ``neutralise_markdown`` to every string and key of a JSON value.

    Args:
        value: Any JSON value. Whatever is nested deeper than ``depth`` becomes ``…``.
        links: Keys whose values are links of our own. They are returned unchanged if they are plain web URLs.
        free: Keys below which others chose the keys as well, so that ``links`` does not apply there.
        depth: Levels of nesting that are left.
    """
    if isinstance(value, str):
        return neutralise_markdown(value)
    if isinstance(value, dict | list) and depth == 0:
        return ELLIPSIS
    if isinstance(value, dict):
        return {
            neutralise_markdown(str(key)): inner
            if key in links and isinstance(inner, str) and _PLAIN_URL.fullmatch(inner)
            else neutralise_data(inner, () if key in free else links, free, depth - 1)
            for key, inner in value.items()
        }
    if isinstance(value, list):
        return [neutralise_data(inner, links, free, depth - 1) for inner in value]
    return value


def for_terminal(text: str) -> str:
    """Return one line of ``text`` whose control and format characters, newlines included, are visible escapes.

    A terminal obeys sequences that begin with such a character: they move the cursor, change its title, fill the
    clipboard or hide text. Everything else is returned unchanged.
    """
    if _plain(text) and "\n" not in text:
        return text
    return "".join(_escape(char) if char != "\t" and _controls(char) else char for char in text)


def _controls(char: str) -> bool:
    return unicodedata.category(char) in ("Cc", "Cf", "Cs", "Co", "Zl", "Zp") or _invisible(char)


def _escape(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")


def _plain(text: str) -> bool:
    """Whether no character of ``text`` needs a closer look: visible ASCII, newlines and tabs."""
    return text.isascii() and text.replace("\n", "").replace("\t", "").isprintable()


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
