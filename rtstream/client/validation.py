"""What goes over the wire, checked on both sides: ids in paths, objects in answers."""

from __future__ import annotations

from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from rtstream.errors import NotFound, Unavailable
from rtstream.json_types import JsonObject

ModelT = TypeVar("ModelT", bound=BaseModel)


def path_id(value: str) -> str:
    """An id as one path segment. Ids come from models: one with a slash must not reach another route."""
    if not value or not all(c.isalnum() or c in "-_." for c in value) or value.strip(".") == "" or not value.isascii():
        raise NotFound("That is not an id: ids consist of letters, digits, '-' and '_', for example 'rts-0195f3c2'.")
    return value


def as_model(model: type[ModelT], data: Any) -> ModelT:
    """``data`` as a model. Raises Unavailable when it does not fit."""
    try:
        return model.model_validate(data)
    except ValidationError as exc:
        raise Unavailable(
            f"The service answered with a {model.__name__} this version does not understand: update rtstream-mcp."
        ) from exc


def as_list(model: type[ModelT], data: Any, key: str) -> list[ModelT]:
    """``data[key]`` as models; without it, none. Raises Unavailable when one does not fit."""
    return [as_model(model, row) for row in (data or {}).get(key) or []]


def body_of(request: BaseModel) -> JsonObject:
    """What is given of a request, as JSON."""
    return request.model_dump(mode="json", by_alias=True, exclude_none=True)
