"""Events, and alerts on scene indexes (API reference 2.12, 2.13)."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from rtstream.api.envelope import body, ok
from rtstream.api.routing import engine_of
from rtstream.errors import InvalidRequest
from rtstream.models import CreateAlert, CreateEvent


class SwitchAlert(BaseModel):
    """Body of an alert's status call: the client's form and the published one."""

    action: Literal["enable", "disable"] | None = None
    status: Literal["enabled", "disabled"] | None = None


async def create_event(request: Request) -> Response:
    """A new detection rule."""
    return ok(await engine_of(request).create_event(await body(request, CreateEvent)), 201)


async def list_events(request: Request) -> Response:
    """All detection rules."""
    return ok({"events": await engine_of(request).list_events()})


async def create_alert(request: Request) -> Response:
    """Watch for an event on an index."""
    wanted = await body(request, CreateAlert)
    wanted.callback_url = wanted.callback_url or None  # "" means: no webhook
    stream_id, index_id = request.path_params["stream_id"], request.path_params["index_id"]
    return ok(await engine_of(request).create_alert(stream_id, index_id, wanted), 201)


async def list_alerts(request: Request) -> Response:
    """All alerts of an index."""
    stream_id, index_id = request.path_params["stream_id"], request.path_params["index_id"]
    return ok({"alerts": await engine_of(request).list_alerts(stream_id, index_id)})


async def switch_alert(request: Request) -> Response:
    """Enable or disable; doing it twice is fine."""
    wanted = await body(request, SwitchAlert)
    engine = engine_of(request)
    ids = [request.path_params[name] for name in ("stream_id", "index_id", "alert_id")]
    match wanted.action or wanted.status:
        case "enable" | "enabled":
            return ok(await engine.enable_alert(*ids))
        case "disable" | "disabled":
            return ok(await engine.disable_alert(*ids))
    raise InvalidRequest("action is missing. Send enable or disable.")
