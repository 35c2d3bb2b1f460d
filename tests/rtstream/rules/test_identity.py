"""The proof of an engine is bound to everything that it is about."""

from __future__ import annotations

from rtstream.rules.identity import proof


def test_a_proof_is_bound_to_key_secret_nonce_and_address() -> None:
    arguments = ("key", "secret", "nonce", "127.0.0.1", 8740)
    others = [
        ("other", "secret", "nonce", "127.0.0.1", 8740),
        ("key", "other", "nonce", "127.0.0.1", 8740),
        ("key", "secret", "other", "127.0.0.1", 8740),
        ("key", "secret", "nonce", "127.0.0.2", 8740),
        ("key", "secret", "nonce", "127.0.0.1", 8741),
        ("key", "secre", "tnonce", "127.0.0.1", 8740),
    ]
    assert proof(*arguments) == proof(*arguments)
    assert proof(*arguments) not in {proof(*other) for other in others}
