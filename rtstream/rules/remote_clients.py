"""Remote clients: their addresses, how many connections each may hold, and how often each may try a wrong key."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address, ip_network


def origin(address: str | None) -> str:
    """Return the part of an address that one client cannot vary: an IPv4 address or an IPv6 /64 network."""
    try:
        parsed = ip_address((address or "").partition("%")[0])
    except ValueError:
        return address or "unknown"
    if isinstance(parsed, IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        if not parsed.is_loopback:
            return str(ip_network((int(parsed), 64), strict=False))
    return str(parsed)


def is_loopback(host: str) -> bool:
    """Return whether a host name or address, without a port, is this machine."""
    try:
        return ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def forwarded_client(header: str) -> str | None:
    """Return the last entry of ``X-Forwarded-For``, which is the client that the nearest proxy saw."""
    last = header.rpartition(",")[2].strip().strip('"')
    if last.startswith("["):  # [2001:db8::1]:4711
        last = last[1:].partition("]")[0]
    elif last.count(":") == 1:  # 192.0.2.1:4711
        last = last.partition(":")[0]
    try:
        return str(ip_address(last))
    except ValueError:
        return None


@dataclass(eq=False)
class Slot:
    """One connection. ``abort`` ends it at once. One that waits for its client may be ended to make room."""

    origin: str
    abort: Callable[[], None]
    waiting: bool = True


class Connections:
    """The open connections, bounded in total and per origin. A new one replaces the one that has idled longest."""

    def __init__(self, limit: int, per_origin: int) -> None:
        self.limit = limit
        self.per_origin = per_origin
        self._waiting: dict[str, OrderedDict[Slot, None]] = {}
        self._open: dict[str, set[Slot]] = {}
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def admit(self, client: str, abort: Callable[[], None]) -> Slot | None:
        """Register a connection from ``client`` (see ``origin``). Returns None if it must be refused."""
        room = True
        if len(self._open.get(client, ())) >= self.per_origin:
            room = self.make_room(client)
        elif self._count >= self.limit:
            room = self.make_room()
        if not room:
            return None
        slot = Slot(client, abort)
        self._open.setdefault(client, set()).add(slot)
        self._count += 1
        self._waiting.setdefault(client, OrderedDict())[slot] = None
        return slot

    def make_room(self, client: str | None = None) -> bool:
        """End the connection that has waited longest, of this origin or of the one with the most waiting ones."""
        if client is None and self._waiting:
            client = max(self._waiting, key=lambda name: len(self._waiting[name]))
        slots = self._waiting.get(client or "")
        if not slots:
            return False
        oldest = next(iter(slots))
        self.release(oldest)
        oldest.abort()
        return True

    def set_waiting(self, slot: Slot, waiting: bool) -> None:
        """Record whether the connection waits for its client."""
        if waiting == slot.waiting or slot not in self._open.get(slot.origin, ()):
            return
        slot.waiting = waiting
        if waiting:
            self._waiting.setdefault(slot.origin, OrderedDict())[slot] = None
        else:
            self._forget_waiting(slot)

    def release(self, slot: Slot) -> None:
        """Remove a closed connection."""
        slots = self._open.get(slot.origin, set())
        if slot not in slots:
            return
        slots.discard(slot)
        self._count -= 1
        if not slots:
            del self._open[slot.origin]
        self._forget_waiting(slot)

    def _forget_waiting(self, slot: Slot) -> None:
        waiting = self._waiting.get(slot.origin)
        if waiting is not None:
            waiting.pop(slot, None)
            if not waiting:
                del self._waiting[slot.origin]


def connection_limit(open_files: int | None) -> int:
    """Return the bound of connections. It is half of the open files, because streams and the database need some."""
    return max(16, min(4096, (open_files or 2048) // 2))


class WrongKeys:
    """Counts wrong keys per origin in a sliding window. An origin with too many has to wait.

    The number of origins is bounded. Those that failed longest ago are forgotten first.
    """

    def __init__(self, most: int = 20, per_s: float = 60.0, origins: int = 10_000) -> None:
        self._most, self._per_s, self._origins = most, per_s, origins
        self._failed: OrderedDict[str, deque[float]] = OrderedDict()

    def wait_s(self, client: str, now: float) -> float:
        """Return the seconds until ``client`` may try a key again, or 0. ``now`` is monotonic."""
        times = self._failed.get(client)
        if not times or len(times) < self._most:
            return 0.0
        return max(0.0, times[0] + self._per_s - now)

    def add(self, client: str, now: float) -> None:
        """Record a wrong key."""
        times = self._failed.setdefault(client, deque(maxlen=self._most))
        times.append(now)
        self._failed.move_to_end(client)
        if len(self._failed) > self._origins:
            self._failed.popitem(last=False)
