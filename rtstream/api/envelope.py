"""The envelope around every answer, and the reading of request bodies and queries (API reference 1.3, 1.6)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, Field, ValidationError
from pydantic_core import from_json, to_json
from starlette.requests import Request
from starlette.responses import Response

from rtstream.errors import InvalidRequest, RTStreamError, TooLarge, TooManyAttempts
from rtstream.json_types import JsonObject

MAX_BODY = 1024 * 1024
"""Bytes a request body may have."""

MAX_QUERY_VALUE = 4096
"""Characters a value of a query string may have. Beyond some length a database refuses a pattern made of it."""

UnixTime = Annotated[float, Field(ge=0, lt=253_402_300_800, allow_inf_nan=False)]
"""Unix seconds up to the year 9999: what dates can be made of."""

M = TypeVar("M", bound=BaseModel)


def envelope(content: JsonObject, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A JSON answer. Models and dates inside are converted; infinities become null."""
    body = to_json(content, inf_nan_mode="null", serialize_unknown=True)
    return Response(body, status, headers, media_type="application/json")


def ok(data: Any = None, status: int = 200) -> Response:
    """A success. ``data`` is never null on the wire: API clients read keys of it without asking."""
    return envelope({"success": True, "data": {} if data is None else data}, status)


def failure(status: int, message: str, code: str, headers: Mapping[str, str] | None = None) -> Response:
    """An error body with its HTTP status."""
    return envelope({"success": False, "message": message, "error_code": code}, status, headers)


def refusal(error: RTStreamError, headers: Mapping[str, str] | None = None) -> Response:
    """The error body of an expected failure."""
    if isinstance(error, TooManyAttempts):
        headers = {**(headers or {}), "retry-after": str(math.ceil(error.retry_after_s))}
    return failure(error.status, error.message, error.code, headers)


def sentence(error: ValidationError) -> str:
    """What is wrong with the first wrong field, in one sentence. The value is left out: it may hold credentials."""
    first, *others = error.errors(include_url=False, include_input=False, include_context=False)
    name = ".".join(str(part) for part in first["loc"]) or "The request"
    text = f"{name} is missing" if first["type"] == "missing" else f"{name}: {first['msg'].rstrip('.')}"
    more = f" ({len(others)} more {'field is' if len(others) == 1 else 'fields are'} wrong)" if others else ""
    return f"{text}{more}."


def validated(model: type[M], values: Mapping[str, Any]) -> M:
    """The model made of ``values``; a null counts as absent. Raises InvalidRequest."""
    try:
        return model.model_validate({key: value for key, value in values.items() if value is not None})
    except ValidationError as error:
        raise InvalidRequest(sentence(error)) from None


def query(request: Request, model: type[M]) -> M:
    """The query string as a model; an empty value counts as absent. Raises InvalidRequest."""
    for key, value in request.query_params.items():
        if len(value) > MAX_QUERY_VALUE:
            raise InvalidRequest(f"{key[:50]} is over {MAX_QUERY_VALUE} characters. Shorten it.")
    return validated(model, {key: value for key, value in request.query_params.items() if value != ""})


async def body(request: Request, model: type[M]) -> M:
    """The JSON object of the request body as a model; no body counts as ``{}``.

    Raises InvalidRequest for what is no JSON object or does not fit the model, TooLarge above ``MAX_BODY``.
    """
    values = await _json(request)
    if not isinstance(values, dict):
        raise InvalidRequest("The request body must be a JSON object.")
    return validated(model, values)


async def entries(request: Request, model: type[M]) -> list[M]:
    """The JSON list of the request body as models. Raises as ``body`` does."""
    values = await _json(request)
    if not (isinstance(values, list) and all(isinstance(value, dict) for value in values)):
        raise InvalidRequest("The request body must be a JSON list of objects.")
    return [validated(model, value) for value in values]


async def _json(request: Request) -> Any:
    raw = await _read(request)
    try:
        # Strict JSON: no NaN, no lone surrogates, bounded depth. None of them could be stored or sent on.
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
