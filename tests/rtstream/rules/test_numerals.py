from __future__ import annotations

import pytest

from rtstream.rules.numerals import SpokenToken, read_numbers


def read(text: str) -> str:
    tokens = [SpokenToken(word, number, number + 1) for number, word in enumerate(text.split())]
    return " ".join(token.text for token in read_numbers(tokens))


@pytest.mark.parametrize(
    ("said", "numbers"),
    [
        ("seven", "7"),
        ("twenty one people", "21 people"),
        ("two thousand three hundred and five", "2305"),
        ("a hundred", "100"),
        ("a crane and a thousand birds", "a crane and 1000 birds"),
        ("three million four thousand", "3004000"),
        ("forty seven eleven", "47 11"),
        ("nineteen eighty four", "19 84"),
        ("twenty twenty six", "20 26"),
        ("twenty ten", "20 10"),
        ("four seven one one", "4 7 1 1"),
        ("two oh seven", "2 0 7"),
        ("oh dear", "oh dear"),
        ("double seven", "77"),
        ("double trouble", "double trouble"),
        ("one point five", "1.5"),
        ("three point one four", "3.14"),
        ("the point", "the point"),
        ("two hundred and a half", "200 and a half"),
        ("seven and eight", "7 and 8"),
        ("2 million", "2000000"),
        ("two thousand two thousand", "2002 thousand"),
        ("hundred", "hundred"),
        ("007", "007"),
        ("12 34", "12 34"),
        ("2nd", "second"),
        ("11th 20th 21st 30th", "eleventh twentieth 20 first thirtieth"),
        ("55th", "50 fifth"),
        ("0th", "0th"),
    ],
)
def test_numerals_are_numbers_and_ordinal_digits_are_words(said: str, numbers: str) -> None:
    assert read(said) == numbers


def test_a_number_covers_all_of_its_words() -> None:
    tokens = [
        SpokenToken(word, at, at + len(word)) for word, at in (("a", 0), ("hundred", 2), ("and", 10), ("one", 14))
    ]
    assert read_numbers(tokens) == [SpokenToken("101", 0, 17)]
