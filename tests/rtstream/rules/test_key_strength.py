"""Keys that other machines may try: long enough, and no pattern."""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Callable

import pytest

from rtstream.rules.key_strength import entropy_bits, weakness

CONSONANTS = "bcdfghjklmnpqrstvwxz"


@pytest.mark.parametrize(
    "key",
    [
        "",
        "short",
        "x8#kQ2!vR9$mT5&wZ3*pL7b",  # 23 characters
        "a" * 40,
        "ab" * 20,
        "0000000000000000000000000001",
        "123456789012345678901234",
        "987654321098765432109876543210",
        "abcdefghijklmnopqrstuvwxyz",
        "zyxwvutsrqponmlkjihgfedcba",
        "qwertyuiopasdfghjklzxcvbnm",
        "passwordpasswordpassword",
        "P4ssw0rd-P4ssw0rd-P4ssw0rd",
        "changeme-changeme-changeme",
        "my-very-secret-password-1",
        "deadbeefdeadbeefdeadbeef",
        "aB3$" * 6,
        "aB3$" * 60,
        "0123456789" * 30,
        "11223344556677889900112233",
        "lab-key-0123456789-0123456789",
        "ääääääääääääääääääääääääääää",
        " " * 30,
    ],
)
def test_a_short_or_predictable_key_is_weak(key: str) -> None:
    assert weakness(key)


@pytest.mark.parametrize(
    "make",
    [
        lambda: secrets.token_urlsafe(18),
        lambda: secrets.token_urlsafe(32),
        lambda: secrets.token_hex(16),
        lambda: str(uuid.uuid4()),
        lambda: "sk-" + secrets.token_urlsafe(32),
        lambda: "".join(secrets.choice(CONSONANTS) + secrets.choice("0123456789") for _ in range(12)),
        lambda: "".join(secrets.choice(CONSONANTS if n % 5 else "aeiou") for n in range(25)),
    ],
)
def test_random_keys_are_strong(make: Callable[[], str]) -> None:
    assert [key for key in (make() for _ in range(300)) if weakness(key)] == []


@pytest.mark.parametrize(
    ("key", "least", "most"),
    [
        ("marigoldsandlavenderinbloom", 40, 27 * 2.5),  # words
        ("mrgldtbsnvlkpntbrmvkslpntkr", 90, 27 * 4.75),  # letters without vowels
        ("".join(CONSONANTS[n] if n % 5 else "aeiou"[n // 5] for n in range(20)), 60, 20 * 4.75),  # few vowels
        ("x7!Q" + "x7!Q" * 200, 20, 45),
        ("a", 0, 0),
    ],
)
def test_words_count_less_than_letters_by_chance(key: str, least: float, most: float) -> None:
    assert least <= entropy_bits(key) <= most
