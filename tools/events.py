# ruff: noqa: PT028 - test_event is a tool, no test
"""Tools for events: what to look for, defined once for any number of alerts."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field

from rtstream.json_types import JsonObject
from rtstream.models import Event, EventTest, UpdateEvent
from rtstream.rules.text_safety import clean
from tools._framework.decisions import Candidate, Episode, candidates, episodes, summary
from tools._framework.definition import ToolContext, live, tool
from tools._framework.parameters import StreamId, name, note

EventId = Annotated[str, Field(description="From create_event or list_events.")]
Prompt = Annotated[
    str, Field(min_length=1, max_length=4000, description="What to detect, as one statement that is true or false.")
]
Label = Annotated[str, Field(min_length=1, max_length=200, description="Such as person_at_door.")]
Rule = Annotated[
    JsonObject | None,
    Field(
        description=(
            'Decides without a model: {"text" or "regex": "...", "when": "present|appears|absent|disappears"}, '
            '{"picture": "changed|black|frozen"}, {"speech": "started|stopped"} or {"stream": "lost|back"}.'
        )
    ),
]


class EventResult(BaseModel):
    """A reusable detection rule."""

    event_id: str
    label: str
    matching: str = Field(description="Decided by: rule, model, or needs_model (not decided until a model is set up).")
    note: str | None = None


class EventInfo(EventResult):
    """A reusable detection rule, as it was given."""

    prompt: str
    rule: JsonObject | None = None


class EventList(BaseModel):
    """All detection rules."""

    events: list[EventInfo]


class Removed(BaseModel):
    """What is gone."""

    removed: str


class Trial(BaseModel):
    """What an event would have found."""

    summary: str
    matches: list[Episode] = Field(description="Newest first.")
    candidates: list[Candidate] = Field(description="Only for an event that needs a model: the most similar scenes.")


@tool("Define an event", read_only=False, default=True)
async def create_event(ctx: ToolContext, event_prompt: Prompt, label: Label, rule: Rule = None) -> EventResult:
    """Define something to detect, on no stream yet: create_alert watches it. Without a language model only a rule
    decides, or a prompt that quotes what is seen or heard: "Invoice 4711" is on the screen. matching says which."""
    made = _event(await live(ctx).client.alerts.create_event(event_prompt, label, rule))
    return EventResult.model_validate(made.model_dump())


@tool("List events", read_only=True, default=True)
async def list_events(ctx: ToolContext) -> EventList:
    """List all defined events, with their ids and labels."""
    return EventList(events=[_event(event) for event in await live(ctx).client.alerts.list_events()])


@tool("Change an event", read_only=False, idempotent=True)
async def update_event(
    ctx: ToolContext,
    event_id: EventId,
    event_prompt: Annotated[str | None, Field(max_length=4000)] = None,
    label: Annotated[str | None, Field(max_length=200)] = None,
    rule: Annotated[JsonObject | None, Field(description="As in create_event; {} takes it away.")] = None,
) -> EventInfo:
    """Change what is given of an event. All alerts on it go by the change from their next scene on."""
    change = UpdateEvent.model_validate({"event_prompt": event_prompt, "label": label, "rule": rule})
    return _event(await live(ctx).client.alerts.update_event(event_id, change))


@tool(
    "Delete an event",
    read_only=False,
    destructive=True,
    confirm="Delete the event {event_id} with all alerts that watch it and their logs?",
)
async def delete_event(ctx: ToolContext, event_id: EventId) -> Removed:
    """Delete an event and every alert that watches it, on all streams."""
    await live(ctx).client.alerts.delete_event(event_id)
    return Removed(removed=event_id)


@tool("Try an event out", read_only=True)
async def test_event(
    ctx: ToolContext,
    stream_id: StreamId,
    event_prompt: Prompt,
    rule: Annotated[JsonObject | None, Field(description="As in create_event.")] = None,
    index_id: Annotated[str | None, Field(description="Only scenes of this index.")] = None,
    start: Annotated[float | None, Field(description="Unix seconds.")] = None,
    end: Annotated[float | None, Field(description="Unix seconds.")] = None,
    limit: Annotated[int, Field(ge=1, le=500, description="Newest scenes to try.")] = 100,
) -> Trial:
    """Dry run: decide an event on scenes of the past, before creating anything. With a language model set up each
    scene costs one call."""
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
