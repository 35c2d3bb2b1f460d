"""The envelope of responses, and the parsing of request bodies and queries (API reference 1.3, 1.6)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, TypeVar

from pydantic import BaseModel, Field, ValidationError
from pydantic_core import from_json, to_json
from starlette.requests import Request
from starlette.responses import Response

from rtstream.errors import DatabaseUnavailable, InvalidRequest, RTStreamError, TooLarge, TooManyAttempts
from rtstream.json_types import JsonObject

MAX_BODY = 1024 * 1024
"""Maximum size of a request body, in bytes."""

MAX_QUERY_VALUE = 4096
"""Maximum length of a value in a query string, in characters. Databases refuse patterns beyond some length."""

UnixTime = Annotated[float, Field(ge=0, lt=253_402_300_800, allow_inf_nan=False)]
"""Unix seconds up to the year 9999, the range of dates."""

M = TypeVar("M", bound=BaseModel)


def envelope(content: JsonObject, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A JSON response. Models and dates inside are converted, and infinities become null."""
    body = to_json(content, inf_nan_mode="null", serialize_unknown=True)
    return Response(body, status, headers, media_type="application/json")


def ok(data: object = None, status: int = 200) -> Response:
    """A successful response. ``data`` is never null, because API clients read its keys without checking."""
    return envelope({"success": True, "data": {} if data is None else data}, status)


def failure(status: int, message: str, code: str, headers: Mapping[str, str] | None = None) -> Response:
    """An error body with its HTTP status."""
    return envelope({"success": False, "message": message, "error_code": code}, status, headers)


def refusal(error: RTStreamError, headers: Mapping[str, str] | None = None) -> Response:
    """The error body of an expected failure."""
    return failure(error.status, error.message, error.code, {**(headers or {}), **retry_after(error)})


def retry_after(error: RTStreamError) -> dict[str, str]:
    """The header that tells a client when to try again, if the failure has such a time."""
    if isinstance(error, TooManyAttempts | DatabaseUnavailable):
        return {"retry-after": str(math.ceil(error.retry_after_s))}
    return {}


def sentence(error: ValidationError) -> str:
    """Describe the first invalid field in one sentence. The value is omitted, because it may contain credentials."""
    first, *others = error.errors(include_url=False, include_input=False, include_context=False)
    name = ".".join(str(part) for part in first["loc"]) or "The request"
    text = f"{name} is missing" if first["type"] == "missing" else f"{name}: {first['msg'].rstrip('.')}"
    more = f" ({len(others)} more {'field is' if len(others) == 1 else 'fields are'} wrong)" if others else ""
    return f"{text}{more}."


def validated(model: type[M], values: Mapping[str, object]) -> M:
    """Validate ``values`` as a model. A null counts as absent. Raises InvalidRequest."""
    try:
        return model.model_validate({key: value for key, value in values.items() if value is not None})
    except ValidationError as error:
        raise InvalidRequest(sentence(error)) from None


def query(request: Request, model: type[M]) -> M:
    """Parse the query string as a model. An empty value counts as absent. Raises InvalidRequest."""
    for key, value in request.query_params.items():
        if len(value) > MAX_QUERY_VALUE:
            raise InvalidRequest(f"{key[:50]} is over {MAX_QUERY_VALUE} characters. Shorten it.")
    return validated(model, {key: value for key, value in request.query_params.items() if value != ""})


async def body(request: Request, model: type[M]) -> M:
    """Parse the JSON object of the request body as a model. An empty body counts as ``{}``.

    Raises:
        InvalidRequest: The body is not a JSON object, or does not match the model.
        TooLarge: The body has more than ``MAX_BODY`` bytes.
    """
    values = await _json(request)
    if not isinstance(values, dict):
        raise InvalidRequest("The request body must be a JSON object.")
    return validated(model, values)


async def entries(request: Request, model: type[M]) -> list[M]:
    """Parse the JSON list of the request body as models. Raises the same errors as ``body``."""
    values = await _json(request)
    if not (isinstance(values, list) and all(isinstance(value, dict) for value in values)):
        raise InvalidRequest("The request body must be a JSON list of objects.")
    return [validated(model, value) for value in values]


async def _json(request: Request) -> object:
    raw = await _read(request)
    try:
        # Strict JSON has no NaN, no lone surrogates and a bounded depth. None of these can be stored or forwarded.
        return from_json(raw, allow_inf_nan=False) if raw.strip() else {}
    except ValueError as error:
        raise InvalidRequest(f"The request body is not JSON: {error}.") from None


async def _read(request: Request) -> bytes:
    too_large = TooLarge(f"The request body is over {MAX_BODY // 1024} KiB. Send less.")
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > MAX_BODY:
        raise too_large
    raw = bytearray()
    async for chunk in request.stream():
        raw += chunk
        if len(raw) > MAX_BODY:
            raise too_large
    return bytes(raw)
