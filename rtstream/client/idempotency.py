"""Keys that make a repeated call of a tool return the first result."""

from __future__ import annotations

import hashlib
import json

from rtstream.json_types import JsonObject


def idempotency_key(call: str, arguments: JsonObject) -> str:
    """Return the key of a call. Equal calls have equal keys, and arguments that are None count as absent."""
    given = {name: value for name, value in arguments.items() if value is not None}
    content = json.dumps([call, given], sort_keys=True, default=str)
    return hashlib.sha256(content.encode()).hexdigest()
