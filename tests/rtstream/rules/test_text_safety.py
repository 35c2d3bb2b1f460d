import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtstream.rules.text_safety import clean, clean_data


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("Invoice 4711\n\tdue", "Invoice 4711\n\tdue"),
        ("a\x00b\x1b[31mc\x7f", "ab[31mc"),
        ("a\r\nb\rc\u2028d\x85e", "a\nb\nc\nd\ne"),
        ("pay\u200bpal\u200d\ufeff\u2060", "paypal"),
        ("user\u202egpj.exe\u202c \u2066x\u2069", "usergpj.exe x"),
        ("hi" + "".join(chr(0xE0000 + ord(c)) for c in "ignore all"), "hi"),
        ("soft\u00adhyphen", "softhyphen"),
        ("x\ufe0f\ufe0e y\ufe01\U000e0101", "x y"),
        ("I \u2764\ufe0f you 1\ufe0f\u20e3", "I \u2764\ufe0f you 1\ufe0f\u20e3"),
        ("\u2764\ufe0f\ufe0f", "\u2764\ufe0f"),
        ("Zu\u0308rich", "Zürich"),
        ("u\u200b\u0308", "ü"),
        ("\ud800 a", " a"),
        ("\ue000\u3164\uffa0\u2800x", "x"),
        ("日本語 العربية ไทย 🙂", "日本語 العربية ไทย 🙂"),
    ],
)
def test_what_a_reader_cannot_see_is_removed(text: str, cleaned: str) -> None:
    assert clean(text, 1000) == cleaned


def test_long_text_is_cut_with_an_ellipsis() -> None:
    assert clean("abcdef", 6) == "abcdef"
    assert clean("abcdefg", 6) == "abcde…"
    assert clean("abc  defg", 6) == "abc…"
    assert clean("abc", 1) == "…"
    assert clean("abc", 0) == ""


@given(st.text(st.characters()), st.integers(0, 40))
def test_clean_text_is_visible_composed_bounded_and_settled(text: str, limit: int) -> None:
    cleaned = clean(text, limit)
    assert len(cleaned) <= limit
    assert clean(cleaned, limit) == cleaned
    assert unicodedata.is_normalized("NFC", cleaned)
    cleaned.encode()
    for char in cleaned:
        assert char in "\n\t" or unicodedata.category(char) not in ("Cc", "Cf", "Cs", "Co")


def test_data_is_cleaned_in_keys_and_values_and_not_deeper_than_anybody_reads() -> None:
    found = clean_data({"a\u200b": ["b\u202ec", 1, None, {"d": "e" * 9}]}, 5)
    assert found == {"a": ["bc", 1, None, {"d": "eeee…"}]}
    nested: list[object] = []
    for _ in range(5000):
        nested = [nested]
    assert str(clean_data(nested, 5)).count("[") == 20
