"""The OpenAPI description of the API, generated from the routes and from the annotations of their operations."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any, Literal, NoReturn, cast

from pydantic import BaseModel, Field, TypeAdapter
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from rtstream import __version__
from rtstream.api.operations import JsonBody, MediaTypes, Operation
from rtstream.api.routing import Operations
from rtstream.engine import recordings as _recordings  # noqa: F401 - defines errors
from rtstream.errors import RTStreamError
from rtstream.json_types import JsonObject

REF = "#/components/schemas/{model}"
JSON = "application/json"
PROBLEM = "error"
"""Name of the shared description of an error."""
KEY_NEEDED = (401, 429)
LINK_NEEDED = (410, 416, 429)
ANY_OPERATION = (400, 404, 409, 413, 503)
MEANINGS = {
    400: "The request is invalid, or cannot be fulfilled now.",
    401: "The API key is missing or wrong.",
    404: "There is no such object.",
    405: "The path does not offer this method.",
    409: "The state of the object does not allow the request.",
    410: "The link has ended.",
    413: "The request or its result is too large.",
    416: "The byte range is outside the file.",
    429: "Too many wrong keys or requests. Try again after `Retry-After` seconds.",
    503: "The database is unavailable, or the engine is starting. Try again after `Retry-After` seconds.",
}

Mode = Literal["validation", "serialization"]
Wanted = tuple[object, Mode]


class ErrorBody(BaseModel):
    """Body of every error."""

    success: Literal[False]
    message: str = Field(description="The problem, then the next step.")
    error_code: str


def error_codes() -> dict[str, type[RTStreamError]]:
    """Return the class of each error code, sorted by status and code."""

    def subclasses(of: type[RTStreamError]) -> Iterator[type[RTStreamError]]:
        for one in of.__subclasses__():
            yield one
            yield from subclasses(one)

    found: dict[str, type[RTStreamError]] = {}
    for one in subclasses(RTStreamError):
        if one.__module__.startswith("rtstream."):
            found.setdefault(one.code, one)
    return dict(sorted(found.items(), key=lambda item: (item[1].status, item[0])))


def describe(routes: Iterable[BaseRoute]) -> JsonObject:
    """Return the OpenAPI 3.1 document of the routes that have operations."""
    described = [(route.path, route.endpoint) for route in routes if isinstance(route, Route)]
    paths = [(path, place) for path, place in described if isinstance(place, Operations)]
    schemas, definitions = _schemas([place for _, place in paths])
    names: set[str] = set()
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "rtstream",
            "version": __version__,
            "description": "Records, describes, watches and searches live streams. Times are Unix seconds, except in "
            "exported videos, where they are seconds from the start.",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "paths": {
            re.sub(r":\w+}", "}", path): {
                method.lower(): _operation(path, place, operation, schemas, definitions, names)
                for method, operation in place.by_method.items()
            }
            for path, place in paths
        },
        "components": {
            "schemas": {name: schema for name, schema in sorted(definitions.items())},
            "securitySchemes": {
                "key": {"type": "apiKey", "in": "header", "name": "x-access-token"},
                "bearer": {"type": "http", "scheme": "bearer"},
            },
        },
    }


def _types(operation: Operation) -> Iterator[Wanted]:
    """Yield the types of an operation that have a schema."""
    shape = operation.shape
    if shape.query is not None:
        yield shape.query, "validation"
    if shape.body is not None:
        yield shape.body, "validation"
    if (result := _result(shape.result)) is not None:
        yield result


def _result(result: object) -> Wanted | None:
    if isinstance(result, JsonBody):
        return result.type, "validation"  # absent keys are not sent
    if result in (None, type(None), Response) or result is NoReturn or isinstance(result, MediaTypes):
        return None
    return result, "serialization"


def _schemas(places: Iterable[Operations]) -> tuple[dict[Wanted, JsonObject], dict[str, JsonObject]]:
    """Return the schema of each type, and the definitions to which they refer."""
    wanted: dict[str, Wanted] = {"": (ErrorBody, "validation")}
    for place in places:
        for operation in place.by_method.values():
            for one in _types(operation):
                wanted.setdefault(repr(one), one)
    inputs: list[tuple[str, Mode, TypeAdapter[Any]]] = []  # Any: of any type
    for name, (kind, mode) in wanted.items():
        inputs.append((name, mode, TypeAdapter(cast("type", kind))))
    found, extra = TypeAdapter.json_schemas(inputs, ref_template=REF)
    return {wanted[name]: schema for (name, _), schema in found.items()}, dict(extra.get("$defs", {}))


def _operation(
    path: str,
    place: Operations,
    operation: Operation,
    schemas: dict[Wanted, JsonObject],
    definitions: dict[str, JsonObject],
    names: set[str],
) -> JsonObject:
    shape, words = operation.shape, [part for part in path.strip("/").split("/") if not part.startswith("{")]
    word = words[0]
    candidates = [operation.name, *(f"{operation.name}_of_{each.replace('-', '_')}" for each in words)]
    name = next(each for each in candidates if each not in names)
    names.add(name)
    summary, _, detail = operation.doc.partition("\n\n")
    parameters = list(_path_parameters(path))
    if shape.query is not None:
        parameters += _query_parameters(_resolved(schemas[shape.query, "validation"], definitions))
    found: JsonObject = {"operationId": name, "tags": [word], "summary": " ".join(summary.split())}
    if detail:
        found["description"] = " ".join(detail.partition("\n\nArgs:")[0].split())
    if parameters:
        found["parameters"] = parameters
    if shape.body is not None:
        schema = schemas[shape.body, "validation"]
        content = {"schema": {"type": "array", "items": schema} if shape.is_list else schema}
        found["requestBody"] = {
            "required": bool(_resolved(schema, definitions).get("required")),
            "content": {JSON: content},
        }
    found["responses"] = _responses(place, operation, schemas)
    found["security"] = [{"key": []}, {"bearer": []}] if place.key_needed else []
    return found


def _resolved(schema: JsonObject, definitions: dict[str, JsonObject]) -> JsonObject:
    return definitions[schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema


def _path_parameters(path: str) -> Iterator[JsonObject]:
    for name, kind in re.findall(r"{(\w+)(?::(\w+))?}", path):
        schema = {"type": "integer", "minimum": 0} if kind == "int" else {"type": "string", "minLength": 1}
        yield {"name": name, "in": "path", "required": True, "schema": schema}


def _query_parameters(schema: JsonObject) -> Iterator[JsonObject]:
    required = schema.get("required", ())
    for name, one in schema["properties"].items():
        parameter = {"name": name, "in": "query", "required": name in required, "schema": one}
        if one.get("type") == "array":
            parameter |= {"style": "form", "explode": False}
        if "description" in one:
            parameter["description"] = one["description"]
        yield parameter


def _responses(place: Operations, operation: Operation, schemas: dict[Wanted, JsonObject]) -> JsonObject:
    shape = operation.shape
    found: JsonObject = {}
    result = _result(shape.result)
    if isinstance(shape.result, MediaTypes):
        content = {name: {} for name in shape.result.names}
        found["200"] = {"description": "The content.", "content": content}
        if shape.result.ranges:
            found["206"] = {"description": "The byte range.", "content": content}
    elif isinstance(shape.result, JsonBody) and result is not None:
        found[str(shape.status)] = {"description": "The result.", "content": {JSON: {"schema": schemas[result]}}}
    elif shape.result is not NoReturn:
        data = {"type": "object"} if result is None else schemas[result]
        envelope = {
            "type": "object",
            "properties": {"success": {"const": True}, "data": data},
            "required": ["success", "data"],
        }
        found[str(shape.status)] = {"description": "The result.", "content": {JSON: {"schema": envelope}}}
    statuses = (*ANY_OPERATION, *(KEY_NEEDED if place.key_needed else LINK_NEEDED))
    for status in sorted(statuses):
        content: JsonObject = {JSON: {"schema": schemas[ErrorBody, "validation"]}}
        if not place.key_needed:
            content["text/html"] = {}
        if status == 416:
            content = {}
        found[str(status)] = {"description": MEANINGS[status], **({"content": content} if content else {})}
    return found
