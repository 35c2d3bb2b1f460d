"""Finds a phrase in text read from a screen, ignoring case, spacing, punctuation and single misread letters.

It tolerates exactly the errors that text readers make, so that a different word or number does not match:

- Case, accents, spaces, line breaks and punctuation are ignored, but only whole words match ("art" is not in "start").
- Chinese, Japanese and Thai are written without spaces, so their words are found anywhere, in katakana only as a whole.
- Phrases of up to four letters or digits must match exactly.
- O/0, l/1/I, S/5 and B/8 are interchangeable. No other digit may differ, be missing or be added.
- Each word may contain one misread letter: a look-alike (c/e, u/v, ...) in words of four letters or more. In words of
  six or more, it may also be any letter but the first, a lost or added letter, or rn for m. In total, one in ten
  letters (rounded) may be misread, and at least one.
- Separators inside numbers count: 12.50 is not 1250 (thousands separators do not: 1,250 is 1250).
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

from rapidfuzz.distance import Levenshtein

MAX_TEXT = 50_000  # characters searched
EXACT_BELOW = 5  # letters and digits

_SAME = str.maketrans("0185i", "olbsl")
"""Classic confusions after case folding. One character of each group represents the whole group."""
_DIGIT_LIKE = frozenset("olisb")
_CLOSE = frozenset(("ce", "co", "eo", "uv", "gq", "9g", "9q", "2z", "6b", "bh", "jl", "vy", "hn"))
_ALIKE = _CLOSE | frozenset(
    ("ao", "ae", "as", "nu", "nr", "mn", "hk", "uy", "lt", "fl", "ft", "rt", "fr", "gy", "pq", "6g", "es", "vw")
)
_DIGRAPHS = (("m", "rn"), ("w", "vv"), ("d", "cl"))

_UNSPACED = re.compile(
    r"(?P<han>[々〆\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003134f])|(?P<hiragana>[\u3041-\u309f])|"
    r"(?P<katakana>[\u30a0-\u30ff\u31f0-\u31ff])|(?P<other>[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff])"
)
"""Scripts in which words are not separated: Han, kana, and those of Thai, Lao, Burmese and Khmer."""

_THOUSANDS = re.compile(r"(?<![\d.,'’])\d{1,3}(?:[.,'’]\d{3})+(?!\d)")
_JOINT = "."  # a separator inside a number
_SPACE = " "  # anything else between two numbers


@dataclass(frozen=True)
class PhraseMatch:
    """A phrase that was found.

    Attributes:
        line: The line or lines that contain the phrase, verbatim (untrusted).
        misreads: Number of letters or digits that differ from the phrase.
    """

    line: str
    misreads: int

    @property
    def confidence(self) -> float:
        """0.99 for an exact match, and less for each misread letter."""
        return 0.99 if not self.misreads else max(0.7, 0.95 - 0.05 * (self.misreads - 1))


@dataclass(frozen=True)
class Folded:
    """The letters and digits of a text without case, accents, spaces and punctuation.

    Attributes:
        source: The original text.
        chars: The folded text.
        same: ``chars`` with the classic confusions unified. Both have the same length.
        where: Position in ``source`` of each character.
        edges: For each position 0..len(chars), whether a word or number may begin or end there.
    """

    source: str
    chars: str
    same: str
    where: list[int]
    edges: list[bool]


@lru_cache(maxsize=16)
def fold(text: str) -> Folded:
    """Fold a text for ``find``."""
    text = text[:MAX_TEXT]
    chars: list[str] = []
    where: list[int] = []
    gaps: set[int] = {0}
    grouping = {at for match in _THOUSANDS.finditer(text) for at in range(*match.span()) if not text[at].isdigit()}
    last = -1  # position of the most recent letter or digit in the text
    for at, char in enumerate(text):
        letters = _letters(char)
        if not letters:
            continue
        between = text[last + 1 : at]
        if last >= 0 and between and last + 1 not in grouping:
            mark = _separator(text[last], between, char)
            chars.extend(mark)
            where.extend([last + 1] * len(mark))
            if mark != _JOINT and not (between in ("'", "’") and text[last].isalpha()):
                gaps |= {len(chars) - len(mark), len(chars)}
        elif last >= 0 and text[last].islower() and char.isupper():
            gaps.add(len(chars))
        chars.extend(letters)
        where.extend([at] * len(letters))
        last = at
    folded = "".join(chars)
    gaps.add(len(folded))
    return Folded(text, folded, folded.translate(_SAME), where, _edges(folded, gaps))


def find(phrase: str, text: Folded) -> PhraseMatch | None:
    """Return the best match of ``phrase`` in ``text``.

    Returns:
        None if the phrase is not found, or contains no letter and no digit.
    """
    best: tuple[int, int, int] | None = None
    for needle in _needles(phrase):
        size = len(needle.chars)
        slack = needle.budget
        for start in range(len(text.chars)):
            if not text.edges[start] or text.chars[start] == _SPACE:
                continue
            for end in range(start + max(1, size - slack), min(start + size + slack, len(text.chars)) + 1):
                misreads = _compare(needle, text, start, end) if text.edges[end] else None
                if misreads is not None and (best is None or misreads < best[0]):
                    best = (misreads, start, end)
        if best and best[0] == 0:
            break
    if best is None:
        return None
    misreads, start, end = best
    return PhraseMatch(_lines(text, start, end), misreads)


@dataclass(frozen=True)
class _Needle:
    """A phrase, or a variant of it, prepared for comparison.

    Attributes:
        chars: The folded phrase.
        same: ``chars`` with the classic confusions unified.
        word: The word number of each character. Words end at spaces and between letters and digits.
        place: For each character, its position in its word and the word's length.
        budget: Allowed number of misread letters besides classic confusions.
        spent: Misreads that this variant of the phrase already accounts for.
    """

    chars: str
    same: str
    word: list[int]
    place: list[tuple[int, int]]
    budget: int
    spent: int = 0

    @property
    def exact(self) -> bool:
        """Whether the phrase is too short to tolerate a misread."""
        return sum(char.isalnum() for char in self.chars) < EXACT_BELOW


@lru_cache(maxsize=256)
def _needles(phrase: str) -> tuple[_Needle, ...]:
    """Return the phrase and those variants of it that need a separate search."""
    folded = fold(phrase)
    size = sum(char.isalnum() for char in folded.chars)
    if not size:
        return ()
    word: list[int] = []
    for i, char in enumerate(folded.chars):
        before = folded.chars[i - 1]
        edge = folded.edges[i] and not (_script(char) and _script(char) == _script(before))
        begins = i > 0 and (edge or char.isdigit() != before.isdigit())
        word.append(word[-1] + begins if word else 0)
    budget = 0 if size < EXACT_BELOW else min(3, max(1, (size + 5) // 10))
    needles = [_needle(folded.chars, word, budget)]
    if _SPACE in folded.chars:
        # The spaces inside a number may be missing or be other separators: 0800 123, 0800123, 0800-123.
        dense = [i for i, char in enumerate(folded.chars) if char != _SPACE]
        needles.append(_needle("".join(folded.chars[i] for i in dense), [word[i] for i in dense], budget))
        needles.append(_needle(folded.chars.replace(_SPACE, _JOINT), word, budget))
    if budget:
        needles += _digraph_variants(needles[0])
    return tuple(needles)


def _needle(chars: str, word: list[int], budget: int, spent: int = 0) -> _Needle:
    place = [(i - word.index(own), word.count(own)) for i, own in enumerate(word)]
    return _Needle(chars, chars.translate(_SAME), word, place, budget, spent)


def _digraph_variants(needle: _Needle) -> list[_Needle]:
    """Return variants of the phrase with one digraph misread, such as m as rn, in words of six letters or more."""
    variants = []
    for one, two in _DIGRAPHS:
        for old, new in ((one, two), (two, one)):
            for match in re.finditer(old, needle.chars):
                at, end = match.span()
                own = needle.word[at]
                if needle.place[at][1] >= 6 and needle.word[end - 1] == own:
                    chars = needle.chars[:at] + new + needle.chars[end:]
                    word = needle.word[:at] + [own] * len(new) + needle.word[end:]
                    variants.append(_needle(chars, word, 0, 1))
    return variants


def _compare(needle: _Needle, text: Folded, start: int, end: int) -> int | None:
    """Return the number of misreads if ``text[start:end]`` may be the phrase, else None."""
    window = text.chars[start:end]
    if window == needle.chars:
        return needle.spent
    if needle.exact:
        return None
    same = text.same[start:end]
    if same == needle.same:
        confused = _confusions(needle, window)
        return None if confused is None else needle.spent + confused
    budget = needle.budget
    if not budget or Levenshtein.distance(needle.same, same, score_cutoff=budget) > budget:
        return None
    spoilt: set[int] = set()
    confused = 0
    for op in Levenshtein.opcodes(needle.same, same):
        old, new = range(op.src_start, op.src_end), range(op.dest_start, op.dest_end)
        if op.tag == "equal":
            part = _confusions(needle, window[new.start : new.stop], old.start)
            if part is None:
                return None
            confused += part
            continue
        if op.tag == "insert":
            old = [old.start] * len(new)
        for n, at in enumerate(old):
            letter = window[new[n]] if op.tag != "delete" else ""
            if at >= len(needle.word) or needle.word[at] in spoilt or not _misread(needle, at, letter, op.tag):
                return None
            spoilt.add(needle.word[at])
    return len(spoilt) + confused


def _confusions(needle: _Needle, window: str, offset: int = 0) -> int | None:
    """Count the characters of ``window`` that are confused with the phrase's characters from ``offset``.

    Returns:
        None if the confusion is implausible.
    """
    differ = [offset + n for n, char in enumerate(window) if char != needle.chars[offset + n]]
    for at in differ:
        size = needle.place[at][1]
        old, new = needle.chars[at], window[at - offset]
        if size == 1 and {old, new} & set("85"):
            return None  # gate B is not gate 8
        if old.isdigit() and size > 1:
            first = at - needle.place[at][0]
            read = window[max(0, first - offset) : first - offset + size]
            if not any(char.isdigit() for char in read):
                return None  # at least one digit of the number must be read as a digit
    return len(differ)


def _misread(needle: _Needle, at: int, new: str, op: str) -> bool:
    old = needle.chars[at]
    position, size = needle.place[at]
    if not old.isalpha() or (new and not new.isalnum()):
        return False
    if op == "replace":
        pair = "".join(sorted((needle.same[at], new.translate(_SAME))))
        if size >= 4 and (pair in _CLOSE or (size >= 5 and pair in _ALIKE)):
            return True
        return size >= 6 and position > 0 and new.isalpha()
    return size >= 6 and 0 < position < size - (op == "delete") and (not new or new.isalpha())


def _letters(char: str) -> str:
    if char.isascii():
        return char.lower() if char.isalnum() else ""
    if not char.isalnum():
        return ""
    folded = unicodedata.normalize("NFKD", char.casefold())
    return "".join(c for c in folded if c.isalnum())


def _separator(before: str, between: str, after: str) -> str:
    """Return the folded form of the text between two characters, which is empty unless both are digits."""
    if not (before.isdigit() and after.isdigit()):
        return ""
    return _JOINT if len(between) == 1 and between in ".,:/-'’_–" else _SPACE


def _edges(chars: str, gaps: set[int]) -> list[bool]:
    edges = [i in gaps for i in range(len(chars) + 1)]
    for i in range(1, len(chars)):
        left, right = chars[i - 1], chars[i]
        if edges[i] or _JOINT in (left, right):
            continue
        if (before := _script(left)) or _script(right):
            # A word in katakana is one run, because foreign words contain each other: アイ is not in アイテム.
            edges[i] = before != _script(right) or before != "katakana"
            continue
        # Letters that touch a number end it, unless they may be misread digits of the number.
        if left.isdigit() and right.isalpha():
            edges[i] = right not in _DIGIT_LIKE
        elif left.isalpha() and right.isdigit():
            edges[i] = left not in _DIGIT_LIKE or (i > 1 and chars[i - 2].isalpha() and i - 1 not in gaps)
    return edges


def _script(char: str) -> str | None:
    """Return the name of a script without spaces, or None for any other character."""
    found = None if char.isascii() else _UNSPACED.match(char)
    return None if found is None else found.lastgroup


def is_unspaced(text: str) -> bool:
    """Return whether a text has characters of a script in which words are not separated."""
    return any(_script(char) for char in text)


def _lines(text: Folded, start: int, end: int) -> str:
    first, last = text.where[start], text.where[end - 1]
    begin = text.source.rfind("\n", 0, first) + 1
    finish = text.source.find("\n", last)
    return text.source[begin : finish if finish >= 0 else len(text.source)].strip()
