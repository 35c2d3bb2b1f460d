"""Compares words by their sound, as far as English spelling shows it.

The spelling is turned into sounds by rules. Two words are compared twice, by their sounds and by classes of sounds
that are easily confused (p and b, s and sh, all vowels), each as an edit distance.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import lru_cache

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
_CLASS = str.maketrans(
    {"b": "p", "d": "t", "g": "k", "v": "f", "z": "s", "S": "s", "Z": "s", "C": "s", "J": "s", "N": "n", "m": "n"}
    | dict.fromkeys("eiou", "a")
    | {"h": "", "T": "f"}
)
MOST = 0.25
"""Distance up to which words count as a near miss."""
MOST_OF_KNOWN = 0.08
"""The same for a word that is in the dictionary, because it was probably said."""
MOST_SPELLED = 0.11
"""The same without a dictionary."""

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
        distance = difference(self._sounds(word), "".join(self._sounds(one) for one in heard))
        return None if distance > self._most(heard) else max(distance, 0.01)

    def _most(self, heard: Sequence[str]) -> float:
        if self._dictionary is None:
            return MOST_SPELLED
        return MOST_OF_KNOWN if len(heard) == 1 and self._dictionary(heard[0]) is not None else MOST

    def _sounds(self, word: str) -> str:
        found = self._dictionary(word) if self._dictionary is not None else None
        return spelled(word) if found is None else found


@lru_cache(maxsize=20_000)
def spelled(word: str) -> str:
    """Return the sounds of a folded word by its spelling, one character each."""
    return "".join(_RULES[int(found.lastgroup[1:])][1] if found.lastgroup else "" for found in _SOUND.finditer(word))


@lru_cache(maxsize=20_000)
def difference(left: str, right: str) -> float:
    """Return the distance of two sequences of sounds, from 0 to 1."""
    longest = max(len(left), len(right), 1)
    fine = Levenshtein.distance(left, right)
    coarse = Levenshtein.distance(left.translate(_CLASS), right.translate(_CLASS))
    return (fine + coarse) / (2 * longest)
