"""Compares words by their sound, as far as English spelling shows it.

The sounds of a word come from a dictionary, or from its spelling by rules. Two words are compared by an edit distance,
in which sounds that are easily confused (p and b, s and sh, all vowels) are near to each other.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate

from rapidfuzz.distance import Levenshtein

_RULES = (
    # beginnings and ends
    ("^(?:kn|gn|pn)", "n"), ("^wr", "r"), ("^ps", "s"), ("^x", "z"), ("^wh", "w"), ("mb(?=$|s$)", "m"), ("mn$", "m"),
    # endings that are spoken otherwise
    ("(?:[ts]ion|[ct]ian|cean)", "San"), ("[ct]ial", "Sal"), ("[ct]ious", "Sas"), ("ture", "Car"), ("sure", "Zar"),
    ("[ct]ia", "Sa"),
    # consonants
    ("tch", "C"), ("sch", "sk"), ("chr", "kr"), ("ch", "C"), ("sh", "S"), ("ph", "f"), ("th", "T"), ("ck", "k"),
    ("qu", "kw"), ("q", "k"), ("x", "ks"), ("dg(?=[eiy])", "J"), ("j", "J"), ("gh(?=t|$|s$)", ""), ("gh", "g"),
    ("g(?=[eiy])", "J"), ("gu(?=[eiy])", "g"), ("cc(?=[eiy])", "ks"), ("sc(?=[eiy])", "s"), ("c(?=[eiy])", "s"),
    ("c", "k"), ("ng(?=$|s$)", "N"), ("n(?=k|g|q|x|c(?![eiy]))", "N"), ("wh", "w"), ("(?<=[aeiouy])s(?=[aeiouy])", "z"),
    ("ll|l", "l"), ("rrh?|rh?", "r"), ("bb|b", "b"), ("dd|d", "d"), ("ff|f", "f"), ("gg|g", "g"), ("h", "h"),
    ("kk|k", "k"), ("mm|m", "m"), ("nn|n", "n"), ("pp|p", "p"), ("ss|s", "s"), ("tt|t", "t"), ("vv|v", "v"),
    ("w(?=[aeiouy])", "w"), ("^y", "y"), ("zz|z", "z"),
    # vowels
    ("(?<=[^aeiouy])e(?=$|s$)", ""), ("ee|ea|ie|ei|ey|i|y", "i"), ("ai|ay|e", "e"),
    ("oo|ou|ew|eu|ue|u", "u"), ("oa|ow|aw|au|oi|oy|o", "o"), ("a", "a"),
)  # fmt: skip
_SOUND = re.compile("|".join(f"(?P<r{number}>{pattern})" for number, (pattern, _) in enumerate(_RULES)) + "|.")
_VOWELS = "aeiou"
_WEAK = "hyrw"
_ALIKE = ("pb", "td", "kg", "fvT", "szSZCJ", "mnN", "lr")
_CLASS = str.maketrans(
    {char: group[0] for group in _ALIKE for char in group} | dict.fromkeys(_VOWELS, "a") | dict.fromkeys("h", "")
)
"""Sounds that are easily confused, for a quick comparison."""
_NEIGHBOURS = ("pf", "tk", "pt", "ts", "fs", "tf", "pk", "lw", "ly", "rw", "ry")
"""Classes of consonants that are confused less easily."""
LONG = 8
"""Sounds of a long word. Others have to be heard more exactly, because other words are nearer to them."""


@dataclass(frozen=True)
class Tolerance:
    """Distances up to which words count as a near miss of a short and of a long word."""

    short: float
    long: float


EXISTING = Tolerance(0.07, 0.07)
"""For a single word that is in the dictionary, because it was probably said."""
UNKNOWN = Tolerance(0.25, 0.33)
"""For a single word that does not exist."""
SPLIT = Tolerance(0.24, 0.28)
"""For several words that exist."""
SPLIT_UNKNOWN = Tolerance(0.27, 0.33)
"""For several words of which at least one does not exist."""
SPELLED = Tolerance(0.075, 0.075)
"""Without a dictionary."""
MOSTLY = 0.58
"""Share of the letters from which on an existing word was probably said, and only its neighbours were added."""

Dictionary = Callable[[str], str | None]
"""Returns the sounds of a folded word that is in a dictionary, in the form of ``spelled``, else None."""


class Sounds:
    """Compares words by their sound.

    Args:
        dictionary: A dictionary of pronunciations. Without it, sounds follow from the spelling alone, and only words
            that are almost the same are accepted.
    """

    def __init__(self, dictionary: Dictionary | None = None) -> None:
        self._dictionary = dictionary

    def near_miss(self, word: str, heard: Sequence[str]) -> float | None:
        """Return the distance by sound between a word and the words that were heard in its place, if they are alike.

        Args:
            word: The folded word.
            heard: Folded words.

        Returns:
            More than 0 and less than 1, or None if they are not alike.
        """
        sounds = self._sounds(word)
        distance = difference(sounds, "".join(self._sounds(one) for one in heard))
        most = self._tolerance(heard)
        return None if distance > (most.long if len(sounds) >= LONG else most.short) else max(distance, 0.01)

    def _tolerance(self, heard: Sequence[str]) -> Tolerance:
        if self._dictionary is None:
            return SPELLED
        exist = [self._dictionary(one) is not None for one in heard]
        if len(heard) == 1:
            return EXISTING if exist[0] else UNKNOWN
        letters = sum(map(len, heard))
        if any(is_word and len(one) >= MOSTLY * letters for one, is_word in zip(heard, exist, strict=True)):
            return EXISTING
        # Single letters are read out, so they are not a part of a word.
        spelled_out = any(len(one) == 1 and not is_word for one, is_word in zip(heard, exist, strict=True))
        return SPLIT if all(exist) or spelled_out else SPLIT_UNKNOWN

    def _sounds(self, word: str) -> str:
        found = self._dictionary(word) if self._dictionary is not None else None
        return spelled(word) if found is None else found


@lru_cache(maxsize=20_000)
def spelled(word: str) -> str:
    """Return the sounds of a folded word by its spelling, one character each."""
    return "".join(_RULES[int(found.lastgroup[1:])][1] if found.lastgroup else "" for found in _SOUND.finditer(word))


@lru_cache(maxsize=20_000)
def difference(wanted: str, heard: str) -> float:
    """Return the distance of two sequences of sounds, relative to the first. It is 0 for equal ones, and 1 is far.

    It is an edit distance in which a confusion costs less the more alike the two sounds are. Sequences that differ in
    most of their classes of sounds are not compared in detail.
    """
    classes = wanted.translate(_CLASS)
    limit = int(0.6 * len(classes)) + 1
    if Levenshtein.distance(classes, heard.translate(_CLASS), score_cutoff=limit) > limit:
        return 1.0
    row = list(accumulate((_omission(sound) for sound in heard), initial=0.0))
    for sound in wanted:
        above, row = row, [row[0] + _omission(sound)]
        for at, other in enumerate(heard):
            row.append(
                min(
                    above[at] + _confusion(sound, other),
                    above[at + 1] + _omission(sound),
                    row[at] + _omission(other),
                )
            )
    return row[-1] / max(0.1, sum(_omission(sound) for sound in wanted))


def _omission(sound: str) -> float:
    """Return the cost of a sound that was added or left out."""
    return 0.4 if sound in _VOWELS or sound in _WEAK else 0.75


@lru_cache(maxsize=1000)
def _confusion(one: str, other: str) -> float:
    """Return the cost of a sound that was heard as another one."""
    if one == other:
        return 0.0
    vowels = (one in _VOWELS) + (other in _VOWELS)
    if vowels == 2:
        return 0.35
    if vowels == 1:
        return 0.6 if {one, other} & set("rlwyh") else 1.0
    classes = {one.translate(_CLASS), other.translate(_CLASS)}
    if len(classes) == 1:
        return 0.4
    return 0.7 if any(classes == set(pair) for pair in _NEIGHBOURS) else 1.0
