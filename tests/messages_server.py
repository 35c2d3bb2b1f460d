"""A server on loopback that speaks Anthropic's Messages protocol, with a scripted model."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import anyio
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from tests.waiting import eventually

USAGE = {"input_tokens": 11, "output_tokens": 7}


@dataclass(frozen=True)
class ToolUse:
    """A call of a tool by the model."""

    name: str
    arguments: dict[str, Any]


Say = str | ToolUse


@dataclass
class MessagesServer:
    """The requests that arrived, and the model's replies to them."""

    reply: Callable[[dict[str, Any]], Say]
    url: str = ""
    requests: list[dict[str, Any]] = field(default_factory=list)
    other_paths: list[str] = field(default_factory=list)

    async def create_message(self, request: Request) -> Response:
        """Serve ``POST /v1/messages``."""
        asked = await request.json()
        self.requests.append(asked)
        block = _block(self.reply(asked), len(self.requests))
        if not asked.get("stream"):
            return JSONResponse({**_message(asked), "content": [block], "stop_reason": _stop_reason(block)})
        return StreamingResponse(_events(asked, block), media_type="text/event-stream")

    async def count_tokens(self, request: Request) -> Response:
        """Serve ``POST /v1/messages/count_tokens``."""
        return JSONResponse({"input_tokens": len(await request.body()) // 4})

    async def unknown(self, request: Request) -> Response:
        """Note a request that the protocol does not have."""
        self.other_paths.append(f"{request.method} {request.url.path}")
        return JSONResponse({"type": "error", "error": {"type": "not_found_error", "message": "Not found."}}, 404)


def results_of(asked: dict[str, Any]) -> list[str]:
    """Return the texts of the results of tools in a request, oldest first."""
    found: list[str] = []
    for message in asked["messages"]:
        content = message["content"]
        for block in content if isinstance(content, list) else []:
            if block["type"] == "tool_result":
                inner = block["content"]
                found.append(inner if isinstance(inner, str) else "".join(part.get("text", "") for part in inner))
    return found


def _message(asked: dict[str, Any]) -> dict[str, Any]:
    fixed = {"id": "msg_1", "type": "message", "role": "assistant", "stop_sequence": None}
    return {**fixed, "model": asked["model"], "content": [], "stop_reason": None, "usage": USAGE}


def _block(said: Say, number: int) -> dict[str, Any]:
    if isinstance(said, str):
        return {"type": "text", "text": said}
    return {"type": "tool_use", "id": f"toolu_{number:024d}", "name": said.name, "input": said.arguments}


def _stop_reason(block: dict[str, Any]) -> str:
    return "tool_use" if block["type"] == "tool_use" else "end_turn"


def _events(asked: dict[str, Any], block: dict[str, Any]) -> Iterator[str]:
    """Yield the events of a streamed message with one block."""
    if block["type"] == "text":
        start, delta = {**block, "text": ""}, {"type": "text_delta", "text": block["text"]}
    else:
        start = {**block, "input": {}}
        delta = {"type": "input_json_delta", "partial_json": json.dumps(block["input"])}
    for event in (
        {"type": "message_start", "message": _message(asked)},
        {"type": "content_block_start", "index": 0, "content_block": start},
        {"type": "content_block_delta", "index": 0, "delta": delta},
        {"type": "content_block_stop", "index": 0},
        {
            "type": "message_delta",
            "delta": {"stop_reason": _stop_reason(block), "stop_sequence": None},
            "usage": USAGE,
        },
        {"type": "message_stop"},
    ):
        yield f"event: {event['type']}\ndata: {json.dumps(event)}\n\n"


@asynccontextmanager
async def messages_server(reply: Callable[[dict[str, Any]], Say]) -> AsyncIterator[MessagesServer]:
    """Serve a model on a free port. ``reply`` returns what it says to a request."""
    server = MessagesServer(reply)
    app = Starlette(
        routes=[
            Route("/v1/messages", server.create_message, methods=["POST"]),
            Route("/v1/messages/count_tokens", server.count_tokens, methods=["POST"]),
            Route("/{rest:path}", server.unknown, methods=["GET", "HEAD", "POST"]),
        ]
    )
    running = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="warning", lifespan="off"))

    async def serve() -> None:
        with anyio.CancelScope(shield=True):  # even a failed test ends it in order
            await running.serve()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(serve)
        await eventually(lambda: running.started, limit_s=10)
        server.url = f"http://127.0.0.1:{running.servers[0].sockets[0].getsockname()[1]}"
        try:
            yield server
        finally:
            running.should_exit = True
