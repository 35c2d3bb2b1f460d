# ruff: noqa: PT028 - test_event is a tool, no test
"""Tools for events, which are defined once for any number of alerts."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field

from rtstream.client import RTStreamClient
from rtstream.client.markdown import quoted
from rtstream.errors import NotFound
from rtstream.json_types import JsonObject
from rtstream.models import Event, EventTest, UpdateEvent
from rtstream.rules.text_safety import clean
from tools._framework.confirmation import listed
from tools._framework.decisions import Candidate, Episode, candidates, episodes, summary
from tools._framework.definition import ToolContext, live, tool
from tools._framework.parameters import StreamId, name, note

MAX_ASKED_STREAMS = 20
EventId = Annotated[str, Field(description="From create_event or list_events.")]
Prompt = Annotated[
    str,
    Field(min_length=1, max_length=4000, description="Condition to detect, as one statement that is true or false."),
]
Label = Annotated[str, Field(min_length=1, max_length=200, description="Such as person_at_door.")]
Rule = Annotated[
    JsonObject | None,
    Field(
        description=(
            'Matches without a model: {"text" or "regex": "...", "when": "present|appears|absent|disappears"}, '
            '{"picture": "changed|black|frozen"}, {"speech": "started|stopped"} or {"stream": "lost|back"}.'
        )
    ),
]


class EventResult(BaseModel):
    """An event."""

    event_id: str
    label: str
    matching: str = Field(description="rule, model, or needs_model (never fires until a model is configured).")
    note: str | None = None


class EventInfo(EventResult):
    """An event with its prompt and rule."""

    prompt: str
    rule: JsonObject | None = None


class EventList(BaseModel):
    """All events."""

    events: list[EventInfo]


class Removed(BaseModel):
    """A deleted object."""

    removed: str


class Trial(BaseModel):
    """Result of a test."""

    summary: str
    matches: list[Episode] = Field(description="Newest first.")
    candidates: list[Candidate] = Field(description="Most similar scenes, if the event needs a model.")


@tool("Define an event", read_only=False, default=True)
async def create_event(ctx: ToolContext, event_prompt: Prompt, label: Label, rule: Rule = None) -> EventResult:
    """Define an event to detect on any stream.

    Use this before create_alert. Without a language model, it needs a rule, or a prompt that quotes the text to see
    or hear: "Invoice 4711" is on the screen. matching is rule, model or needs_model.
    """
    made = _event(await live(ctx).client.alerts.create_event(event_prompt, label, rule))
    return EventResult.model_validate(made.model_dump())


@tool("List events", read_only=True, default=True)
async def list_events(ctx: ToolContext) -> EventList:
    """List all events.

    Use this to reuse an event in create_alert.
    """
    return EventList(events=[_event(event) for event in await live(ctx).client.alerts.list_events()])


@tool("Update an event", read_only=False, idempotent=True)
async def update_event(
    ctx: ToolContext,
    event_id: EventId,
    event_prompt: Annotated[str | None, Field(max_length=4000)] = None,
    label: Annotated[str | None, Field(max_length=200)] = None,
    rule: Annotated[JsonObject | None, Field(description="As in create_event; {} removes it.")] = None,
) -> EventInfo:
    """Update an event. Omitted fields stay as they are.

    Use this when an event matches too much or too little. Its alerts use the change from their next scene. Call
    test_event first to try it.
    """
    change = UpdateEvent.model_validate({"event_prompt": event_prompt, "label": label, "rule": rule})
    return _event(await live(ctx).client.alerts.update_event(event_id, change))


async def deletion(ctx: ToolContext, event_id: str) -> str:
    """The question before an event is deleted, with the names of the streams that have alerts for it."""
    client = live(ctx).client
    event = next((one for one in await client.alerts.list_events() if one.event_id == event_id), None)
    if event is None:
        raise NotFound(f"There is no event {quoted(event_id)}. Call list_events for all events.")
    streams, total = await client.list_streams(limit=MAX_ASKED_STREAMS)
    watched = [stream.name for stream in streams if await _has_alert(client, stream.id, event_id)]
    where = listed("alerts on the stream", watched, "alerts on the streams") or ", all alerts that use it"
    others = " and on others" if total > len(streams) else ""
    return f"Delete the event {quoted(event.label)} ({event.event_id}){where}{others}, and their logs?"


async def _has_alert(client: RTStreamClient, stream_id: str, event_id: str) -> bool:
    """Whether a stream has an alert for an event."""
    for index in await client.indexes.list(stream_id):
        alerts = await client.alerts.list_alerts(stream_id, index.rtstream_index_id)
        if any(alert.event_id == event_id for alert in alerts):
            return True
    return False


@tool(
    "Delete an event",
    read_only=False,
    destructive=True,
    confirm=deletion,
)
async def delete_event(ctx: ToolContext, event_id: EventId) -> Removed:
    """Delete an event and all alerts that use it, on all streams.

    Use this when the user no longer needs the event. Call disable_alert instead to pause one alert.
    """
    await live(ctx).client.alerts.delete_event(event_id)
    return Removed(removed=event_id)


@tool("Test an event", read_only=True)
async def test_event(
    ctx: ToolContext,
    stream_id: StreamId,
    event_prompt: Prompt,
    rule: Annotated[JsonObject | None, Field(description="As in create_event.")] = None,
    index_id: Annotated[str | None, Field(description="Only scenes of this index.")] = None,
    start: Annotated[float | None, Field(description="Unix seconds.")] = None,
    end: Annotated[float | None, Field(description="Unix seconds.")] = None,
    limit: Annotated[int, Field(ge=1, le=500, description="Number of newest scenes to test.")] = 100,
) -> Trial:
    """Test an event on past scenes without creating anything.

    Use this before create_event or update_event. With a language model, each scene costs one call. Call
    create_event next.
    """
    wanted = {"event_prompt": event_prompt, "rule": rule, "rtstream_index_id": index_id, "limit": limit}
    test = EventTest.model_validate(wanted | {"start": start, "end": end})
    found = await live(ctx).client.alerts.test_event(stream_id, test)
    matches = [episode for episode in episodes(found) if episode.outcome == "match"]
    return Trial(summary=summary(found), matches=matches, candidates=candidates(found))


def _event(event: Event) -> EventInfo:
    return EventInfo(
        event_id=event.event_id,
        label=name(event.label),
        prompt=clean(event.event_prompt, 500),
        rule=event.rule,
        matching=event.matching,
        note=note(event.note),
    )
