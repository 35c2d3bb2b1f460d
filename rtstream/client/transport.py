"""HTTP transport of the RTStream API: authentication, response envelope, bounded retries and error messages.

httpx is imported on the first call, so that programs that may not need the engine start fast.
"""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import anyio

from rtstream.errors import (
    Conflict,
    InvalidRequest,
    NotFound,
    RTStreamError,
    TooLarge,
    Unauthorized,
    Unavailable,
)
from rtstream.json_types import JsonObject
from rtstream.rules.remote_clients import is_loopback
from rtstream.rules.text_safety import clean

if TYPE_CHECKING:
    import httpx

    from rtstream.rules.identity import EngineIdentity

TIMEOUT_S = 30.0
ATTEMPTS = 3
MAX_ERROR_CHARS = 600

_BY_CODE: dict[str, type[RTStreamError]] = {
    kind.code: kind for kind in (Conflict, InvalidRequest, NotFound, TooLarge, Unauthorized, Unavailable)
}
_BY_STATUS: dict[int, type[RTStreamError]] = {
    401: Unauthorized,
    403: Unauthorized,
    404: NotFound,
    409: Conflict,
    413: TooLarge,
}


@dataclass(frozen=True)
class Endpoint:
    """Location of the API. ``url`` is its base URL without a trailing slash."""

    url: str
    api_key: str
    identity: EngineIdentity | None = None
    """For an engine of this machine: each connection proves to lead to it before the key is sent."""

    @property
    def shown(self) -> str:
        """The base URL for display, without user, password and query."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"

    @property
    def loopback(self) -> bool:
        """Whether the endpoint is on this machine."""
        return is_loopback(urlsplit(self.url).hostname or "")


Locate = Callable[[bool], Awaitable[Endpoint]]
"""Locates the endpoint. The argument states whether an engine may be started for it. Raises Unavailable."""


class Transport:
    """Calls to one endpoint, which is located on the first call and again when it stops responding."""

    def __init__(self, locate: Locate) -> None:
        self._locate = locate
        self._lock = anyio.Lock()
        self._endpoint: Endpoint | None = None
        self._last: Endpoint | None = None  # for messages, after the endpoint in use was given up
        self._http: httpx.AsyncClient | None = None

    async def endpoint(self, *, start: bool = True) -> Endpoint:
        """Return the endpoint in use."""
        async with self._lock:
            if self._endpoint is None:
                self._endpoint = await self._locate(start)
            return self._endpoint

    async def data(
        self,
        method: str,
        path: str,
        *,
        params: JsonObject | None = None,
        body: object = None,
        timeout_s: float = TIMEOUT_S,
        start: bool = True,
    ) -> Any:  # Any: decoded JSON, which the caller validates
        """Make a call and return the ``data`` of its response.

        Args:
            method: HTTP method.
            path: Path below the base URL.
            params: Query parameters. Those with the value None are omitted.
            body: JSON body.
            timeout_s: Time limit in seconds.
            start: Whether an engine may be started for the call.

        Raises:
            RTStreamError: The call failed. The subclass matches the failure and the message is the server's.
        """
        envelope = await self.envelope(method, path, params=params, body=body, timeout_s=timeout_s, start=start)
        return envelope.get("data")

    async def envelope(
        self,
        method: str,
        path: str,
        *,
        params: JsonObject | None = None,
        body: object = None,
        timeout_s: float = TIMEOUT_S,
        start: bool = True,
        key: str | None = None,
    ) -> JsonObject:
        """Make a call and return the whole response. Its ``status`` may indicate that there is no result yet.

        Arguments and errors are those of ``data``. With an idempotency ``key``, a call that is repeated within ten
        minutes returns the first response, marked ``repeated``.
        """
        response = await self.response(
            method, path, params=params, body=body, timeout_s=timeout_s, start=start, key=key
        )
        try:
            payload = response.json()
        except ValueError:
            payload = None
        if not isinstance(payload, dict):
            raise Unavailable(f"The response of {self._shown()} is not that of an RTStream API. Check the URL.")
        if not payload.get("success"):
            raise self._error(response.status_code, payload)
        return payload

    async def response(
        self,
        method: str,
        path: str,
        *,
        params: JsonObject | None = None,
        body: object = None,
        timeout_s: float = TIMEOUT_S,
        start: bool = True,
        key: str | None = None,
    ) -> httpx.Response:
        """Make a call and return the raw successful response.

        Refused connections are retried for every method, because nothing was sent. Other failures are retried for GET
        only. Arguments and errors are those of ``envelope``.
        """
        import httpx
        from tenacity import AsyncRetrying, retry_if_exception, stop_after_attempt, wait_random_exponential

        from rtstream.client.identity import UnprovenEngine

        query = {name: value for name, value in (params or {}).items() if value is not None}
        headers = {} if key is None else {"idempotency-key": key}

        async def once() -> httpx.Response:
            http = await self._client(start)
            try:
                response = await http.request(
                    method,
                    path,
                    params=query,
                    json=body,
                    headers=headers,
                    timeout=httpx.Timeout(timeout_s, connect=5.0),
                )
            except (httpx.ConnectError, httpx.ConnectTimeout, UnprovenEngine):
                await self._forget(http)  # the engine may have restarted on another port
                raise
            if response.status_code in (502, 503, 504) and method == "GET":
                response.raise_for_status()
            return response

        def may_retry(exc: BaseException) -> bool:
            if isinstance(exc, httpx.ConnectError | UnprovenEngine):
                return True
            return method == "GET" and isinstance(
                exc, httpx.HTTPStatusError | httpx.ReadError | httpx.RemoteProtocolError
            )

        try:
            response = await AsyncRetrying(
                stop=stop_after_attempt(ATTEMPTS),
                wait=wait_random_exponential(0.1, max=1.0),
                retry=retry_if_exception(may_retry),
                reraise=True,
            )(once)
        except httpx.HTTPStatusError as exc:
            response = exc.response
        except httpx.TimeoutException as exc:
            raise Unavailable(f"{self._shown()} did not respond within {timeout_s:.0f} s. Try again.") from exc
        except (httpx.HTTPError, httpx.InvalidURL) as exc:
            raise Unavailable(self._unreachable(exc)) from exc
        if response.status_code >= 400:
            raise self._error(response.status_code, _parsed(response.text))
        return response

    async def aclose(self) -> None:
        """Close the connections. The transport can be used again."""
        http, self._http = self._http, None
        if http is not None:
            await http.aclose()

    async def _client(self, start: bool) -> httpx.AsyncClient:
        import httpx

        endpoint = await self.endpoint(start=start)
        if self._http is None:
            transport = None
            if endpoint.identity is not None:
                from rtstream.client.identity import proven_transport

                transport = proven_transport(endpoint.url, endpoint.api_key, endpoint.identity)
            self._http = httpx.AsyncClient(
                transport=transport,
                base_url=endpoint.url,
                headers={"x-access-token": endpoint.api_key, "x-videodb-client": "rtstream-mcp"},
                # A proxy is for remote hosts, and loading certificates takes time that plain HTTP does not need.
                trust_env=not endpoint.loopback,
                verify=endpoint.url.startswith("https:") and transport is None,
                follow_redirects=False,
            )
        return self._http

    async def _forget(self, http: httpx.AsyncClient) -> None:
        if self._http is http:  # if not, another call has already located the new endpoint
            self._last, self._endpoint = self._endpoint, None
            await self.aclose()

    def _shown(self) -> str:
        endpoint = self._endpoint or self._last
        return endpoint.shown if endpoint else "The engine"

    def _unreachable(self, exc: Exception) -> str:
        name = type(exc).__name__
        if "Connect" in name:
            return (
                f"No engine responds at {self._shown()}. Start it with 'rtstream-mcp serve', or correct "
                "RTSTREAM_API_URL."
            )
        return f"The connection to {self._shown()} broke ({name}). Try again."

    def _error(self, status: int, payload: object) -> RTStreamError:
        fields: JsonObject = payload if isinstance(payload, dict) else {}
        message = clean(str(fields.get("message") or ""), MAX_ERROR_CHARS)
        endpoint = self._endpoint or self._last
        if endpoint and endpoint.api_key:
            message = message.replace(endpoint.api_key, "***")
        if status == 401:
            message = message or f"{self._shown()} rejects the API key. Set RTSTREAM_API_KEY to the engine's key."
        kind = _BY_CODE.get(str(fields.get("error_code"))) or _BY_STATUS.get(status)
        if kind is None:
            kind = Unavailable if status >= 500 else InvalidRequest
        error = kind(message or f"{self._shown()} responded with HTTP status {status}.")
        error.status = status if status >= 400 else kind.status
        return error


def _parsed(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        plain = re.sub(r"<[^>]*>", " ", text)
        return {"message": " ".join(plain.split())[:200]}
