"""Texts are cut into word pieces as BERT does."""

from __future__ import annotations

from pathlib import Path

import pytest

from rtstream.perception.embeddings.minilm import weights
from rtstream.perception.embeddings.minilm.wordpiece import WordPiece

VOCABULARY = [
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    "the",
    "dog",
    "##s",
    "run",
    "##ning",
    "cafe",
    "日",
    ".",
    "!",
    "-",
    "$",
]


@pytest.fixture
def words(tmp_path: Path) -> WordPiece:
    (tmp_path / "vocab.txt").write_text("\n".join(VOCABULARY) + "\n", encoding="utf-8")
    return WordPiece(tmp_path / "vocab.txt")


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("The DOGS", ["the", "dog", "##s"]),
        ("running.", ["run", "##ning", "."]),
        ("Café\u0301\u200b", ["cafe"]),
        ("the日dog", ["the", "日", "dog"]),
        ("dog-dog\x00!", ["dog", "-", "dog", "!"]),
        ("a$", ["[UNK]", "$"]),
        ("d" * 101, ["[UNK]"]),
        (" \t\n\u00a0the\u3000", ["the"]),
    ],
)
def test_texts_are_cut_into_pieces_as_bert_does(words: WordPiece, text: str, pieces: list[str]) -> None:
    numbers = words.encode(text, 100)
    assert [VOCABULARY[number] for number in numbers] == ["[CLS]", *pieces, "[SEP]"]


def test_special_tokens_in_a_text_are_only_text(words: WordPiece) -> None:
    assert words.encode("[SEP] dog", 100).count(VOCABULARY.index("[SEP]")) == 1


def test_a_long_text_is_cut_at_the_limit(words: WordPiece) -> None:
    assert len(words.encode("dogs " * 100, 32)) == 32


def test_the_shipped_vocabulary_cuts_a_sentence_into_the_numbers_of_the_published_tokenizer() -> None:
    assert WordPiece(weights.VOCABULARY).encode("Tokenization of 4711!", 100) == [
        *(101, 19204, 3989, 1997, 4700, 14526, 999, 102),
    ]
