"""Events, and alerts on scene indexes (API reference 2.12, 2.13) and on streams themselves (extension)."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel
from starlette.requests import Request

from rtstream.api.envelope import UnixTime
from rtstream.api.operations import Created
from rtstream.api.routing import engine_of
from rtstream.errors import InvalidRequest
from rtstream.models import (
    Alert,
    CreateAlert,
    CreateEvent,
    Decision,
    Delivery,
    Event,
    EventTest,
    Limit,
    Page,
    UpdateEvent,
)


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


class EventsData(BaseModel):
    """Result of ``GET rtstream/event``."""

    events: list[Event]


class EventTestData(BaseModel):
    """Result of ``POST rtstream/{id}/event/test``, newest first."""

    decisions: list[Decision]


class AlertsData(BaseModel):
    """Result of ``GET .../alert``."""

    alerts: list[Alert]


class DecisionsData(BaseModel):
    """Result of ``GET .../alert/{alert_id}/decisions``."""

    decisions: list[Decision]
    next_page: bool


class DeliveriesData(BaseModel):
    """Result of ``GET .../alert/{alert_id}/deliveries``."""

    deliveries: list[Delivery]


class RedeliveredData(BaseModel):
    """Number of deliveries that are sent again."""

    redelivered: int


def _alert(request: Request) -> tuple[str, str, str]:
    """Return the ids of stream, index and alert. The index is empty for an alert on the stream itself."""
    ids = request.path_params
    return ids["stream_id"], ids.get("index_id", ""), ids["alert_id"]


async def create_event(request: Request, body: CreateEvent) -> Created[Event]:
    """Create an event."""
    return await engine_of(request).alerts.create_event(body)


async def list_events(request: Request) -> EventsData:
    """List all events."""
    return EventsData(events=await engine_of(request).alerts.list_events())


async def update_event(request: Request, body: UpdateEvent) -> Event:
    """Update the prompt, label or rule of an event."""
    return await engine_of(request).alerts.update_event(request.path_params["event_id"], body)


async def delete_event(request: Request) -> None:
    """Delete an event with its alerts."""
    await engine_of(request).alerts.delete_event(request.path_params["event_id"])


async def test_event(request: Request, body: DryRun) -> EventTestData:
    """Test an event on past scenes without creating anything."""
    decisions = await engine_of(request).alerts.test_event(request.path_params["stream_id"], body)
    return EventTestData(decisions=decisions)


async def create_alert(request: Request, body: CreateAlert) -> Created[Alert]:
    """Create an alert on an index."""
    body.callback_url = body.callback_url or None  # an empty URL means no webhook
    stream_id, index_id = request.path_params["stream_id"], request.path_params["index_id"]
    return await engine_of(request).alerts.create_alert(stream_id, index_id, body)


async def list_alerts(request: Request) -> AlertsData:
    """List the alerts of an index."""
    stream_id, index_id = request.path_params["stream_id"], request.path_params["index_id"]
    return AlertsData(alerts=await engine_of(request).alerts.list_alerts(stream_id, index_id))


async def list_stream_alerts(request: Request) -> AlertsData:
    """List the alerts on the transcript and the connection of a stream."""
    return AlertsData(alerts=await engine_of(request).alerts.list_alerts(request.path_params["stream_id"], ""))


async def set_alert_status(request: Request, body: SetAlertStatus) -> Alert:
    """Enable or disable an alert. Repeated calls have no further effect."""
    engine = engine_of(request)
    ids = _alert(request)
    match body.action or body.status:
        case "enable" | "enabled":
            return await engine.alerts.enable_alert(*ids)
        case "disable" | "disabled":
            return await engine.alerts.disable_alert(*ids)
    raise InvalidRequest("The action is missing. Send enable or disable.")


async def delete_alert(request: Request) -> None:
    """Delete an alert with its logs."""
    await engine_of(request).alerts.delete_alert(*_alert(request))


async def delete_stream_alert(request: Request) -> None:
    """Delete an alert on the transcript or the connection of a stream with its logs."""
    await engine_of(request).alerts.delete_alert(*_alert(request))


async def list_decisions(request: Request, query: ListDecisions) -> DecisionsData:
    """List the decision about each scene or sentence with its reason, newest first."""
    found, more = await engine_of(request).alerts.list_decisions(
        *_alert(request), query, start=query.start, end=query.end
    )
    return DecisionsData(decisions=list(found), next_page=more)


async def list_deliveries(request: Request, query: ListDeliveries) -> DeliveriesData:
    """List the newest deliveries with all attempts, newest first."""
    found = await engine_of(request).alerts.list_deliveries(*_alert(request), query.limit)
    return DeliveriesData(deliveries=list(found))


async def redeliver(request: Request, body: Redeliver) -> RedeliveredData:
    """Send one delivery again, or all dead ones."""
    count = await engine_of(request).alerts.redeliver(*_alert(request), body.delivery_id)
    return RedeliveredData(redelivered=count)
