"""Reads English number words as numbers, so that "seven" and "7" are the same in speech.

Numbers are digit strings. Words that follow each other without forming one number stay apart: "forty seven eleven"
is 47 and 11, which ``speech_text`` joins to find 4711.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

_SMALL = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
_SMALL += ("thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen")
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_ONES = {word: value for value, word in enumerate(_SMALL)}
_VALUES = _ONES | {word: 10 * tens for tens, word in enumerate(_TENS, 2)}
_SCALES = {"thousand": 1000, "million": 10**6, "billion": 10**9}
_REPEATS = {"double": 2, "triple": 3}
_ORDINALS = {f"{number}": f"{word}th" for number, word in enumerate(_SMALL) if number > 3}
_ORDINALS |= {f"{10 * tens}": f"{word[:-1]}ieth" for tens, word in enumerate(_TENS, 2)}
_ORDINALS |= {"1": "first", "2": "second", "3": "third", "5": "fifth", "8": "eighth", "9": "ninth", "12": "twelfth"}
_ORDINAL = re.compile(r"(\d{1,2})(?:st|nd|rd|th)")
_NUMBER = re.compile(r"\d+(?:\.\d+)?")


@dataclass(frozen=True)
class SpokenToken:
    """A word or number of speech.

    Attributes:
        text: The folded word, or the digits of a number.
        start: Position of its first character in the source.
        end: Position after its last character.
    """

    text: str
    start: int
    end: int

    @property
    def is_number(self) -> bool:
        """Whether it is a number."""
        return self.text[0].isdigit()


def read_numbers(tokens: Sequence[SpokenToken]) -> list[SpokenToken]:
    """Return the tokens with number words as digits, and ordinal digits ("2nd") as words."""
    words = [part for token in tokens for part in _ordinal(token)]
    found: list[SpokenToken] = []
    at = 0
    while at < len(words):
        text, stop = _number(words, at)
        if stop == at:
            found.append(words[at])
            at += 1
        else:
            found.append(SpokenToken(text, words[at].start, words[stop - 1].end))
            at = stop
    return found


def _ordinal(token: SpokenToken) -> list[SpokenToken]:
    found = _ORDINAL.fullmatch(token.text)
    if found is None:
        return [token]
    number = int(found[1])
    if f"{number}" in _ORDINALS:
        words = [_ORDINALS[f"{number}"]]
    elif number > 20:
        words = [_TENS[number // 10 - 2], _ORDINALS[f"{number % 10}"]]
    else:
        return [token]
    return [SpokenToken(word, token.start, token.end) for word in words]


def _number(words: Sequence[SpokenToken], at: int) -> tuple[str, int]:
    """Return the number that begins at a position, and the position after it, which is the same if there is none."""
    first = words[at].text
    if first in ("oh", "o"):  # a zero between digits: "two oh seven"
        return ("0", at + 1) if _is_digit(words, at - 1) and _is_digit(words, at + 1) else ("", at)
    if first in _REPEATS and _is_digit(words, at + 1):
        return f"{_ONES[words[at + 1].text]}" * _REPEATS[first], at + 2
    value, stop = _whole(words, at)
    if stop == at:
        return "", at
    if stop + 1 < len(words) and words[stop].text == "point" and _is_digit(words, stop + 1):
        digits, stop = "", stop + 1
        while _is_digit(words, stop):
            digits += _digit(words[stop].text)
            stop += 1
        return f"{value}.{digits}", stop
    return value, stop


def _whole(words: Sequence[SpokenToken], at: int) -> tuple[str, int]:
    """Return the whole number that begins at a position, such as "two thousand three hundred and five"."""
    total, part, stop = 0, None, at
    if words[at].text == "a" and at + 1 < len(words) and words[at + 1].text in ("hundred", *_SCALES):
        part, stop = 1, at + 1
    size = 10**12  # of the last scale; a smaller one has to follow
    while stop < len(words):
        text = words[stop].text
        value = int(text) if text.isdigit() and len(text) <= 9 else _VALUES.get(text)
        if value is not None and value < size and (part is None or _continues(part, value, words[stop - 1].text)):
            if part is not None and text.isdigit() and words[stop - 1].text.isdigit():
                break
            part = (part or 0) + value
        elif text == "hundred" and part is not None and 0 < part < 100:
            part *= 100
        elif text in _SCALES and part and _SCALES[text] < size:
            size = _SCALES[text]
            total, part = total + part * size, None
        elif not (text == "and" and words[stop - 1].text in ("hundred", *_SCALES) and _is_small(words, stop + 1)):
            break
        stop += 1
    if stop == at:
        return (words[at].text, at + 1) if _NUMBER.fullmatch(words[at].text) else ("", at)
    if total == 0 and part is not None and stop == at + 1 and words[at].text.isdigit():
        return words[at].text, stop  # leading zeros count
    return f"{total + (part or 0)}", stop


def _continues(part: int, value: int, before: str) -> bool:
    """Return whether a value belongs to the number before it: "forty" and "seven", "hundred" and "five"."""
    if before in ("hundred", "and"):
        return part % 100 == 0 and 0 < value < 100
    return before in _TENS and 0 < value < 10


def _is_small(words: Sequence[SpokenToken], at: int) -> bool:
    return at < len(words) and (words[at].text in _VALUES or words[at].text.isdigit())


def _is_digit(words: Sequence[SpokenToken], at: int) -> bool:
    return 0 <= at < len(words) and (_digit(words[at].text) != "")


def _digit(text: str) -> str:
    if text in ("oh", "o"):
        return "0"
    if text in _ONES and _ONES[text] < 10:
        return f"{_ONES[text]}"
    return text if text.isdigit() and len(text) == 1 else ""
