"""Parses a search query into words, quoted phrases and prefixes.

Any text is either a valid query or a clear error. User text is never interpreted as syntax of the word index, because
terms consist of letters and digits only.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from rtstream.errors import InvalidRequest
from rtstream.rules.text_folding import fold, is_mark

MAX_TERMS = 32
"""Distinct terms that are looked up. Further terms are ignored, so that a query of 10 kB still works."""

_QUOTED = re.compile(r'"([^"]*)"|“([^“”]*)”|„([^„“”]*)[“”]|«([^«»]*)»')
# A word, or several words joined by single marks (INV-4711, report_v2.xlsx, 10:30, don't), looked up as a phrase.
_WORD = re.compile(r"[^\W_]+(?:[-_.:'’@][^\W_]+)*\*?")
_PART = re.compile(r"[^\W_]+")

# English words that carry no meaning in a search. They count only if the query contains nothing else.
_EMPTY_WORDS = (
    "a about all am an and any anybody anyone anything are as at be been being but by can could did do does done for "
    "from had has have he her here hers him his how i if in into is it its just me my of on one or our out she so "
    "some somebody someone something than that the their them then there these they this those to up us was we were "
    "what when where which while who whom whose why will with would you your"
)
_EMPTY = frozenset(_EMPTY_WORDS.split())


@dataclass(frozen=True)
class Term:
    """Words that must be adjacent. With ``prefix``, the last one may continue."""

    words: tuple[str, ...]
    prefix: bool = False

    @property
    def match(self) -> str:
        """The FTS5 expression (SQLite documentation, FTS5 section 3: strings, phrases, prefixes)."""
        return '"' + " ".join(self.words) + '"' + ("*" if self.prefix else "")


@dataclass(frozen=True)
class Query:
    """A parsed query. ``terms`` determine the rank, and a hit must contain every phrase in ``required``."""

    text: str
    """The query without quotation marks and asterisks, for an embedding."""
    terms: tuple[Term, ...]
    required: tuple[Term, ...]


def parse(text: str) -> Query:
    """Parse a query.

    Raises:
        InvalidRequest: The query contains no letter and no digit.
    """
    required: dict[Term, None] = {}
    for found in _QUOTED.finditer(text):
        words = tuple(_PART.findall(fold("".join(part or "" for part in found.groups()))))
        if words:
            required[Term(words)] = None
    terms: dict[Term, None] = {}
    for word in _WORD.findall(_join_marks(fold(_QUOTED.sub(" ", text)))):
        terms[Term(tuple(_PART.findall(word)), word.endswith("*"))] = None
    significant = [term for term in terms if not (len(term.words) == 1 and term.words[0] in _EMPTY)]
    selected = (*required, *(significant or ([] if required else terms)))[:MAX_TERMS]
    if not selected:
        raise InvalidRequest(
            "The query has no word or number to search for. Describe what you look for in a few words."
        )
    plain = re.sub(r'["“”„«»*\s]+', " ", text).strip()
    return Query(plain, selected, tuple(required)[:MAX_TERMS])


def _join_marks(text: str) -> str:
    """Write combining marks as joining marks, because the word index splits words at them."""
    return text if text.isascii() else re.sub("'+", "'", "".join("'" if is_mark(char) else char for char in text))
