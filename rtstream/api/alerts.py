"""Alerts on any number of streams (extension)."""

from __future__ import annotations

from pydantic import BaseModel, Field
from starlette.requests import Request

from rtstream.api.envelope import UnixTime
from rtstream.api.operations import Created
from rtstream.api.routing import engine_of
from rtstream.models import AlertGroup, CreateAlertGroup, Slice, UpdateAlert

MAX_FILTER = 4000


class ListAlerts(Slice):
    """Query of the list of alerts. ``streams`` are ids, separated by commas. Firings in [start, end) are counted."""

    streams: str = Field(default="", max_length=MAX_FILTER)
    start: UnixTime | None = None
    end: UnixTime | None = None


class AlertGroupsData(BaseModel):
    """Result of ``GET rtstream/alert``."""

    alerts: list[AlertGroup]
    count: int


async def create_alert(request: Request, body: CreateAlertGroup) -> Created[AlertGroup]:
    """Create an alert on streams, with the indexes that it needs."""
    return await engine_of(request).alert_groups.create(body)


async def list_alerts(request: Request, query: ListAlerts) -> AlertGroupsData:
    """List the alerts of all streams, oldest first."""
    streams = [part.strip() for part in query.streams.split(",") if part.strip()] or None
    found, total = await engine_of(request).alert_groups.list(query, streams, start=query.start, end=query.end)
    return AlertGroupsData(alerts=found, count=total)


async def get_alert(request: Request) -> AlertGroup:
    """Get an alert with the alert of each of its streams."""
    return await engine_of(request).alert_groups.get(request.path_params["alert_id"])


async def update_alert(request: Request, body: UpdateAlert) -> AlertGroup:
    """Enable, disable or mute an alert, or change its options."""
    return await engine_of(request).alert_groups.update(request.path_params["alert_id"], body)


async def delete_alert(request: Request) -> None:
    """Delete an alert on all its streams."""
    await engine_of(request).alert_groups.delete(request.path_params["alert_id"])
