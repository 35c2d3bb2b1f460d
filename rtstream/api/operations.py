"""Operations: functions whose annotations describe the request and the response, for parsing and for OpenAPI."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, TypeVar, get_args, get_origin, get_type_hints

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from rtstream.api.envelope import body, entries, ok, query

T = TypeVar("T")

Created = Annotated[T, 201]
"""The result of an operation that creates an object."""


@dataclass(frozen=True)
class MediaTypes:
    """Marks a response whose body is not JSON, but of one of these types, such as ``image/jpeg``."""

    names: tuple[str, ...]
    ranges: bool = False
    """Whether a byte range of it can be requested."""


@dataclass(frozen=True)
class JsonBody:
    """Marks a response with a JSON body that is not in the usual envelope. ``type`` is that of the whole body."""

    type: object


Jpeg = Annotated[Response, MediaTypes(("image/jpeg",))]
"""A picture."""
Html = Annotated[Response, MediaTypes(("text/html",))]
"""A page for people."""

Function = Callable[..., Awaitable[object]]
"""Takes the request and, if it has parameters of these names, ``query`` and ``body``. It returns the ``data`` of the
response or, if the operation differs from others, the response."""


@dataclass(frozen=True)
class OperationShape:
    """The annotations of an operation.

    Attributes:
        query: Model of the query string, or None.
        body: Model of the body, or None.
        is_list: Whether the body is a list of such objects.
        result: Type of ``data`` in the response, or a mark of another body. None: there is no data.
        status: Status of the response.
    """

    query: type[BaseModel] | None
    body: type[BaseModel] | None
    is_list: bool
    result: object
    status: int


class Operation:
    """One method of one path."""

    def __init__(self, function: Function) -> None:
        self.function = function

    @property
    def name(self) -> str:
        """The name of the function."""
        return self.function.__name__

    @property
    def doc(self) -> str:
        """The docstring of the function."""
        return (self.function.__doc__ or "").strip()

    @cached_property
    def shape(self) -> OperationShape:
        """The annotations, which are evaluated at the first request."""
        hints = get_type_hints(self.function, include_extras=True)
        wanted = hints.get("body")
        is_list = get_origin(wanted) is list
        result, status = hints["return"], 200
        if get_origin(result) is Annotated:
            result, *marks = get_args(result)
            for mark in marks:
                if isinstance(mark, int):
                    status = mark
                else:
                    result = mark
        return OperationShape(hints.get("query"), get_args(wanted)[0] if is_list else wanted, is_list, result, status)

    async def respond(self, request: Request) -> Response:
        """Parse a request, call the function and build the response. Raises RTStreamError."""
        shape = self.shape
        arguments: dict[str, object] = {}
        if shape.query is not None:
            arguments["query"] = query(request, shape.query)
        if shape.body is not None:
            arguments["body"] = await (entries if shape.is_list else body)(request, shape.body)
        result = await self.function(request, **arguments)
        return result if isinstance(result, Response) else ok(result, shape.status)
