"""Definition of a tool as one typed async function that returns a model.

The function raises ``rtstream.errors``, which become results that a model can act on. Returned models become structured
content and the same JSON as compact text, because hosts differ in which of the two they show to their model.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Self, TypeVar

from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ToolError
from mcp.server.mcpserver.tools import Tool
from mcp_types import CallToolResult, ContentBlock, InputRequiredResult, TextContent, ToolAnnotations
from pydantic import BaseModel, PrivateAttr, ValidationError

from rtstream.client import Feed, RTStreamClient
from rtstream.client.markdown import for_chat
from rtstream.errors import RTStreamError
from rtstream.json_types import JsonObject
from tools._framework.arguments import named
from tools._framework.clock import Clock
from tools._framework.confirmation import AnyContext, Question, confirmed
from tools._framework.groups import GROUPS
from tools._framework.links import with_reach
from tools._framework.session import SessionRemarks

REMARKS = frozenset({"note", "next", "now", "repeated", "total", "truncated", "timed_out", "width", "height"})
"""Fields of results that a schema does not list. They are for the model that reads a result, not for its plans."""

MAX_FIELDS = 6
"""Fields that the schema of a result lists at most."""

ToolFunction = TypeVar("ToolFunction", bound=Callable[..., Awaitable[object]])


@dataclass
class Live:
    """State shared by all tools: the API, its messages, and the limits of waits in seconds."""

    client: RTStreamClient
    feed: Feed
    clock: Clock
    wait_default_s: float = 20.0
    wait_max_s: float = 50.0
    waiting: int = 0
    remarks: SessionRemarks = field(default_factory=SessionRemarks)


ToolContext = Context[Live, Any]  # Any: the request of whichever transport is used


def live(ctx: ToolContext) -> Live:
    """The shared state of a call."""
    return ctx.request_context.lifespan_context


def once(ctx: ToolContext, remark: str | None) -> str | None:
    """The sentences of a remark that this session has not received yet, or None.

    For remarks on the settings of the engine, on which the user of a chat has no influence.
    """
    return live(ctx).remarks.fresh(ctx.headers, remark)


class WithContent(BaseModel):
    """A result with additional content that is not JSON, such as a picture."""

    _content: list[ContentBlock] = PrivateAttr(default_factory=list)

    def beside(self, *content: ContentBlock) -> Self:
        """Add content and return the result."""
        self._content = [*content]
        return self


@dataclass(frozen=True, eq=False)
class Definition:
    """Properties of a tool besides its function's signature and docstring."""

    fn: Callable[..., Awaitable[object]]
    title: str
    annotations: ToolAnnotations
    group: str
    default: bool
    confirm: Question


_defined: dict[str, list[Definition]] = {}


def tool(
    title: str,
    *,
    read_only: bool,
    destructive: bool = False,
    idempotent: bool = False,
    open_world: bool = False,
    group: str = "",
    default: bool = False,
    confirm: Question = "",
) -> Callable[[ToolFunction], ToolFunction]:
    """Make a function a tool. Its docstring is the description that models read.

    Args:
        title: Title that clients show.
        read_only: The tool changes nothing.
        destructive: The tool deletes something.
        idempotent: A second call with the same arguments changes nothing more.
        open_world: The tool reaches beyond the engine, to a source or a webhook.
        group: One of ``GROUPS`` of ``groups.py``; by default the name of the module, if it is one. A tool of no group
            is among the default ones.
        default: The tool is among those that every conversation loads. Others are selected by group.
        confirm: Question that the user has to confirm first, with the name of the item to delete: a function of the
            context and some of the tool's parameters, or a format string if the item has no name. Every destructive
            tool has one. With it, the tool has a parameter ``confirm``. See ``tools._framework.confirmation``.
    """

    def define(fn: ToolFunction) -> ToolFunction:
        hints = ToolAnnotations(
            read_only_hint=read_only,
            destructive_hint=destructive,
            idempotent_hint=idempotent or read_only,
            open_world_hint=open_world,
        )
        family = group or fn.__module__.rpartition(".")[2]
        family = family if family in GROUPS else ""
        assert confirm or not destructive, f"{fn.__name__}: a destructive tool needs a question"
        _defined.setdefault(fn.__module__, []).append(Definition(fn, title, hints, family, default, confirm))
        return fn

    return define


def defined_in(module: str) -> list[Definition]:
    """The tools of a module in their order of definition."""
    return _defined[module]


class EngineTool(Tool):
    """A tool that reports expected failures as one sentence and returns compact text."""

    async def run(self, arguments: JsonObject, context: AnyContext, convert_result: bool = False) -> object:
        """Run the tool as the SDK does, and pass the messages of ``rtstream.errors`` on unchanged."""
        try:
            arguments = named(self.name, arguments, self.parameters)
        except RTStreamError as exc:
            raise ToolError(for_chat(exc.message)) from exc
        try:
            result = await super().run(arguments, context)
        except ToolError as exc:
            cause = exc.__cause__
            if isinstance(cause, RTStreamError):
                raise ToolError(for_chat(cause.message)) from cause
            if isinstance(cause, ValidationError):
                raise ToolError(for_chat(_rejected(self.name, cause))) from cause
            if isinstance(cause, ToolError):
                raise cause from None
            raise
        if isinstance(result, InputRequiredResult):
            return result
        return await rendered(result, _clock_of(context)) if convert_result else result


@cache
def build(definition: Definition) -> Tool:
    """Build the tool of a definition. All servers of a process share it, because its schemas take 10 ms."""
    fn = confirmed(definition.fn, definition.confirm) if definition.confirm else definition.fn
    doc = " ".join((fn.__doc__ or "").split())
    built = EngineTool.from_function(fn, title=definition.title, description=doc, annotations=definition.annotations)
    built.parameters = _without_repetition(_portable(_concise(_inlined(built.parameters))))
    parameters = built.parameters.get("properties", {})
    built.fn_metadata.output_schema = _shallow(_concise(_inlined(built.fn_metadata.output_schema)), parameters)
    return built


# Any: a part of a JSON schema.
def _inlined(schema: Any, parts: JsonObject | None = None) -> Any:
    """Replace references in a JSON schema by definitions. The result is shorter, and some hosts ignore references."""
    if isinstance(schema, list):
        return [_inlined(part, parts) for part in schema]
    if not isinstance(schema, dict):
        return schema
    parts = schema.get("$defs", {}) if parts is None else parts
    own = {key: _inlined(value, parts) for key, value in schema.items() if key not in ("$defs", "$ref")}
    if "$ref" not in schema:
        return own
    part = _inlined(parts[schema["$ref"].rpartition("/")[2]], parts)
    return {key: value for key, value in part.items() if key != "description"} | own


# Any: a part of a JSON schema.
def _concise(schema: Any) -> Any:
    """Remove redundant parts of a JSON schema, because every conversation loads it.

    Titles repeat the names. Results never contain null, and a null argument equals an omitted one.
    """
    if isinstance(schema, list):
        return [_concise(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    options = schema.get("anyOf")
    if (
        isinstance(options, list)
        and {"type": "null"} in options
        and len(options) == 2
        and schema.get("default") is None
    ):
        option = next(option for option in options if option != {"type": "null"})
        schema = option | {key: value for key, value in schema.items() if key not in ("anyOf", "default")}
    kept = {key: value for key, value in schema.items() if key != "title" or not isinstance(value, str)}
    return {key: _concise(value) for key, value in kept.items() if not _goes_without_saying(key, value)}


def _shallow(schema: JsonObject | None, parameters: Collection[str]) -> JsonObject | None:
    """Return the schema of a result with the names of its main fields only, because a model reads the result itself.

    Fields that repeat a parameter are left out, except for a cursor. The first fields of a model are its main ones.
    """
    if schema is None:
        return None
    repeated = set(parameters) - {"cursor"}
    names = [name for name in schema.get("properties", {}) if name not in REMARKS | repeated][:MAX_FIELDS]
    return {"properties": {name: {} for name in names}, "type": "object"}


def _without_repetition(schema: JsonObject) -> JsonObject:
    """Return the schema of parameters without a description of ``end`` that repeats that of ``start``."""
    fields = dict(schema.get("properties", {}))
    start, end = fields.get("start"), fields.get("end")
    if start is not None and end is not None and start.get("description") == end.get("description"):
        fields["end"] = {key: value for key, value in end.items() if key != "description"}
    return {**schema, "properties": fields} if fields else schema


# Any: a part of a JSON schema.
def _portable(schema: Any) -> Any:
    """Rewrite a schema of parameters in the words that every provider of models accepts.

    Some providers refuse the whole list of tools for a constant, an exclusive limit, or an object without properties.
    The limits are still enforced. An object of any content becomes its JSON text, which is parsed before validation.
    """
    if isinstance(schema, list):
        return [_portable(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    if schema.get("type") == "object" and not isinstance(schema.get("properties"), dict):
        text = schema.get("description", "")
        return {"type": "string", "description": text if "JSON" in text else f"{text} JSON.".lstrip()}
    if schema.get("type") == "array" and "items" not in schema:
        schema = {**schema, "items": {"type": "string"}}
    if isinstance(schema.get("const"), str):
        schema = {"type": "string", "enum": [schema["const"]], **schema}
        schema.pop("default", None)
    dropped = ("const", "exclusiveMinimum", "exclusiveMaximum", "additionalProperties")
    return {
        key: _portable_properties(value) if key == "properties" else _portable(value)
        for key, value in schema.items()
        if key not in dropped
    }


def _portable_properties(properties: JsonObject) -> JsonObject:
    return {name: _portable(schema) for name, schema in properties.items()}


def _goes_without_saying(key: str, value: object) -> bool:
    """Limits that no caller reaches by accident, and defaults of JSON Schema. They are still enforced."""
    match key:
        case "minLength" | "maxLength":
            return isinstance(value, int)
        case "minimum":
            return value in (0, 1)
        case "additionalProperties":
            return value is True
        case "default":
            return value is None or value is False or value == "" or isinstance(value, dict)
    return False


def _clock_of(context: AnyContext) -> Clock | None:
    try:
        state = context.request_context.lifespan_context
    except ValueError:  # called without a request
        return None
    return state.clock if isinstance(state, Live) else None


async def rendered(result: object, clock: Clock | None) -> CallToolResult:
    """Return the result of a tool as structured content and as the same JSON in text, with its times in ISO 8601."""
    assert isinstance(result, BaseModel), "a tool returns a model"
    extra = result._content if isinstance(result, WithContent) else []
    structured = with_reach(for_chat(result.model_dump(mode="json", exclude_none=True)))
    if clock is not None:
        structured = await clock.with_times(structured)
    text = TextContent(type="text", text=json.dumps(structured, ensure_ascii=False, separators=(",", ":")))
    return CallToolResult(content=[*extra, text], structured_content=structured)


def _rejected(name: str, error: ValidationError) -> str:
    parts = [f"{'.'.join(str(part) for part in item['loc'])}: {item['msg']}" for item in error.errors()[:5]]
    return f"{name} was not called, because its arguments are invalid. {'; '.join(parts)}."
