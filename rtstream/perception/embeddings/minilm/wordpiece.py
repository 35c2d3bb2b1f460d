"""WordPiece, the tokenizer of uncased BERT models, which turns text into token numbers.

The maintained package for this depends on a model-hub client, so this is our own implementation. It was compared with
that package on mixed text (the tests contain fixed cases). It follows the original BERT code: clean the text, put
spaces around Chinese characters, strip accents, lower-case, split at punctuation, then repeatedly take the longest
known piece.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from pathlib import Path

LONGEST_WORD = 100
"""Maximum length in characters. A longer word is unknown as a whole."""
CACHED_WORDS = 50_000

# Unicode blocks that the original BERT code treats as Chinese characters.
_HAN = (
    (0x4E00, 0x9FFF),
    (0x3400, 0x4DBF),
    (0x20000, 0x2A6DF),
    (0x2A700, 0x2B73F),
    (0x2B740, 0x2B81F),
    (0x2B820, 0x2CEAF),
    (0xF900, 0xFAFF),
    (0x2F800, 0x2FA1F),
)


class WordPiece:
    """Encodes text as token numbers, including [CLS] and [SEP].

    Raises:
        ValueError: The vocabulary lacks a special token.
    """

    def __init__(self, vocabulary: Path) -> None:
        pieces = vocabulary.read_text(encoding="utf-8").splitlines()
        self._numbers = {piece: number for number, piece in enumerate(pieces)}
        try:
            self._first, self._last, self._unknown = (self._numbers[name] for name in ("[CLS]", "[SEP]", "[UNK]"))
        except KeyError as exc:
            raise ValueError(f"{vocabulary.name} is not a BERT vocabulary: it has no {exc.args[0]}.") from None
        self._cache: dict[str, list[int]] = {}

    def encode(self, text: str, limit: int) -> list[int]:
        """Return at most ``limit`` token numbers (at least 2). A longer text is truncated at the end."""
        numbers = [self._first]
        for word in _words(text):
            numbers += self._pieces(word)
            if len(numbers) >= limit:
                break
        return [*numbers[: limit - 1], self._last]

    def _pieces(self, word: str) -> list[int]:
        known = self._cache.get(word)
        if known is None:
            if len(self._cache) >= CACHED_WORDS:
                self._cache.clear()
            known = self._cache[word] = self._split(word)
        return known

    def _split(self, word: str) -> list[int]:
        if len(word) > LONGEST_WORD:
            return [self._unknown]
        numbers: list[int] = []
        begin = 0
        while begin < len(word):
            prefix = "##" if begin else ""
            for end in range(len(word), begin, -1):
                number = self._numbers.get(prefix + word[begin:end])
                if number is not None:
                    break
            else:
                return [self._unknown]
            numbers.append(number)
            begin = end
        return numbers


def _words(text: str) -> Iterator[str]:
    spaced = "".join(_clean(char) for char in text)
    bare = "".join(char for char in unicodedata.normalize("NFD", spaced) if unicodedata.category(char) != "Mn").lower()
    for chunk in bare.split():
        word = ""
        for char in chunk:
            if _is_punctuation(char):
                if word:
                    yield word
                yield char
                word = ""
            else:
                word += char
        if word:
            yield word


def _clean(char: str) -> str:
    if char.isascii():
        return char if char >= " " and char != "\x7f" else " " if char in "\t\n\r" else ""
    if char == "\ufffd":
        return ""
    category = unicodedata.category(char)
    if category in ("Cc", "Cf", "Cn", "Co", "Cs"):
        return ""
    if category == "Zs":
        return " "
    code = ord(char)
    return f" {char} " if any(low <= code <= high for low, high in _HAN) else char


def _is_punctuation(char: str) -> bool:
    if char.isascii():
        return not char.isalnum() and char > " "
    return unicodedata.category(char).startswith("P")
