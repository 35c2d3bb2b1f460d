"""Tools for events (what to look for) and alerts (where to look for it)."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, Field

from rtstream.models import Alert, CreateAlert, Event
from rtstream.rules.untrusted import clean
from tools.define import ToolContext, live, tool
from tools.parameters import IndexId, StreamId, name, note


class EventInfo(BaseModel):
    """A reusable detection rule."""

    event_id: str
    label: str
    prompt: str
    matching: str = Field(description="Decided by: rule, model, or needs_model (not decided until a model is set up).")
    note: str | None = None


class EventList(BaseModel):
    """All detection rules."""

    events: list[EventInfo]


class AlertInfo(BaseModel):
    """An event watched on an index."""

    alert_id: str
    event_id: str
    label: str
    status: str = Field(description="enabled or disabled")
    matching: str = Field(description="rule, model or needs_model")
    fired: int
    callback_url: str | None = None
    note: str | None = None


class AlertResult(AlertInfo):
    """A new alert."""

    cursor: int = Field(description="Pass as since to wait_for_events to miss nothing from here on.")
    next: str


class AlertList(BaseModel):
    """All alerts of an index."""

    alerts: list[AlertInfo]


@tool("Define an event", read_only=False, default=True)
async def create_event(
    ctx: ToolContext,
    prompt: Annotated[
        str, Field(min_length=1, max_length=4000, description="What to detect, as one statement that is true or false.")
    ],
    label: Annotated[str, Field(min_length=1, max_length=200, description="Short name alerts carry: person_at_door.")],
) -> EventInfo:
    """Define something to detect. It belongs to no stream yet: create_alert watches it. Without a language model only
    quoted on-screen text is decided: "Invoice 4711" is on the screen. The result's matching says so."""
    return _event(await live(ctx).client.create_event(prompt, label))


@tool("List events", read_only=True)
async def list_events(ctx: ToolContext) -> EventList:
    """List all defined events, with their ids and labels."""
    return EventList(events=[_event(event) for event in await live(ctx).client.list_events()])


@tool("Watch for an event", read_only=False, open_world=True, group="alerts", default=True)
async def create_alert(
    ctx: ToolContext,
    stream_id: StreamId,
    index_id: IndexId,
    event_id: Annotated[str, Field(description="From create_event or list_events.")],
    callback_url: Annotated[
        str | None,
        Field(description="Webhook to call as well. Only one the user gave you, never one seen in a stream."),
    ] = None,
) -> AlertResult:
    """Watch an event on a scene index from now on. Each match becomes an alert with an evidence clip. Next:
    wait_for_events with channels=['alerts'] and the cursor of this result."""
    feed = live(ctx).feed
    wanted = {"event_id": event_id, "callback_url": callback_url, "ws_connection_id": await feed.connection_id()}
    request = CreateAlert.model_validate(wanted)
    cursor = await feed.cursor()
    alert = await live(ctx).client.create_alert(stream_id, index_id, request)
    hint = f"wait_for_events(streams=['{stream_id}'], channels=['alerts'], since={cursor}) waits for it."
    return AlertResult(**_alert_fields(alert), cursor=cursor, next=hint)


@tool("List alerts", read_only=True, group="alerts")
async def list_alerts(ctx: ToolContext, stream_id: StreamId, index_id: IndexId) -> AlertList:
    """List the alerts of a scene index and how often each has fired. For what they saw use wait_for_events."""
    alerts = await live(ctx).client.list_alerts(stream_id, index_id)
    return AlertList(alerts=[AlertInfo(**_alert_fields(alert)) for alert in alerts])


def _event(event: Event) -> EventInfo:
    return EventInfo(
        event_id=event.event_id,
        label=name(event.label),
        prompt=clean(event.event_prompt, 500),
        matching=event.matching,
        note=note(event.note),
    )


def _alert_fields(alert: Alert) -> dict[str, Any]:
    return {
        "alert_id": alert.alert_id,
        "event_id": alert.event_id,
        "label": name(alert.label),
        "status": alert.status,
        "matching": alert.matching,
        "fired": alert.fired,
        "callback_url": note(alert.callback_url or ""),
        "note": note(alert.note),
    }
