"""Events, and alerts on scene indexes (API reference 2.12, 2.13)."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import Response

from rtstream.api.envelope import UnixTime, body, ok, query
from rtstream.api.routing import engine_of
from rtstream.errors import InvalidRequest
from rtstream.models import CreateAlert, CreateEvent, EventTest, UpdateEvent


class SwitchAlert(BaseModel):
    """Body of the status call of an alert, in the forms of the client and of the published API."""

    action: Literal["enable", "disable"] | None = None
    status: Literal["enabled", "disabled"] | None = None


class ReadDecisions(BaseModel):
    """Query of an alert's decision log."""

    start: UnixTime | None = None
    end: UnixTime | None = None
    page: int = Field(1, ge=1, le=1_000_000)
    page_size: int = Field(100, ge=1, le=1000)


class ReadDeliveries(BaseModel):
    """Query of an alert's delivery log."""

    limit: int = Field(20, ge=1, le=1000)


class Redeliver(BaseModel):
    """Body of ``POST .../alert/{alert_id}/redeliver``. Without an id, all dead deliveries are sent again."""

    delivery_id: str | None = None


class DryRun(EventTest):
    """Body of ``POST rtstream/{id}/event/test``."""

    start: UnixTime | None = None
    end: UnixTime | None = None


def _alert(request: Request) -> tuple[str, str, str]:
    ids = request.path_params
    return ids["stream_id"], ids["index_id"], ids["alert_id"]


async def create_event(request: Request) -> Response:
    """Create an event."""
    return ok(await engine_of(request).create_event(await body(request, CreateEvent)), 201)


async def list_events(request: Request) -> Response:
    """List all events."""
    return ok({"events": await engine_of(request).list_events()})


async def update_event(request: Request) -> Response:
    """Update the prompt, label or rule of an event."""
    change = await body(request, UpdateEvent)
    return ok(await engine_of(request).watches.update_event(request.path_params["event_id"], change))


async def delete_event(request: Request) -> Response:
    """Delete an event with its alerts."""
    await engine_of(request).watches.delete_event(request.path_params["event_id"])
    return ok()


async def test_event(request: Request) -> Response:
    """Test an event on past scenes without creating anything."""
    wanted = await body(request, DryRun)
    decisions = await engine_of(request).watches.test_event(request.path_params["stream_id"], wanted)
    return ok({"decisions": decisions})


async def create_alert(request: Request) -> Response:
    """Create an alert on an index."""
    wanted = await body(request, CreateAlert)
    wanted.callback_url = wanted.callback_url or None  # an empty URL means no webhook
    stream_id, index_id = request.path_params["stream_id"], request.path_params["index_id"]
    return ok(await engine_of(request).create_alert(stream_id, index_id, wanted), 201)


async def list_alerts(request: Request) -> Response:
    """List the alerts of an index."""
    stream_id, index_id = request.path_params["stream_id"], request.path_params["index_id"]
    return ok({"alerts": await engine_of(request).list_alerts(stream_id, index_id)})


async def switch_alert(request: Request) -> Response:
    """Enable or disable an alert. Repeated calls have no further effect."""
    wanted = await body(request, SwitchAlert)
    engine = engine_of(request)
    ids = _alert(request)
    match wanted.action or wanted.status:
        case "enable" | "enabled":
            return ok(await engine.enable_alert(*ids))
        case "disable" | "disabled":
            return ok(await engine.disable_alert(*ids))
    raise InvalidRequest("The action is missing. Send enable or disable.")


async def delete_alert(request: Request) -> Response:
    """Delete an alert with its logs."""
    await engine_of(request).watches.delete_alert(*_alert(request))
    return ok()


async def decisions(request: Request) -> Response:
    """List the decision about each scene with its reason, newest first."""
    wanted = query(request, ReadDecisions)
    found, more = await engine_of(request).watches.decisions(*_alert(request), **wanted.model_dump())
    return ok({"decisions": found, "next_page": more})


async def deliveries(request: Request) -> Response:
    """List the newest deliveries with all attempts, newest first."""
    wanted = query(request, ReadDeliveries)
    return ok({"deliveries": await engine_of(request).watches.deliveries(*_alert(request), wanted.limit)})


async def redeliver(request: Request) -> Response:
    """Send one delivery again, or all dead ones."""
    wanted = await body(request, Redeliver)
    return ok({"redelivered": await engine_of(request).watches.redeliver(*_alert(request), wanted.delivery_id)})
