"""Events, and alerts on scene indexes (API reference 2.12, 2.13)."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from rtstream.api.envelope import UnixTime, body, ok, query
from rtstream.api.routing import engine_of
from rtstream.errors import InvalidRequest
from rtstream.models import CreateAlert, CreateEvent, EventTest, Limit, Page, UpdateEvent


class SetAlertStatus(BaseModel):
    """Body of the status call of an alert, in the forms of the client and of the published API."""

    action: Literal["enable", "disable"] | None = None
    status: Literal["enabled", "disabled"] | None = None


class ListDecisions(Page):
    """Query of an alert's decision log."""

    start: UnixTime | None = None
    end: UnixTime | None = None


class ListDeliveries(BaseModel):
    """Query of an alert's delivery log."""

    limit: Limit = 20


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
    return ok(await engine_of(request).alerts.create_event(await body(request, CreateEvent)), 201)


async def list_events(request: Request) -> Response:
    """List all events."""
    return ok({"events": await engine_of(request).alerts.list_events()})


async def update_event(request: Request) -> Response:
    """Update the prompt, label or rule of an event."""
    change = await body(request, UpdateEvent)
    return ok(await engine_of(request).alerts.update_event(request.path_params["event_id"], change))


async def delete_event(request: Request) -> Response:
    """Delete an event with its alerts."""
    await engine_of(request).alerts.delete_event(request.path_params["event_id"])
    return ok()


async def test_event(request: Request) -> Response:
    """Test an event on past scenes without creating anything."""
    wanted = await body(request, DryRun)
    decisions = await engine_of(request).alerts.test_event(request.path_params["stream_id"], wanted)
    return ok({"decisions": decisions})


async def create_alert(request: Request) -> Response:
    """Create an alert on an index."""
    wanted = await body(request, CreateAlert)
    wanted.callback_url = wanted.callback_url or None  # an empty URL means no webhook
    stream_id, index_id = request.path_params["stream_id"], request.path_params["index_id"]
    return ok(await engine_of(request).alerts.create_alert(stream_id, index_id, wanted), 201)


async def list_alerts(request: Request) -> Response:
    """List the alerts of an index."""
    stream_id, index_id = request.path_params["stream_id"], request.path_params["index_id"]
    return ok({"alerts": await engine_of(request).alerts.list_alerts(stream_id, index_id)})


async def set_alert_status(request: Request) -> Response:
    """Enable or disable an alert. Repeated calls have no further effect."""
    wanted = await body(request, SetAlertStatus)
    engine = engine_of(request)
    ids = _alert(request)
    match wanted.action or wanted.status:
        case "enable" | "enabled":
            return ok(await engine.alerts.enable_alert(*ids))
        case "disable" | "disabled":
            return ok(await engine.alerts.disable_alert(*ids))
    raise InvalidRequest("The action is missing. Send enable or disable.")


async def delete_alert(request: Request) -> Response:
    """Delete an alert with its logs."""
    await engine_of(request).alerts.delete_alert(*_alert(request))
    return ok()


async def list_decisions(request: Request) -> Response:
    """List the decision about each scene with its reason, newest first."""
    wanted = query(request, ListDecisions)
    found, more = await engine_of(request).alerts.list_decisions(
        *_alert(request), wanted, start=wanted.start, end=wanted.end
    )
    return ok({"decisions": found, "next_page": more})


async def list_deliveries(request: Request) -> Response:
    """List the newest deliveries with all attempts, newest first."""
    wanted = query(request, ListDeliveries)
    return ok({"deliveries": await engine_of(request).alerts.list_deliveries(*_alert(request), wanted.limit)})


async def redeliver(request: Request) -> Response:
    """Send one delivery again, or all dead ones."""
    wanted = await body(request, Redeliver)
    return ok({"redelivered": await engine_of(request).alerts.redeliver(*_alert(request), wanted.delivery_id)})
