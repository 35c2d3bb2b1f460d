"""Responses to requests that carry an ``Idempotency-Key``, which a repeated request receives again."""

from __future__ import annotations

import hashlib
import logging
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import anyio
from pydantic_core import from_json, to_json
from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response

from rtstream.api.envelope import MAX_BODY
from rtstream.errors import Conflict, DatabaseUnavailable, InvalidRequest
from rtstream.store import responses as rows
from rtstream.store.database import Database
from rtstream.store.responses import Place, StoredResponse

log = logging.getLogger(__name__)

HEADER = "idempotency-key"
TTL_S = 600.0
MAX_KEYS = 1000
MAX_KEY = 255
MAX_RESPONSE = 64 * 1024
"""Largest response that is remembered, in bytes. With ``MAX_KEYS``, they take at most 64 MB."""
NOT_COMPARED = ("ws_connection_id",)
"""Fields of a request that change when its client connects again."""


@dataclass
class _Known:
    """A request. ``response`` is None until it was served, and when it failed. ``at`` is on the monotonic clock."""

    digest: str
    at: float
    done: anyio.Event
    response: bytes | None = None
    status: int = 0


class RepeatedRequests:
    """Serves a POST with an ``Idempotency-Key`` once within ten minutes, even if the engine is restarted in between.

    A response is stored after its request was served. If the engine is killed between the two, the repeated request is
    served again.
    """

    def __init__(self, db: Callable[[], Database], clock: Callable[[], float] = time.monotonic) -> None:
        """``db`` is called with the first request, because the engine is opened after its API."""
        self._db = db
        self._clock = clock
        self._known: OrderedDict[Place, _Known] = OrderedDict()
        self._unneeded: set[Place] = set()  # of stored responses
        self._loading = anyio.Lock()
        self._loaded = False

    async def serve(self, request: Request, operation: Callable[[Request], Awaitable[Response]]) -> Response:
        """Serve a request, or return the response to an earlier one with the same key, marked ``repeated``.

        A request that failed may be repeated with the same key.

        Raises:
            Conflict: The key was used for another request.
            InvalidRequest: The key is invalid, or the request has no ``Content-Length``.
        """
        key = request.headers[HEADER]
        if not 1 <= len(key) <= MAX_KEY or not key.isascii() or not key.isprintable():
            raise InvalidRequest(f"Idempotency-Key must have 1 to {MAX_KEY} printable ASCII characters.")
        announced = request.headers.get("content-length", "")
        if not announced.isdecimal():
            raise InvalidRequest("A request with an Idempotency-Key needs a Content-Length.")
        if int(announced) > MAX_BODY:
            return await operation(request)  # refuses it
        digest = _digest(await request.body())
        await self._load()
        place = (request.url.path, key)
        self._trim()
        while (known := self._known.get(place)) is not None:
            if known.digest != digest:
                raise Conflict(
                    "This Idempotency-Key was used for another request within ten minutes. Choose another key."
                )
            await known.done.wait()
            if known.response is not None:
                return Response(known.response, known.status, media_type="application/json")
        return await self._first(place, digest, request, operation)

    async def _first(
        self,
        place: Place,
        digest: str,
        request: Request,
        operation: Callable[[Request], Awaitable[Response]],
    ) -> Response:
        while len(self._known) >= MAX_KEYS:
            self._drop(next(iter(self._known)))
        known = self._known[place] = _Known(digest, self._clock(), anyio.Event())
        try:
            response = await operation(request)
            content = bytes(response.body)
            if 200 <= response.status_code < 300 and len(content) <= MAX_RESPONSE:
                known.response, known.status = _marked(content), response.status_code
                await self._store(place, known)
            return response
        finally:
            if known.response is None and self._known.get(place) is known:
                del self._known[place]
            known.done.set()

    async def forget(self, object_id: str) -> None:
        """Forget the responses that name an object, because it was deleted."""
        await self._load()
        name = object_id.encode()
        named = [place for place, known in self._known.items() if known.response is not None and name in known.response]
        for place in named:
            self._drop(place)
        if named:
            await self._write(None)

    async def _load(self) -> None:
        """Read the responses that an earlier engine stored, once."""
        async with self._loading:
            if self._loaded:
                return
            now, wall = self._clock(), time.time()
            for response in await self._db().read(rows.load):
                age = max(0.0, wall - response.at)  # the clock may have been set back since
                known = _Known(response.digest, now - age, anyio.Event(), response.content.encode(), response.status)
                known.done.set()
                self._known[response.place] = known
            self._loaded = True

    async def _store(self, place: Place, known: _Known) -> None:
        assert known.response is not None
        self._unneeded.discard(place)
        content = known.response.decode()
        await self._write(StoredResponse(*place, known.digest, time.time(), known.status, content))

    async def _write(self, added: StoredResponse | None) -> None:
        """Remove the stored responses that are not needed any more, and store one."""
        unneeded, self._unneeded = self._unneeded, set()

        def write(conn: Connection) -> None:
            rows.remove(conn, unneeded)
            if added is not None:
                rows.put(conn, added)

        try:
            await self._db().write(write)
        except DatabaseUnavailable as exc:  # the request itself has succeeded
            log.warning("the responses to repeated requests cannot be stored: %s", exc)

    def _drop(self, place: Place) -> None:
        del self._known[place]
        self._unneeded.add(place)

    def _trim(self) -> None:
        oldest = self._clock() - TTL_S
        while self._known:
            place, known = next(iter(self._known.items()))
            if known.at > oldest:
                return
            self._drop(place)


def _digest(raw: bytes) -> str:
    """Return a hash of a request body without the fields that are not compared."""
    try:
        values = from_json(raw) if raw.strip() else {}
    except ValueError:
        return hashlib.sha256(raw).hexdigest()
    if isinstance(values, dict):
        values = {key: values[key] for key in sorted(values) if key not in NOT_COMPARED}
    return hashlib.sha256(to_json(values)).hexdigest()


def _marked(content: bytes) -> bytes:
    return to_json({**from_json(content), "repeated": True})
