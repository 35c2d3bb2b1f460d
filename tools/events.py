# ruff: noqa: PT028 - test_event is a tool, no test
"""Tools for events, which are defined once for any number of alerts."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field

from rtstream.client.idempotency import idempotency_key
from rtstream.json_types import JsonObject
from rtstream.models import Event, EventTest, UpdateEvent
from rtstream.rules.text_safety import clean
from tools._framework.decisions import Candidate, Episode, candidates, episodes, summary
from tools._framework.definition import ToolContext, live, tool
from tools._framework.parameters import name, note
from tools._framework.targets import StreamId, stream_of
from tools._framework.times import Time, window
from tools.indexes import index_of

EventId = Annotated[str, Field(description="From create_event or list_events.")]
Prompt = Annotated[
    str | None,
    Field(max_length=4000, description="Condition to detect, as one statement that is true or false; not with a rule."),
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
    repeated: bool | None = Field(
        default=None, description="It was created by an earlier call with the same arguments."
    )


class EventInfo(EventResult):
    """An event with its prompt and rule."""

    prompt: str
    rule: JsonObject | None = None


class EventList(BaseModel):
    """All events."""

    events: list[EventInfo]


class Trial(BaseModel):
    """Result of a test."""

    summary: str
    matches: list[Episode] = Field(description="Newest first.")
    candidates: list[Candidate] = Field(description="Most similar scenes, if the event needs a model.")
    note: str | None = None


@tool("Define an event", read_only=False, default=True)
async def create_event(ctx: ToolContext, label: Label, event_prompt: Prompt = None, rule: Rule = None) -> EventResult:
    """Define an event for several alerts. For one alert, create_alert takes the event_prompt itself.

    Use this before create_alert. Without a language model, it needs a rule, or a prompt that quotes the text to see
    or hear: "Invoice 4711" is on the screen, "action items" is said. Call create_alert next.
    """
    key = idempotency_key("event", {"event_prompt": event_prompt, "label": label, "rule": rule})
    event = await live(ctx).client.alerts.create_event(event_prompt or None, label, rule, key=key)
    fields = event_info(event).model_dump(include=set(EventResult.model_fields))
    return EventResult(**{**fields, "repeated": event.repeated or None})


@tool("List events", read_only=True)
async def list_events(ctx: ToolContext) -> EventList:
    """List all events with their prompts and rules.

    Use this to reuse an event in create_alert, or before update_event.
    """
    return EventList(events=[event_info(event) for event in await live(ctx).client.alerts.list_events()])


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
    return event_info(await live(ctx).client.alerts.update_event(event_id, change))


@tool("Test an event", read_only=True)
async def test_event(
    ctx: ToolContext,
    event_prompt: Prompt = None,
    stream_id: StreamId = None,
    rule: Annotated[JsonObject | None, Field(description="As in create_event.")] = None,
    index_id: Annotated[str | None, Field(description="Only scenes of this index, by id or name.")] = None,
    start: Time = None,
    end: Time = None,
    limit: Annotated[int, Field(ge=1, le=500, description="Number of newest scenes to test.")] = 100,
) -> Trial:
    """Test an event on past scenes without creating anything.

    Use this before create_event or update_event. With a language model, each scene costs one call. Call
    create_event next.
    """
    stream = await stream_of(ctx, stream_id)
    index = None if index_id is None else await index_of(ctx, stream, index_id)
    times = await window(ctx, start, end, stream=stream)
    wanted = {"event_prompt": event_prompt or None, "rule": rule, "rtstream_index_id": index, "limit": limit}
    test = EventTest.model_validate(wanted | {"start": times.start, "end": times.end})
    found = await live(ctx).client.alerts.test_event(stream, test)
    matches = [episode for episode in episodes(found) if episode.outcome == "match"]
    return Trial(summary=summary(found), matches=matches, candidates=candidates(found), note=times.note)


def event_info(event: Event) -> EventInfo:
    """An event with its prompt and rule, as tools return it."""
    return EventInfo(
        event_id=event.event_id,
        label=name(event.label),
        prompt=clean(event.event_prompt, 500),
        rule=event.rule,
        matching=event.matching,
        note=note(event.note),
    )
