"""Types of decoded JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

JsonObject: TypeAlias = dict[str, Any]
"""A decoded JSON object. Its values are ``Any``, as from ``json.loads``: the code that reads a field checks it."""

if TYPE_CHECKING:
    JsonValue: TypeAlias = bool | int | float | str | list["JsonValue"] | dict[str, "JsonValue"] | None
    """Any decoded JSON value. Narrow it with ``isinstance`` before use."""
else:
    JsonValue = Any  # Any: pydantic would walk through every value to prove what json.loads has proved already
