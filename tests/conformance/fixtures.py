"""Objects that the conformance suite expects of a server, added to the product for the test only.

Names, texts and behaviour are the suite's own requirements (``conformance list``, and its scenarios' descriptions).
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any, TypeVar

import anyio
from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ToolError
from mcp.server.mcpserver.prompts.base import UserMessage
from mcp.server.mcpserver.tools import Tool
from mcp.shared.exceptions import MCPError
from mcp_types import (
    MISSING_REQUIRED_CLIENT_CAPABILITY,
    AudioContent,
    CallToolResult,
    CreateMessageRequest,
    CreateMessageRequestParams,
    ElicitRequest,
    ElicitRequestFormParams,
    ElicitResult,
    EmbeddedResource,
    EmptyResult,
    ImageContent,
    InputRequiredResult,
    ListRootsRequest,
    SamplingMessage,
    SetLevelRequestParams,
    TextContent,
    TextResourceContents,
)
from pydantic import BaseModel, Field

from rtstream.client import RTStreamClient
from server.mcp_server import McpEndpoint, create_mcp_server
from server.settings import Settings

PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg=="
WAV = base64.b64encode(b"RIFF$\0\0\0WAVEfmt \x10\0\0\0\1\0\1\0\x40\x1f\0\0\x40\x1f\0\0\1\0\x08\0data\0\0\0\0").decode()
WATCHED = "test://watched-resource"

Ctx = Context[Any, Any]
Fixture = TypeVar("Fixture", bound=Callable[..., Any])
tools: list[Callable[..., Any]] = []
prompts: list[Callable[..., Any]] = []


def tool(fn: Fixture) -> Fixture:
    tools.append(fn)
    return fn


def prompt(fn: Fixture) -> Fixture:
    prompts.append(fn)
    return fn


def with_fixtures(settings: Settings, client: RTStreamClient) -> McpEndpoint:
    """The product as its settings want it, and the fixtures."""
    endpoint = create_mcp_server(settings, client)
    offered: dict[str, Tool] = endpoint.mcp._tools  # pyright: ignore[reportAttributeAccessIssue]
    for fn in tools:
        offered[fn.__name__] = Tool.from_function(fn, description="A fixture.", structured_output=False)
    schema = offered["json_schema_2020_12_tool"]
    schema.parameters = JSON_SCHEMA
    for fn in prompts:
        endpoint.mcp.prompt(description="A fixture.")(fn)
    endpoint.mcp.resource("test://static-text", mime_type="text/plain")(static_text)
    endpoint.mcp.resource("test://static-binary", mime_type="image/png")(static_binary)
    endpoint.mcp.resource("test://template/{id}/data", mime_type="application/json")(template_data)
    interest = endpoint.notifier.interest

    async def watched(uris: list[str]) -> list[str]:
        return [*(uri for uri in uris if uri == WATCHED), *await interest([uri for uri in uris if uri != WATCHED])]

    async def set_level(_: Any, params: SetLevelRequestParams) -> EmptyResult:
        return EmptyResult()

    endpoint.notifier.interest = watched
    endpoint.mcp._lowlevel_server.add_request_handler("logging/setLevel", SetLevelRequestParams, set_level)
    return endpoint


# resources


def static_text() -> str:
    return "This is the content of the static text resource."


def static_binary() -> bytes:
    return base64.b64decode(PNG)


def template_data(id: str) -> str:
    return json.dumps({"id": id, "templateTest": True, "data": f"Data for ID: {id}"})


# tools that give content


def text(words: str) -> CallToolResult:
    return CallToolResult(content=[TextContent(type="text", text=words)])


def embedded(uri: str, mime_type: str, words: str) -> EmbeddedResource:
    return EmbeddedResource(type="resource", resource=TextResourceContents(uri=uri, mime_type=mime_type, text=words))


IMAGE = ImageContent(type="image", data=PNG, mime_type="image/png")


@tool
async def test_simple_text() -> CallToolResult:
    return text("This is a simple text response for testing.")


@tool
async def test_image_content() -> CallToolResult:
    return CallToolResult(content=[IMAGE])


@tool
async def test_audio_content() -> CallToolResult:
    return CallToolResult(content=[AudioContent(type="audio", data=WAV, mime_type="audio/wav")])


@tool
async def test_embedded_resource() -> CallToolResult:
    return CallToolResult(
        content=[embedded("test://embedded-resource", "text/plain", "This is an embedded resource content.")]
    )


@tool
async def test_multiple_content_types() -> CallToolResult:
    data = json.dumps({"test": "data", "value": 123})
    mixed = embedded("test://mixed-content-resource", "application/json", data)
    return CallToolResult(content=[TextContent(type="text", text="Multiple content types test:"), IMAGE, mixed])


@tool
async def test_error_handling() -> CallToolResult:
    raise ToolError("This tool intentionally returns an error for testing")


@tool
async def test_tool_with_progress(ctx: Ctx) -> CallToolResult:
    for percent in (0, 50, 100):
        await ctx.report_progress(percent, 100)
        await anyio.sleep(0.05)
    return text("Done.")


@tool
async def test_tool_with_logging(ctx: Ctx) -> CallToolResult:
    for line in ("Tool execution started", "Tool processing data", "Tool execution completed"):
        await ctx.info(line)  # pyright: ignore[reportDeprecated]
        await anyio.sleep(0.05)
    return text("Done.")


JSON_SCHEMA: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "$defs": {
        "address": {
            "$anchor": "addressDef",
            "type": "object",
            "properties": {"street": {"type": "string"}, "city": {"type": "string"}},
        }
    },
    "properties": {
        "name": {"type": "string"},
        "address": {"$ref": "#/$defs/address"},
        "contactMethod": {"type": "string", "enum": ["phone", "email"]},
        "phone": {"type": "string"},
        "email": {"type": "string"},
    },
    "allOf": [{"anyOf": [{"required": ["phone"]}, {"required": ["email"]}]}],
    "if": {"properties": {"contactMethod": {"const": "phone"}}, "required": ["contactMethod"]},
    "then": {"required": ["phone"]},
    "else": {"required": ["email"]},
    "additionalProperties": False,
}


@tool
async def json_schema_2020_12_tool() -> CallToolResult:
    return text("JSON Schema 2020-12")


# tools that ask the client, as the handshake era does


@tool
async def test_sampling(prompt: str, ctx: Ctx) -> CallToolResult:
    message = SamplingMessage(role="user", content=TextContent(type="text", text=prompt))
    answer = await ctx.session.create_message(messages=[message], max_tokens=100)  # pyright: ignore[reportDeprecated]
    assert isinstance(answer.content, TextContent)
    return text(f"LLM response: {answer.content.text}")


class User(BaseModel):
    username: str = Field(description="User's response")
    email: str = Field(description="User's email address")


@tool
async def test_elicitation(message: str, ctx: Ctx) -> CallToolResult:
    answer = await ctx.elicit(message, User)
    return text(f"User response: {answer.model_dump_json()}")


async def elicited(ctx: Ctx, properties: dict[str, Any]) -> CallToolResult:
    schema: dict[str, Any] = {"type": "object", "properties": properties}
    answer = await ctx.session.elicit_form("Please fill in", schema, related_request_id=ctx.request_id)
    return text(f"Elicitation completed: action={answer.action}, content={json.dumps(answer.content)}")


@tool
async def test_elicitation_sep1034_defaults(ctx: Ctx) -> CallToolResult:
    properties = {
        "name": {"type": "string", "default": "John Doe"},
        "age": {"type": "integer", "default": 30},
        "score": {"type": "number", "default": 95.5},
        "status": {"type": "string", "enum": ["active", "inactive", "pending"], "default": "active"},
        "verified": {"type": "boolean", "default": True},
    }
    return await elicited(ctx, properties)


@tool
async def test_elicitation_sep1330_enums(ctx: Ctx) -> CallToolResult:
    options = ["option1", "option2", "option3"]
    titled = [
        {"const": f"value{n}", "title": f"{word} Option"} for n, word in enumerate(("First", "Second", "Third"), 1)
    ]
    names = ["Option One", "Option Two", "Option Three"]
    properties = {
        "untitledSingle": {"type": "string", "enum": options},
        "titledSingle": {"type": "string", "oneOf": titled},
        "legacyEnum": {"type": "string", "enum": ["opt1", "opt2", "opt3"], "enumNames": names},
        "untitledMulti": {"type": "array", "items": {"type": "string", "enum": options}},
        "titledMulti": {"type": "array", "items": {"anyOf": titled}},
    }
    return await elicited(ctx, properties)


# tools that ask the client, as 2026-07-28 does


def question(message: str, field: str, kind: str = "string") -> ElicitRequest:
    schema = {"type": "object", "properties": {field: {"type": kind}}, "required": [field]}
    return ElicitRequest(params=ElicitRequestFormParams(message=message, requested_schema=schema))


def sample(words: str, max_tokens: int = 100) -> CreateMessageRequest:
    message = SamplingMessage(role="user", content=TextContent(type="text", text=words))
    return CreateMessageRequest(params=CreateMessageRequestParams(messages=[message], max_tokens=max_tokens))


def answered(ctx: Ctx, *names: str) -> bool:
    return all(name in (ctx.input_responses or {}) for name in names)


NAME = question("What is your name?", "name")


@tool
async def test_input_required_result_elicitation(ctx: Ctx) -> CallToolResult | InputRequiredResult:
    answer = (ctx.input_responses or {}).get("user_name")
    if not isinstance(answer, ElicitResult) or not answer.content:
        return InputRequiredResult(input_requests={"user_name": NAME})
    return text(f"Hello, {answer.content['name']}!")


@tool
async def test_input_required_result_sampling(ctx: Ctx) -> CallToolResult | InputRequiredResult:
    if not answered(ctx, "capital_question"):
        asked = sample("What is the capital of France?")
        return InputRequiredResult(input_requests={"capital_question": asked})
    return text((ctx.input_responses or {})["capital_question"].model_dump_json())


@tool
async def test_input_required_result_list_roots(ctx: Ctx) -> CallToolResult | InputRequiredResult:
    if not answered(ctx, "client_roots"):
        return InputRequiredResult(input_requests={"client_roots": ListRootsRequest()})
    return text((ctx.input_responses or {})["client_roots"].model_dump_json())


@tool
async def test_input_required_result_request_state(ctx: Ctx) -> CallToolResult | InputRequiredResult:
    if not answered(ctx, "confirm"):
        asked = question("Please confirm", "ok", "boolean")
        return InputRequiredResult(input_requests={"confirm": asked}, request_state="kept")
    return text("state-ok" if ctx.request_state == "kept" else "state-lost")


@tool
async def test_input_required_result_tampered_state(ctx: Ctx) -> CallToolResult | InputRequiredResult:
    return await test_input_required_result_request_state(ctx)


@tool
async def test_input_required_result_multiple_inputs(ctx: Ctx) -> CallToolResult | InputRequiredResult:
    if not answered(ctx, "user_name", "greeting", "client_roots"):
        asked = {"user_name": NAME, "greeting": sample("Generate a greeting", 50), "client_roots": ListRootsRequest()}
        return InputRequiredResult(input_requests=asked, request_state="kept")
    return text("Thank you.")


@tool
async def test_input_required_result_multi_round(ctx: Ctx) -> CallToolResult | InputRequiredResult:
    if ctx.request_state == "round 2" and answered(ctx, "step2"):
        return text("Thank you.")
    if ctx.request_state == "round 1" and answered(ctx, "step1"):
        asked = question("Step 2: What is your favorite color?", "color")
        return InputRequiredResult(input_requests={"step2": asked}, request_state="round 2")
    asked = question("Step 1: What is your name?", "name")
    return InputRequiredResult(input_requests={"step1": asked}, request_state="round 1")


@tool
async def test_input_required_result_capabilities(ctx: Ctx) -> CallToolResult | InputRequiredResult:
    can = ctx.client_capabilities
    asked: dict[str, Any] = {}
    if can is not None and can.elicitation is not None:
        asked["user_name"] = NAME
    if can is not None and can.sampling is not None:
        asked["greeting"] = sample("Generate a greeting")
    return InputRequiredResult(input_requests=asked)


@tool
async def test_missing_capability(ctx: Ctx) -> CallToolResult:
    can = ctx.client_capabilities
    if can is None or can.sampling is None:
        needs = {"requiredCapabilities": {"sampling": {}}}
        raise MCPError(MISSING_REQUIRED_CLIENT_CAPABILITY, "The client did not declare sampling.", needs)
    return text("Thank you.")


@tool
async def test_trigger_tool_change(ctx: Ctx) -> CallToolResult:
    await ctx.notify_tools_changed()
    return text("Done.")


@tool
async def test_trigger_prompt_change(ctx: Ctx) -> CallToolResult:
    await ctx.notify_prompts_changed()
    return text("Done.")


# prompts


@prompt
async def test_simple_prompt() -> str:
    return "This is a simple prompt for testing."


@prompt
async def test_prompt_with_arguments(arg1: str, arg2: str) -> str:
    return f"Prompt with arguments: arg1='{arg1}', arg2='{arg2}'"


@prompt
async def test_prompt_with_embedded_resource(resourceUri: str) -> list[Any]:
    words = "Embedded resource content for testing."
    return [UserMessage(embedded(resourceUri, "text/plain", words)), "Please process the embedded resource above."]


@prompt
async def test_prompt_with_image() -> list[Any]:
    return [UserMessage(IMAGE), "Please analyze the image above."]


@prompt
async def test_input_required_result_prompt(ctx: Ctx) -> Any:
    if not answered(ctx, "user_context"):
        asked = question("What context should the prompt use?", "context")
        return InputRequiredResult(input_requests={"user_context": asked})
    return "Use the context."
