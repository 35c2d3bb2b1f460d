"""Pronunciations of the dictionary that comes with the built-in speech engine."""

from __future__ import annotations

from pathlib import Path

import pytest

from rtstream.perception.speech import pronunciations
from rtstream.perception.speech.pronunciations import Pronunciations
from rtstream.rules.sounds import difference, spelled

pytestmark = pytest.mark.unit


def test_words_are_looked_up_and_others_are_unknown(tmp_path: Path) -> None:
    path = tmp_path / "words.dict"
    path.write_text("knight N AY T\nknight(2) N AY\nknights N AY T S\nthe DH AH\n", encoding="utf-8")
    found = Pronunciations(path)
    assert found.sounds("knight") == "nit"
    assert found.sounds("knights") == "nits"
    assert found.sounds("the") == "Ta"
    for unknown in ("knigh", "night", "knight(2)", "k", "", "größe", "4711"):
        assert found.sounds(unknown) is None


def test_a_file_that_cannot_be_read_knows_no_word(tmp_path: Path) -> None:
    assert Pronunciations(tmp_path / "missing").sounds("knight") is None


def test_the_installed_dictionary_speaks_as_the_spelling_does() -> None:
    found = pronunciations.installed()
    if found is None:
        pytest.skip("the built-in speech engine is not installed")
    for word in ("scanner", "invoice", "password", "ambulance", "evacuate", "delivery"):
        assert difference(found.sounds(word) or "", spelled(word)) < 0.35
    assert found.sounds("kubernetes") is None


def test_without_the_package_there_is_no_dictionary(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pronunciations, "find_spec", lambda name: None)
    assert pronunciations.installed() is None
