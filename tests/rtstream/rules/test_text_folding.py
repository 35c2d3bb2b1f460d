"""Folding: the ways to write a word that search takes for the same word."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtstream.rules.text_folding import fold

SAME = [
    ("İzmir", "izmir", "IZMIR", "I\u0307zmir", "ızmir"),
    ("Straße", "STRASSE", "STRAẞE", "strasse"),
    ("ﬁnance", "FINANCE", "finance"),
    ("ＡＢＣ１２", "abc12"),
    ("ｶﾞｽ", "ガス"),
    ("Café", "Cafe\u0301", "CAFE"),
    ("Σίσυφος", "ΣΊΣΥΦΟΣ", "σισυφοσ"),
    ("ёлка", "ЕЛКА", "е\u0308лка"),
    ("मोदी", "मोदी"),
    ("한국", unicodedata.normalize("NFD", "한국")),
    ("שָׁלוֹם", "שלום"),
    ("ᾳ", "αι"),
]
DIFFERENT = [("か", "が"), ("हिन्दी", "हन्दी"), ("กุ", "กู"), ("o", "ø"), ("मोदी", "मदी")]


@pytest.mark.parametrize("forms", SAME)
def test_forms_of_a_word_fold_to_one(forms: tuple[str, ...]) -> None:
    assert len({fold(form) for form in forms}) == 1


@pytest.mark.parametrize("pair", DIFFERENT)
def test_marks_that_make_another_letter_remain(pair: tuple[str, str]) -> None:
    assert fold(pair[0]) != fold(pair[1])


def test_a_symbol_made_of_letters_does_not_join_the_word_it_touches() -> None:
    assert fold("Acme™ 10㎏").split() == ["acme", "tm", "10", "kg"]


@given(st.text())
def test_folding_twice_changes_nothing_more(text: str) -> None:
    assert fold(fold(text)).split() == fold(text).split()


@given(st.text())
def test_case_and_normal_form_make_no_difference(text: str) -> None:
    forms = [text, unicodedata.normalize("NFC", text), unicodedata.normalize("NFD", text), text.casefold()]
    assert len({" ".join(fold(form).split()) for form in forms}) == 1
