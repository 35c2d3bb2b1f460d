"""Texts are cut into word pieces as BERT does."""

from __future__ import annotations

from pathlib import Path

import pytest

from rtstream.perception.embeddings.minilm.wordpiece import WordPiece
from tests.rtstream.perception.embeddings.test_providers import VOCABULARY, model

__all__ = ["model"]


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
def test_texts_are_cut_into_pieces_as_bert_does(model: Path, text: str, pieces: list[str]) -> None:
    numbers = WordPiece(model / "vocab.txt").encode(text, 100)
    assert [VOCABULARY[number] for number in numbers] == ["[CLS]", *pieces, "[SEP]"]


def test_special_tokens_in_a_text_are_only_text(model: Path) -> None:
    numbers = WordPiece(model / "vocab.txt").encode("[SEP] dog", 100)
    assert numbers.count(VOCABULARY.index("[SEP]")) == 1


def test_a_long_text_is_cut_at_the_limit(model: Path) -> None:
    assert len(WordPiece(model / "vocab.txt").encode("dogs " * 100, 32)) == 32
