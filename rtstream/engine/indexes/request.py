"""Checks the requests for indexes."""

from __future__ import annotations

from dataclasses import dataclass

from rtstream.engine.indexes.visual import extraction_config
from rtstream.errors import InvalidRequest
from rtstream.json_types import JsonObject
from rtstream.models import CreateIndex
from rtstream.perception.llm.responses import check_schema
from rtstream.rules import batches
from rtstream.rules.text_safety import clean
from rtstream.store.streams import StreamRow

MAX_PROMPT = 20_000
KINDS = {"time": "time", "time_based": "time", "transcript": "transcript"}
"""Extraction types of the published API."""


@dataclass(frozen=True)
class NewIndex:
    """A checked index that is not stored yet. ``values`` are the columns that the request determines."""

    stream: StreamRow
    values: JsonObject


def checked_index(request: CreateIndex) -> JsonObject:
    """Return the columns of an index that a request determines. Raises InvalidRequest."""
    kind = KINDS.get(request.extraction_type)
    if kind is None:
        raise InvalidRequest("extraction_type must be 'time' (pictures) or 'transcript' (speech).")
    if request.sandbox_id:
        raise InvalidRequest("Sandboxes are not offered. Omit sandbox_id, and choose a model with model_name.")
    if request.prompt is not None and len(request.prompt) > MAX_PROMPT:
        raise InvalidRequest(f"The prompt is longer than {MAX_PROMPT} characters. Shorten it.")
    try:
        config = (extraction_config if kind == "time" else batches.config)(request.extraction_config)
        options = _options(request.model_settings or {}, kind)
    except ValueError as exc:
        raise InvalidRequest(str(exc)) from exc
    return {
        "name": clean(request.name, 200).strip() if request.name else None,
        "extraction_type": kind,
        "extraction_config": config,
        "prompt": request.prompt,
        "model_name": request.model_name,
        "model_config": options,
    }


def _options(given: JsonObject, kind: str) -> JsonObject:
    """Return the supported options of ``model_config``. Raises ValueError with a message for the user."""
    options: JsonObject = {}
    if unknown := sorted(set(given) - {"json_schema", "skip_unchanged"}):
        raise ValueError(
            f"model_config has no {clean(', '.join(unknown), 200)} here. It may hold json_schema (an object) and "
            "skip_unchanged (true or false)."
        )
    schema, skip = given.get("json_schema"), given.get("skip_unchanged")
    if schema is not None:
        if not isinstance(schema, dict):
            raise ValueError("json_schema must be a JSON object, the schema of the response.")
        check_schema(schema)
        options["json_schema"] = schema
    if skip is not None:
        if not isinstance(skip, bool):
            raise ValueError("skip_unchanged must be true or false.")
        if kind != "time":
            raise ValueError("skip_unchanged applies only to visual indexes. Omit it for an audio index.")
        options["skip_unchanged"] = skip
    return options
