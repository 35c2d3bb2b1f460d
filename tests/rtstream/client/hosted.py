"""A service that speaks the published API only: no journal, no numbers, messages for bound connections."""

from __future__ import annotations

import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import anyio
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect


@dataclass
class Hosted:
    """The requests that the service received, and its open connection."""

    url: str = ""
    asked: list[tuple[str, str, Any]] = field(default_factory=list)
    sockets: list[WebSocket] = field(default_factory=list)
    fail: int = 0
    connections: int = 0

    async def send(self, channel: str, **data: Any) -> None:
        """Send a message as the hosted service does."""
        message = {"channel": channel, "rtstream_id": "rts-1", "rtstream_name": "Door", "data": data}
        await self.sockets[-1].send_text(json.dumps(message))


@asynccontextmanager
async def hosted_service() -> AsyncIterator[Hosted]:
    """The service on a port of its own."""
    service = Hosted()

    def ok(data: Any) -> JSONResponse:
        return JSONResponse({"success": True, "data": data})

    async def answer(request: Request) -> JSONResponse:
        body = await request.json() if await request.body() else None
        path = request.url.path
        service.asked.append((request.method, path, body))
        if service.fail:
            service.fail -= 1
            return JSONResponse({"success": False, "message": "busy"}, status_code=503)
        match request.method, path:
            case "GET", "/collection/default/websocket":
                return ok({"websocket_url": f"{service.url.replace('http', 'ws')}/ws?ticket=1"})
            case "POST", "/rtstream/event":
                return ok({"event_id": "3c9a1f0e7b5d2468"})
            case "POST", "/rtstream/rts-1/index/7f3a/alert":
                return ok({"alert_id": "a1b2"})
            case "GET", "/rtstream/rts-1/index/scene/7f3a":
                record = {"start": 1.0, "end": 2.0, "description": "An empty porch."}
                return ok({"scene_index_records": [record], "next_page": False})
            case "GET", "/rtstream/rts-1":
                return ok({"id": "rts-1", "name": "Door", "status": "connected"})
            case "GET", "/html":
                return JSONResponse("no object")
        return JSONResponse({"success": False, "message": f"Not found: {request.headers['x-access-token']}"}, 404)

    async def connect(websocket: WebSocket) -> None:
        await websocket.accept()
        service.connections += 1
        await websocket.send_json({"connection_id": f"wsc-{service.connections}"})
        service.sockets.append(websocket)
        try:
            while True:
                await websocket.receive_text()
        except WebSocketDisconnect:
            pass

    app = Starlette(
        routes=[
            WebSocketRoute("/ws", connect),
            Route("/{path:path}", answer, methods=["GET", "POST", "PATCH"]),
        ]
    )
    listener = socket.create_server(("127.0.0.1", 0))
    service.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    config = uvicorn.Config(app, log_level="error", ws="websockets-sansio", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(server._serve, [listener])
        yield service
        server.should_exit = True
