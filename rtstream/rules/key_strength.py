"""The strength of a key that other machines may try to guess."""

from __future__ import annotations

import math
import re

MIN_KEY = 24
"""Characters of a key that other machines may try."""
MIN_BITS = 50.0
"""Estimated entropy of such a key."""
MAX_REPEATED_BITS = 8.0
"""Entropy of all characters together that repeat or continue earlier ones."""
HOW_TO_MAKE_A_KEY = 'Make one with python -c "import secrets; print(secrets.token_urlsafe(32))"'


def weakness(key: str) -> str:
    """Return the reason against a key that other machines may try, as the end of a sentence; empty for a strong key."""
    if len(key) < MIN_KEY:
        return f"has {len(key)} characters, at least {MIN_KEY} are needed"
    if entropy_bits(key) < MIN_BITS:
        return "is easy to guess: it repeats itself, follows a pattern or consists of words"
    return ""


_ROWS = ("qwertyuiopasdfghjklzxcvbnm", "qwertzuiop", "azertyuiop", "asdfghjkl", "zxcvbnm", "yxcvbnm", "1234567890")
_LEET = str.maketrans("013457@$!", "oieastasi")
_COMMON = re.compile(
    "password|super|very|apikey|api|passwort|passwd|changeme|secret|letmein|welcome|default|example|sample|admin|root"
    "|user|guest|login|master"
    "|access|token|key|rtstream|stream|camera|server|engine|video|home|test|demo|local|lab|prod|private|public"
)
_WORDS = re.compile("[a-z]{4,}|[A-Z]{4,}|[A-Z][a-z]{3,}")
_TEXT = re.compile("[A-Za-z]+")
_SEPARATORS = re.compile("[-_. ,:/]")


def entropy_bits(key: str) -> float:
    """A low estimate of the entropy of a key in bits.

    A character that repeats an earlier passage, continues a sequence (aaa, abc, 987, qwerty) or belongs to a common
    word adds little; a letter of something that reads like words adds 2.5 bits, any other character the logarithm of
    the alphabet in use.
    """
    lower = key.lower()
    bits = [math.log2(_alphabet(key))] * len(key)
    for match in (_TEXT if _is_text(key) else _WORDS).finditer(key):
        if _reads_like_words(match[0].lower()):
            _cap(bits, match.start(), match.end(), 2.5)
    for match in _SEPARATORS.finditer(key):
        _cap(bits, match.start(), match.end(), 1.0)
    for text in (lower, lower.translate(_LEET)):
        for match in _COMMON.finditer(text):
            _cap(bits, match.start(), match.end(), 1.0)
    repeated = [position for position in range(1, len(lower)) if _continues(lower, position)]
    for position in repeated:
        bits[position] = min(bits[position], 0.3)
    # However long a pattern is repeated, guessing the number of times is easy.
    easy = sum(bits[position] for position in repeated)
    total = sum(bits) - easy + min(easy, MAX_REPEATED_BITS)
    distinct = len(set(lower))
    return min(total, len(key) * math.log2(distinct)) if distinct > 1 else 0.0


def _alphabet(key: str) -> int:
    sizes = {r"[0-9]": 10, r"[a-f]": 6, r"[g-z]": 20, r"[A-F]": 6, r"[G-Z]": 20, r"[^0-9A-Za-z]": 16}
    return sum(size for pattern, size in sizes.items() if re.search(pattern, key)) or 1


def _cap(bits: list[float], start: int, end: int, most: float) -> None:
    for position in range(start, end):
        bits[position] = min(bits[position], most)


def _is_text(key: str) -> bool:
    """The key is made of words: few digits, and letters that change case at the beginning of words only."""
    words = re.findall("[A-Z]?[a-z]+|[A-Z]+", key)
    letters = sum(map(len, words))
    return letters >= len(key) * 0.7 and letters >= 3.0 * len(words) and _reads_like_words("".join(words).lower())


def _reads_like_words(letters: str) -> bool:
    vowels = sum(letter in "aeiouy" for letter in letters)
    return vowels >= len(letters) * 0.24 and re.search("[^aeiouy]{5}", letters) is None


def _continues(text: str, position: int) -> bool:
    """The character repeats three characters that came before, or continues a run of equal steps or a keyboard row."""
    if text[position] == text[position - 1]:
        return True
    if position < 2:
        return False
    tail = text[position - 2 : position + 1]
    if tail in text[: position - 1]:
        return True
    first, second, third = map(ord, tail)
    if third - second == second - first and abs(third - second) <= 2:
        return True
    return any(tail in row or tail[::-1] in row for row in _ROWS)
