"""Remote clients are counted by their network, and wait after too many wrong keys."""

from __future__ import annotations

import pytest

from rtstream.rules.remote_clients import WrongKeys, forwarded_client, origin


def test_the_window_slides_and_the_memory_is_bounded() -> None:
    wrong = WrongKeys(most=3, per_s=60, origins=100)
    for now in (0.0, 10.0, 20.0):
        assert wrong.wait_s("a", now) == 0
        wrong.add("a", now)
    assert wrong.wait_s("a", 30.0) == 30.0
    assert wrong.wait_s("a", 60.0) == 0
    wrong.add("a", 60.0)
    assert wrong.wait_s("a", 61.0) == 9.0
    for number in range(200):
        wrong.add(str(number), 61.0)
    assert wrong.wait_s("a", 61.0) == 0


@pytest.mark.parametrize(
    ("header", "client"),
    [
        ("203.0.113.5", "203.0.113.5"),
        ("1.1.1.1, 203.0.113.5:4711", "203.0.113.5"),
        ("1.1.1.1,[2001:db8::1]:4711", "2001:db8::1"),
        ("2001:db8::1", "2001:db8::1"),
        ("", None),
        ("unknown", None),
        ("1.1.1.1, <script>", None),
    ],
)
def test_a_forwarded_header_is_read_from_its_end(header: str, client: str | None) -> None:
    assert forwarded_client(header) == client


def test_an_origin_is_what_one_client_cannot_vary() -> None:
    assert origin("2001:db8:1:2:3:4:5:6") == origin("2001:db8:1:2::1") != origin("2001:db8:1:3::1")
    assert origin("fe80::1%eth0") == origin("fe80::2%eth0")
    assert origin("::ffff:192.0.2.1") == origin("192.0.2.1")
    assert origin(None) == origin("") == "unknown"
