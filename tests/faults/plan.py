"""A random plan of faults. The same seed makes the same plan."""

from __future__ import annotations

import random
from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """Kinds of faults, as in the table of durability.md."""

    ENGINE_KILLED = "engine killed"
    ENGINE_ENDED = "engine ended and started"
    ENGINE_FROZEN = "engine frozen"
    DATABASE_LOCKED = "database locked"
    RECORDER_KILLED = "recorder killed"
    RECORDER_FROZEN = "recorder frozen"
    POWER_CUT = "power cut"
    NETWORK_CLOSED = "connections closed"
    NETWORK_STALLED = "network silent"
    CLOCK_STEPPED = "clock set"
    NAMES_LOST = "no name server at start"
    ASLEEP = "computer asleep"
    DISK_FULL = "disk full"
    DISK_ERROR = "disk returns EIO"
    READ_ONLY = "disk returns EROFS"


NEED_SHIM = {Kind.CLOCK_STEPPED, Kind.NAMES_LOST, Kind.DISK_ERROR, Kind.READ_ONLY}
NEED_DISK = {Kind.DISK_FULL}
NEED_SURVIVING_RECORDERS = {Kind.POWER_CUT, Kind.ASLEEP, Kind.RECORDER_KILLED, Kind.RECORDER_FROZEN}

HARMLESS = {
    Kind.ENGINE_KILLED,
    Kind.ENGINE_ENDED,
    Kind.ENGINE_FROZEN,
    Kind.DATABASE_LOCKED,
    Kind.RECORDER_FROZEN,
}
"""Faults that must not cost a single frame."""

DURATIONS_S = {
    Kind.ENGINE_KILLED: (0.0, 8.0),
    Kind.ENGINE_ENDED: (0.0, 2.0),
    Kind.ENGINE_FROZEN: (1.0, 8.0),
    Kind.DATABASE_LOCKED: (2.0, 40.0),
    Kind.RECORDER_FROZEN: (1.0, 8.0),
    Kind.POWER_CUT: (0.0, 3.0),
    Kind.NETWORK_CLOSED: (0.5, 6.0),
    Kind.NETWORK_STALLED: (1.0, 10.0),
    Kind.NAMES_LOST: (2.0, 6.0),
    Kind.ASLEEP: (3.0, 10.0),
    Kind.DISK_FULL: (3.0, 12.0),
    Kind.DISK_ERROR: (1.0, 8.0),
    Kind.READ_ONLY: (1.0, 8.0),
}
"""Shortest and longest duration. The others happen at once."""

STEPS_S = (-3600.0, -307.0, -37.0, -2.0, 2.0, 41.0, 3601.0)
"""Steps of the clock. None is a multiple of the length of the source's loop, so that frames stay distinguishable."""


@dataclass(frozen=True)
class Fault:
    """One planned fault."""

    kind: Kind
    pause_s: float
    """Seconds between the end of the fault before it and its beginning."""
    duration_s: float = 0.0
    target: float = 0.0
    """Number from 0 to 1 that chooses a stream or a number of bytes."""
    step_s: float = 0.0
    """Of the clock."""

    def __str__(self) -> str:
        what = f", {self.step_s:+g} s" if self.step_s else f", {self.duration_s:.1f} s" if self.duration_s else ""
        return f"after {self.pause_s:.1f} s: {self.kind}{what}"


def draw(seed: int, count: int, kinds: list[Kind], *, longest_s: float = 40.0, pause_s: float = 6.0) -> list[Fault]:
    """Draw a plan.

    Args:
        seed: Seed of the random numbers.
        count: Number of faults.
        kinds: Kinds to choose from. Each occurs once before one occurs for the second time.
        longest_s: Longest duration of a fault in seconds.
        pause_s: Longest pause before a fault in seconds. Every fifth pause is nearly none, so that faults meet.

    Returns:
        The faults in their order.
    """
    chance = random.Random(seed)
    faults: list[Fault] = []
    round_: list[Kind] = []
    for _ in range(count):
        if not round_:
            round_ = sorted(kinds)
            chance.shuffle(round_)
        kind = round_.pop()
        shortest, longest = DURATIONS_S.get(kind, (0.0, 0.0))
        pause = 0.2 if chance.random() < 0.2 else chance.uniform(pause_s / 3, pause_s)
        duration = chance.uniform(min(shortest, longest_s), min(longest, longest_s))
        step = chance.choice(STEPS_S) if kind is Kind.CLOCK_STEPPED else 0.0
        faults.append(Fault(kind, round(pause, 2), round(duration, 2), chance.random(), step))
    return faults
