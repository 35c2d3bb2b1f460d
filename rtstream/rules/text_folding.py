"""Folds text for search, so that a word is found in every way it can be written.

The same function folds documents and queries. It is the compatibility caseless matching of Unicode (Unicode Standard,
section 3.13, definition D146), without diacritics.
"""

from __future__ import annotations

import unicodedata

_DOTLESS_I = str.maketrans("ı", "i")


def fold(text: str) -> str:
    """Return ``text`` without differences of case, width, ligatures and diacritics.

    ``İzmir`` becomes ``izmir``, ``Straße`` becomes ``strasse``, and full width ``ＡＢＣ`` ``abc``. The dotless ı
    becomes ``i``, because upper case does not distinguish the two. Folding folded text changes nothing.
    """
    if text.isascii():
        return text.lower()
    # Decomposing yields new letters with case, and folding case yields new composed letters, hence twice.
    folded = unicodedata.normalize("NFKD", _apart(text)).casefold()
    folded = unicodedata.normalize("NFKD", folded).casefold().translate(_DOTLESS_I)
    plain = "".join(char for char in unicodedata.normalize("NFD", folded) if not _is_diacritic(char))
    return unicodedata.normalize("NFC", plain)


def is_mark(char: str) -> bool:
    """Return whether the character is a combining mark, such as a vowel sign of Devanagari or Thai."""
    return not char.isascii() and unicodedata.category(char)[0] == "M"


def _apart(text: str) -> str:
    """Separate symbols that decompose to letters or digits from the words they touch: ``Acme™`` contains ``Acme``."""
    return "".join(f" {char} " if _is_lettered_symbol(char) else char for char in text)


def _is_lettered_symbol(char: str) -> bool:
    if char.isascii() or unicodedata.category(char)[0] not in "SP":
        return False
    return any(part.isalnum() for part in unicodedata.normalize("NFKD", char))


def _is_diacritic(char: str) -> bool:
    """Return whether the mark only modifies its letter: accents, and the optional points of Hebrew and Arabic.

    The marks of other combining classes are letters of their script: vowel signs, viramas, the voicing of kana.
    """
    order = unicodedata.combining(char)
    return 10 <= order <= 36 or order >= 200
