"""Stores the responses that a repeated request receives again, across restarts of the engine."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import asdict, dataclass

from sqlalchemy import Connection

from rtstream.store import values

PREFIX = "response/"

Place = tuple[str, str]
"""Path and Idempotency-Key of a request."""


@dataclass(frozen=True)
class StoredResponse:
    """A response. ``digest``: of the body of its request; ``at``: Unix seconds of the request; ``content``: JSON."""

    path: str
    key: str
    digest: str
    at: float
    status: int
    content: str

    @property
    def place(self) -> Place:
        """Path and Idempotency-Key of its request."""
        return self.path, self.key


def load(conn: Connection) -> list[StoredResponse]:
    """Return all responses, oldest first."""
    found = [StoredResponse(**value) for value in values.below(conn, PREFIX).values()]
    return sorted(found, key=lambda response: response.at)


def put(conn: Connection, response: StoredResponse) -> None:
    """Store a response in place of the one that its place had."""
    values.put(conn, _key(response.place), asdict(response))


def remove(conn: Connection, places: Iterable[Place]) -> None:
    """Remove the responses to requests."""
    values.remove(conn, [_key(place) for place in places])


def _key(place: Place) -> str:
    return PREFIX + hashlib.sha256(" ".join(place).encode()).hexdigest()
