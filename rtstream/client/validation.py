"""Validates ids in request paths and objects in responses."""

from __future__ import annotations

from typing import TypeVar

from pydantic import BaseModel, ValidationError

from rtstream.errors import NotFound, Unavailable
from rtstream.json_types import JsonObject

ModelT = TypeVar("ModelT", bound=BaseModel)


def path_id(value: str) -> str:
    """Return an id as a path segment.

    Ids come from models, and one with a slash must not reach another route.

    Raises:
        NotFound: The value is not an id.
    """
    if not value or not all(c.isalnum() or c in "-_." for c in value) or value.strip(".") == "" or not value.isascii():
        raise NotFound("Invalid id. Ids consist of letters, digits, '-' and '_', for example 'rts-0195f3c2'.")
    return value


def as_model(model: type[ModelT], data: object) -> ModelT:
    """Validate ``data`` as a model.

    Raises:
        Unavailable: The data does not match the model.
    """
    try:
        return model.model_validate(data)
    except ValidationError as exc:
        raise Unavailable(
            f"This version does not understand the {model.__name__} returned by the service. Update rtstream-mcp."
        ) from exc


def as_changed(model: type[ModelT], data: object, extension: str) -> ModelT | None:
    """Validate the object that the response to a change contains.

    Services without our additions return a part of the object or nothing.

    Args:
        model: The model of the object.
        data: The data of the response.
        extension: Name of a field that only this engine returns.

    Returns:
        The object, or None if the response does not contain all of it.

    Raises:
        Unavailable: The data does not match the model.
    """
    if not isinstance(data, dict) or extension not in data:
        return None
    return as_model(model, data)


def as_list(model: type[ModelT], data: JsonObject | None, key: str) -> list[ModelT]:
    """Validate ``data[key]`` as a list of models, which is empty if the key is missing.

    Raises:
        Unavailable: An element does not match the model.
    """
    return [as_model(model, row) for row in (data or {}).get(key) or []]


def body_of(request: BaseModel) -> JsonObject:
    """Return the fields that are set in a request, as JSON."""
    return request.model_dump(mode="json", by_alias=True, exclude_none=True)
