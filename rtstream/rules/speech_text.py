"""Finds a phrase in the text of a transcript, which a recogniser wrote as it heard it.

It tolerates what a recogniser decides freely, and no more:

- Case, accents, punctuation, hyphens and a possessive 's are ignored, and only whole words match ("art" is not in
  "start").
- Number words are numbers, however they are grouped: "seven" is 7, and "forty seven eleven" is 4711.
- Spaces inside at least six letters are ignored: "data base" is "database".
- With ``sounds``, a word of at least six letters may also be its plural or singular, or a near miss by sound: "cooper
  netties" is "Kubernetes". Shorter words and numbers must be the same.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from rtstream.rules.numerals import SpokenToken, read_numbers
from rtstream.rules.sounds import Sounds
from rtstream.rules.text_folding import fold

MAX_TEXT = 20_000  # characters searched
NEAR_LETTERS = 6
"""Letters of a word from which on a near miss by sound is accepted, and spaces are ignored."""
MAX_HEARD = 4
"""Words that one word may be heard as."""
EXACT_CONFIDENCE = 0.99
PLURAL_DISTANCE = 0.02
_TOKEN = re.compile(r"\d+(?:[.,]\d+)*|[^\W\d_]+(?:['’][^\W\d_]+)*|[%&$€£]")
_THOUSANDS = re.compile(r"\d{1,3}(?:,\d{3})+")
_SIGNS = {"%": "percent", "&": "and", "$": "dollars", "€": "euros", "£": "pounds"}
_ORDINAL_END = re.compile(r"(?:st|nd|rd|th)\b", re.I)


@dataclass(frozen=True)
class SpokenMatch:
    """A phrase that was found.

    Attributes:
        start: Position of its first character in the text.
        end: Position after its last character.
        heard: The text that stands for the phrase, verbatim (untrusted).
        distance: Distance by sound, from 0 for the phrase itself.
    """

    start: int
    end: int
    heard: str
    distance: float

    @property
    def confidence(self) -> float:
        """0.99 for the phrase itself, and less for a near miss by sound."""
        return EXACT_CONFIDENCE if not self.distance else round(max(0.6, 0.9 - self.distance), 2)


def find(phrase: str, text: str, sounds: Sounds | None = None, *, after: int = 0) -> SpokenMatch | None:
    """Return the best match of ``phrase`` in ``text``.

    Args:
        phrase: The phrase.
        text: The text of a transcript.
        sounds: Compares words by their sound. Without it, near misses are not accepted.
        after: Position in the text that the match must extend beyond.

    Returns:
        None if the phrase is not found, or contains no letter and no digit.
    """
    tokens = tokenise(text[:MAX_TEXT])
    best: SpokenMatch | None = None
    for first in range(len(tokens)):
        match = match_at(phrase, text, tokens, first, sounds, after=after)
        if match is not None and (best is None or match.distance < best.distance):
            best = match
        if best is not None and not best.distance:
            break
    return best


def match_at(
    phrase: str, text: str, tokens: Sequence[SpokenToken], first: int, sounds: Sounds | None, *, after: int = 0
) -> SpokenMatch | None:
    """Return the best match of ``phrase`` that begins at the token ``first`` of ``text``; see ``find``."""
    wanted = phrase_tokens(phrase)
    best: SpokenMatch | None = None
    for stop, distance in _ends(wanted, 0, tokens, first, sounds) if wanted else ():
        start = min(token.start for token in tokens[first:stop])
        end = max(token.end for token in tokens[first:stop])
        if end > after and (best is None or distance < best.distance):
            best = SpokenMatch(start, end, text[start:end], distance)
    return best


@lru_cache(maxsize=256)
def phrase_tokens(phrase: str) -> tuple[SpokenToken, ...]:
    """Return the words and numbers of a phrase."""
    return tuple(tokenise(phrase))


def tokenise(text: str) -> list[SpokenToken]:
    """Return the folded words of a text and its numbers, with their positions."""
    tokens: list[SpokenToken] = []
    at = 0
    while (found := _TOKEN.search(text, at)) is not None:
        start, at = found.span()
        word = found[0]
        if word[0].isdigit():
            ordinal = _ORDINAL_END.match(text, at)
            if ordinal is not None:
                at = ordinal.end()
                tokens.append(SpokenToken(f"{word}{ordinal[0].lower()}", start, at))
            else:
                tokens += _digits(word, start)
        elif word in _SIGNS:
            tokens.append(SpokenToken(_SIGNS[word], start, at))
        elif folded := _folded(word):
            tokens.append(SpokenToken(folded, start, at))
    return read_numbers(_named_amounts(tokens))


def _folded(word: str) -> str:
    plain = fold(word).replace("’", "'")
    return plain.removesuffix("'s").replace("'", "")


def _digits(word: str, start: int) -> list[SpokenToken]:
    """Return the number in a run of digits and separators, or its parts if that is not one: 1,250 is 1250."""
    if _THOUSANDS.fullmatch(word):
        return [SpokenToken(word.replace(",", ""), start, start + len(word))]
    if re.fullmatch(r"\d+[.,]\d+", word):
        return [SpokenToken(word.replace(",", "."), start, start + len(word))]
    return [SpokenToken(part[0], start + part.start(), start + part.end()) for part in re.finditer(r"\d+", word)]


def _named_amounts(tokens: Sequence[SpokenToken]) -> list[SpokenToken]:
    """Return the tokens with the sign of a currency behind its amount, as it is spoken."""
    found = list(tokens)
    for at in range(len(found) - 1):
        sign, amount = found[at], found[at + 1]
        if sign.end - sign.start == 1 and sign.text in ("dollars", "euros", "pounds") and amount.is_number:
            found[at], found[at + 1] = amount, sign
    return found


def _ends(
    wanted: Sequence[SpokenToken], at: int, tokens: Sequence[SpokenToken], first: int, sounds: Sounds | None
) -> list[tuple[int, float]]:
    """Return where the rest of a phrase may end that begins at the token ``first``, each with its distance."""
    if at == len(wanted):
        return [(first, 0.0)]
    if first >= len(tokens):
        return []
    found: list[tuple[int, float]] = []
    for next_at, stop, distance in _steps(wanted, at, tokens, first, sounds):
        found += [(end, distance + more) for end, more in _ends(wanted, next_at, tokens, stop, sounds)]
    return found


def _steps(
    wanted: Sequence[SpokenToken], at: int, tokens: Sequence[SpokenToken], first: int, sounds: Sounds | None
) -> list[tuple[int, int, float]]:
    """Return the ways to match the next words of a phrase: the position in it after that, in the text, the distance."""
    if wanted[at].is_number:
        return _numbers(wanted, at, tokens, first)
    if tokens[first].text == wanted[at].text:
        return [(at + 1, first + 1, 0.0)]
    joined = _joined(wanted, at, tokens, first)
    if joined or sounds is None or len(wanted[at].text) < NEAR_LETTERS:
        return joined
    if is_plural(wanted[at].text, tokens[first].text):
        return [(at + 1, first + 1, PLURAL_DISTANCE)]
    return _near(wanted[at].text, at, tokens, first, sounds)


def is_plural(one: str, other: str) -> bool:
    """Return whether one of two folded words is the regular plural of the other."""
    short, long = sorted((one, other), key=len)
    return long in (f"{short}s", f"{short}es") or (short.endswith("y") and long == f"{short[:-1]}ies")


def _numbers(
    wanted: Sequence[SpokenToken], at: int, tokens: Sequence[SpokenToken], first: int
) -> list[tuple[int, int, float]]:
    """Match a run of numbers with one that has the same digits, whatever their grouping."""
    stop = at
    while stop < len(wanted) and wanted[stop].is_number:
        stop += 1
    digits = "".join(token.text for token in wanted[at:stop])
    heard, end = "", first
    while end < len(tokens) and tokens[end].is_number and len(heard) < len(digits):
        heard += tokens[end].text
        end += 1
    return [(stop, end, 0.0)] if heard == digits else []


def _joined(
    wanted: Sequence[SpokenToken], at: int, tokens: Sequence[SpokenToken], first: int
) -> list[tuple[int, int, float]]:
    """Match words that are written with other spaces."""
    left, right, i, j = wanted[at].text, tokens[first].text, at + 1, first + 1
    while left != right:
        if len(left) < len(right) and i < len(wanted) and not wanted[i].is_number and right.startswith(left):
            left, i = left + wanted[i].text, i + 1
        elif len(right) < len(left) and j < len(tokens) and not tokens[j].is_number and left.startswith(right):
            right, j = right + tokens[j].text, j + 1
        else:
            return []
    return [(i, j, 0.0)] if len(left) >= NEAR_LETTERS else []


def _near(
    word: str, at: int, tokens: Sequence[SpokenToken], first: int, sounds: Sounds
) -> list[tuple[int, int, float]]:
    """Match a word with up to ``MAX_HEARD`` words that sound like it."""
    found: list[tuple[int, int, float]] = []
    for stop in range(first + 1, min(first + MAX_HEARD, len(tokens)) + 1):
        heard = [token.text for token in tokens[first:stop]]
        if sum(map(len, heard)) > 2 * len(word):
            break
        distance = sounds.near_miss(word, heard)
        if distance is not None:
            found.append((at + 1, stop, distance))
    return found
