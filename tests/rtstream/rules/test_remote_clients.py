"""Remote clients are counted by their network, and wait after too many wrong keys."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtstream.rules.remote_clients import Connections, Slot, WrongKeys, connection_limit, forwarded_client, origin


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


@pytest.mark.parametrize(
    ("open_files", "connections"),
    [(None, 1024), (0, 1024), (1, 16), (34, 17), (1024, 512), (8190, 4095), (1 << 20, 4096)],
)
def test_connections_take_half_of_the_open_files(open_files: int | None, connections: int) -> None:
    assert connection_limit(open_files) == connections


def test_an_origin_is_what_one_client_cannot_vary() -> None:
    assert origin("2001:db8:1:2:3:4:5:6") == origin("2001:db8:1:2::1") != origin("2001:db8:1:3::1")
    assert origin("fe80::1%eth0") == origin("fe80::2%eth0")
    assert origin("::ffff:192.0.2.1") == origin("192.0.2.1")
    assert origin(None) == origin("") == "unknown"


class Plain:
    """Connections as lists: each open one by its origin, and the waiting ones in the order in which they began to."""

    def __init__(self, limit: int, per_origin: int) -> None:
        self.limit, self.per_origin = limit, per_origin
        self.open: list[Slot] = []
        self.waiting: list[Slot] = []

    def victim(self, client: str) -> Slot | None:
        """The connection that ends for a new one of a client. None if that is refused, or if there is room."""
        own = [one for one in self.waiting if one.origin == client]
        if sum(one.origin == client for one in self.open) < self.per_origin:
            counts = Counter(one.origin for one in self.waiting)
            most = max(counts.values(), default=0)
            own = [one for one in self.waiting if counts[one.origin] == most]
        return own[0] if own else None

    def full(self, client: str) -> bool:
        return len(self.open) >= self.limit or sum(one.origin == client for one in self.open) >= self.per_origin

    def close(self, slot: Slot) -> None:
        self.open.remove(slot)
        if slot in self.waiting:
            self.waiting.remove(slot)


@given(
    st.integers(1, 5),
    st.integers(1, 3),
    st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["new", "new", "busy", "idle", "close"])), max_size=40),
)
def test_connections_are_bounded_in_total_and_per_origin_and_the_idle_ones_make_room(
    limit: int, per_origin: int, steps: list[tuple[str, str]]
) -> None:
    connections, plain = Connections(limit, per_origin), Plain(limit, per_origin)
    for client, step in steps:
        if step == "new":
            full, waits = plain.full(client), list(plain.waiting)
            slot = connections.admit(client, lambda: None)
            assert (slot is None) == (full and plain.victim(client) is None)
            gone = [one for one in waits if one not in connections._open.get(one.origin, ())]
            if full and slot is not None:
                assert len(gone) == 1
                counts = Counter(one.origin for one in waits)
                assert gone[0].origin == client or counts[gone[0].origin] == max(counts.values())
                assert gone[0] is next(one for one in waits if one.origin == gone[0].origin)
            else:
                assert gone == []
            for one in gone:
                plain.close(one)
            if slot is not None:
                plain.open.append(slot)
                plain.waiting.append(slot)
        elif own := [one for one in plain.open if one.origin == client]:
            slot = own[0]
            if step == "close":
                connections.release(slot)
                plain.close(slot)
            else:
                connections.set_waiting(slot, step == "idle")
                if slot in plain.waiting and step == "busy":
                    plain.waiting.remove(slot)
                elif slot not in plain.waiting and step == "idle":
                    plain.waiting.append(slot)
        assert len(connections) == len(plain.open) <= limit
        assert all(count <= per_origin for count in Counter(one.origin for one in plain.open).values())
