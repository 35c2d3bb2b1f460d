"""Confirmation of destructive tools by the user, or by the model on behalf of the user."""

from __future__ import annotations

import inspect
import string
from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated, Any, get_type_hints

from mcp.server.elicitation import AcceptedElicitation, ElicitationResult
from mcp.server.mcpserver import Context, Elicit, Resolve
from mcp.server.mcpserver.exceptions import ToolError
from pydantic import BaseModel, Field

from rtstream.client.markdown import for_chat, quoted
from rtstream.json_types import JsonObject
from rtstream.rules.text_safety import clean

# Any: neither the state of the server nor its transport matters here.
AnyContext = Context[Any, Any]

MAX_QUESTION = 1500
MAX_NAMES = 5
Question = str | Callable[..., Awaitable[str]]
"""A question about some arguments of a tool, which are the names in a format string or the parameters of a function.

A function is passed the context first. It returns the question with the name of the item to delete, ``quoted``, and
raises ``rtstream.errors`` if there is no such item. Without a question, no permission is needed. It must return the
same question again while the user thinks, so it contains nothing that changes by itself, such as the size of a
recording.
"""
Confirm = Annotated[bool, Field(description="True only after the user agreed to exactly this.")]


class Permission(BaseModel):
    """Form that is shown to the user."""

    confirm: bool = Field(description="Confirm. This cannot be undone.")


Answer = ElicitationResult[Permission]


def confirmed(fn: Callable[..., Awaitable[object]], question: Question) -> Callable[..., Awaitable[object]]:
    """Add a parameter ``confirm`` to ``fn``, and run it only with permission.

    A client that supports forms asks its user ``question``, whatever the model passes. With any other client, the
    model has to pass ``confirm=true``. Names and arguments in ``question`` show no links and load nothing.
    """
    named = _parameters(question)
    hints = get_type_hints(fn, include_extras=True)

    async def permission(ctx: AnyContext, confirm: bool, **arguments: object) -> Elicit[Permission] | Permission:
        asked = question.format(**arguments) if isinstance(question, str) else await question(ctx, **arguments)
        asked = for_chat(clean(asked, MAX_QUESTION))
        if not asked:
            return Permission(confirm=True)
        if _can_ask(ctx):
            return Elicit(asked, Permission)
        if not confirm:
            raise ToolError(
                f"Nothing was done. Ask the user first: {asked} If they agree, call again with confirm=true."
            )
        return Permission(confirm=True)

    async def run(*, confirm: bool, permission: Answer, **arguments: object) -> object:
        if not (isinstance(permission, AcceptedElicitation) and permission.data.confirm):
            raise ToolError(
                "Nothing was done, because the user did not agree. Do not try again unless they ask for it."
            )
        return await fn(**arguments)

    asks = {name: hints[name] for name in named}
    _declare(permission, {"ctx": AnyContext, "confirm": bool, **asks}, Elicit[Permission] | Permission)
    given = {name: hints[name] for name in inspect.signature(fn).parameters}
    _declare(
        run,
        {**given, "confirm": Confirm, "permission": Annotated[Answer, Resolve(permission)]},
        hints["return"],
        {name: p.default for name, p in inspect.signature(fn).parameters.items()} | {"confirm": False},
    )
    run.__name__ = fn.__name__
    run.__doc__ = fn.__doc__
    run.__module__ = fn.__module__
    return run


def listed(kind: str, names: Sequence[str], plural: str = "") -> str:
    """Return the names of items that are deleted as well, for a question, such as ``, the alert "Door"``."""
    if not names:
        return ""
    shown = ", ".join(quoted(name) for name in names[:MAX_NAMES])
    more = f" and {len(names) - MAX_NAMES} more" if len(names) > MAX_NAMES else ""
    return f", the {kind if len(names) == 1 else plural or kind + 's'} {shown}{more}"


def _parameters(question: Question) -> list[str]:
    if isinstance(question, str):
        return [name for _, name, _, _ in string.Formatter().parse(question) if name]
    return [name for name in inspect.signature(question).parameters if name != "ctx"]


def _declare(
    fn: Callable[..., object], parameters: JsonObject, gives: object, defaults: JsonObject | None = None
) -> None:
    """Set the signature of ``fn``, from which the SDK builds schemas."""
    kind = inspect.Parameter.KEYWORD_ONLY
    fn.__signature__ = inspect.Signature(  # pyright: ignore[reportFunctionMemberAccess]
        [
            inspect.Parameter(name, kind, annotation=hint, default=(defaults or {}).get(name, inspect.Parameter.empty))
            for name, hint in parameters.items()
        ],
        return_annotation=gives,
    )
    fn.__annotations__ = {**parameters, "return": gives}


def _can_ask(ctx: AnyContext) -> bool:
    """Whether the client shows forms to its user. A capability without details means that it does."""
    capabilities = ctx.client_capabilities
    asking = capabilities.elicitation if capabilities is not None else None
    return asking is not None and (asking.form is not None or asking.url is None)
