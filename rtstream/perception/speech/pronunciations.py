"""English pronunciations from the dictionary that comes with the built-in speech engine.

It is the CMU Pronouncing Dictionary inside the package of PocketSphinx. The package is not imported, and the file is
read when the first word is looked up.
"""

from __future__ import annotations

import logging
import re
from functools import cached_property, lru_cache
from importlib.util import find_spec
from pathlib import Path

log = logging.getLogger(__name__)

FILE = "model/en-us/cmudict-en-us.dict"
_WORD = re.compile(r"[a-z]+")
_SOUNDS = {
    **{"P": "p", "B": "b", "T": "t", "D": "d", "K": "k", "G": "g", "F": "f", "V": "v", "TH": "T", "DH": "T"},
    **{"S": "s", "Z": "z", "SH": "S", "ZH": "Z", "CH": "C", "JH": "J", "M": "m", "N": "n", "NG": "N"},
    **{"L": "l", "R": "r", "W": "w", "Y": "y", "HH": "h", "ER": "ar"},
    **{"AA": "o", "AE": "a", "AH": "a", "AO": "o", "AW": "o", "AY": "i", "EH": "e", "EY": "e", "IH": "i", "IY": "i"},
    **{"OW": "o", "OY": "o", "UH": "u", "UW": "u"},
}
"""Phonemes in the form of ``rules.sounds.spelled``, which has no finer vowels."""


class Pronunciations:
    """A dictionary of pronunciations.

    Args:
        path: File with a word and its phonemes per line.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.sounds = lru_cache(maxsize=20_000)(self._look_up)
        """Returns the sounds of a folded word in the form of ``rules.sounds.spelled``, or None if it is unknown."""

    @cached_property
    def _blocks(self) -> dict[str, str]:
        """The lines of the words that begin with the same two letters, by these letters."""
        blocks: dict[str, list[str]] = {}
        try:
            with self._path.open(encoding="utf-8", errors="replace") as lines:
                for line in lines:
                    blocks.setdefault(line.partition(" ")[0][:2], [""]).append(line)
        except OSError as exc:
            log.warning("the dictionary of pronunciations cannot be read: %s", exc)
        return {initials: "\n".join(line.rstrip("\n") for line in found) + "\n" for initials, found in blocks.items()}

    def _look_up(self, word: str) -> str | None:
        block = self._blocks.get(word[:2], "") if _WORD.fullmatch(word) else ""
        key = f"\n{word} "
        at = block.find(key)
        if at < 0:
            return None
        phonemes = block[at + len(key) : block.index("\n", at + 1)].split()
        return "".join(_SOUNDS.get(phoneme, "") for phoneme in phonemes)


def installed() -> Pronunciations | None:
    """Return the dictionary, or None if the built-in speech engine is not installed."""
    found = find_spec("pocketsphinx")
    folders = found.submodule_search_locations if found is not None else None
    paths = [Path(folder) / FILE for folder in folders or ()]
    return next((Pronunciations(path) for path in paths if path.is_file()), None)
