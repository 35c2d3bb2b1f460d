"""What a search query asks for: words, quoted phrases, prefixes. Any text is a valid query or a clear error.

Nothing of the user's text is ever taken for syntax of the word index: terms are made of letters and digits only.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from rtstream.errors import InvalidRequest

MAX_TERMS = 32
"""Different terms that are looked up; further ones are left out (a query of 10 kB is still answered)."""

_QUOTED = re.compile(r'"([^"]*)"|“([^“”]*)”|„([^„“”]*)[“”]|«([^«»]*)»')
# A word, or several joined by one mark each (INV-4711, report_v2.xlsx, 10:30, don't): looked up as a phrase.
_WORD = re.compile(r"[^\W_]+(?:[-_.:'’@][^\W_]+)*\*?")
_PART = re.compile(r"[^\W_]+")

# English words that say nothing about what is searched. They count only when there is nothing else.
_EMPTY_WORDS = (
    "a about all am an and any anybody anyone anything are as at be been being but by can could did do does done for "
    "from had has have he her here hers him his how i if in into is it its just me my of on one or our out she so "
    "some somebody someone something than that the their them then there these they this those to up us was we were "
    "what when where which while who whom whose why will with would you your"
)
_EMPTY = frozenset(_EMPTY_WORDS.split())


@dataclass(frozen=True)
class Term:
    """Words that stand together; ``prefix``: the last one may go on."""

    words: tuple[str, ...]
    prefix: bool = False

    @property
    def match(self) -> str:
        """The FTS5 expression (SQLite documentation, FTS5 section 3: strings, phrases, prefixes)."""
        return '"' + " ".join(self.words) + '"' + ("*" if self.prefix else "")


@dataclass(frozen=True)
class Query:
    """``terms`` rank; a document must hold every one of ``required`` (the quoted phrases)."""

    text: str
    """The query without its marks, for an embedding."""
    terms: tuple[Term, ...]
    required: tuple[Term, ...]


def parse(text: str) -> Query:
    """Read a query. Raises InvalidRequest when it holds no letter and no digit."""
    required: dict[Term, None] = {}
    for found in _QUOTED.finditer(text):
        words = tuple(_PART.findall("".join(part or "" for part in found.groups()).lower()))
        if words:
            required[Term(words)] = None
    terms: dict[Term, None] = {}
    for word in _WORD.findall(_QUOTED.sub(" ", text).lower()):
        terms[Term(tuple(_PART.findall(word)), word.endswith("*"))] = None
    telling = [term for term in terms if not (len(term.words) == 1 and term.words[0] in _EMPTY)]
    kept = (*required, *(telling or ([] if required else terms)))[:MAX_TERMS]
    if not kept:
        raise InvalidRequest("The query has no word or number to search for. Say in a few words what you look for.")
    plain = re.sub(r'["“”„«»*\s]+', " ", text).strip()
    return Query(plain, kept, tuple(required)[:MAX_TERMS])
