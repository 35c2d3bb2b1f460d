from __future__ import annotations

from rtstream.client.idempotency import idempotency_key


def test_equal_calls_have_equal_keys_whatever_their_order_and_absent_arguments() -> None:
    key = idempotency_key("alert", {"a": 1, "b": ["x"]})
    assert idempotency_key("alert", {"b": ["x"], "a": 1, "c": None}) == key
    others = [idempotency_key("event", {"a": 1, "b": ["x"]}), idempotency_key("alert", {"a": 2, "b": ["x"]})]
    assert key not in others
