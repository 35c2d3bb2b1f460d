"""Responses to requests that carry an ``Idempotency-Key``, which a repeated request receives again."""

from __future__ import annotations

import hashlib
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import anyio
from pydantic_core import from_json, to_json
from starlette.requests import Request
from starlette.responses import Response

from rtstream.api.envelope import MAX_BODY
from rtstream.errors import Conflict, InvalidRequest

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
    """A request. ``response`` is None until it was served, and when it failed."""

    digest: str
    at: float
    done: anyio.Event
    response: bytes | None = None
    status: int = 0


class RepeatedRequests:
    """Serves a POST with an ``Idempotency-Key`` once within ten minutes. The responses are in memory."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._known: OrderedDict[tuple[str, str], _Known] = OrderedDict()

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
        place: tuple[str, str],
        digest: str,
        request: Request,
        operation: Callable[[Request], Awaitable[Response]],
    ) -> Response:
        while len(self._known) >= MAX_KEYS:
            self._known.popitem(last=False)
        known = self._known[place] = _Known(digest, self._clock(), anyio.Event())
        try:
            response = await operation(request)
            content = bytes(response.body)
            if 200 <= response.status_code < 300 and len(content) <= MAX_RESPONSE:
                known.response, known.status = _marked(content), response.status_code
            return response
        finally:
            if known.response is None and self._known.get(place) is known:
                del self._known[place]
            known.done.set()

    def forget(self, object_id: str) -> None:
        """Forget the responses that name an object, because it was deleted."""
        name = object_id.encode()
        for place, known in list(self._known.items()):
            if known.response is not None and name in known.response:
                del self._known[place]

    def _trim(self) -> None:
        oldest = self._clock() - TTL_S
        while self._known:
            place, known = next(iter(self._known.items()))
            if known.at > oldest:
                return
            del self._known[place]


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
