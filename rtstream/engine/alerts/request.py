"""A request for an alert in checked form, and what its alert cannot see or hear."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from rtstream import ids
from rtstream.engine.alerts.validation import checked_label, checked_prompt, checked_rule
from rtstream.json_types import JsonObject
from rtstream.models import AlertGroup
from rtstream.rules.event_media import Medium, medium_of
from rtstream.rules.event_rules import rule_for_event
from rtstream.rules.index_choice import Models, is_connection
from rtstream.states import DesiredState
from rtstream.store import alerts as rows
from rtstream.store.alert_groups import AlertGroupRow
from rtstream.store.alerts import EventRow
from rtstream.store.streams import StreamRow

MAX_LABEL = 60


@dataclass(frozen=True)
class EventValues:
    """An event. ``id`` is empty for one that is not stored yet."""

    id: str
    prompt: str
    label: str
    rule: JsonObject | None

    @classmethod
    def of(cls, row: EventRow) -> EventValues:
        """Return the values of a stored event."""
        return cls(row.id, row.prompt, row.label, row.rule)

    @classmethod
    def new(cls, prompt: str | None, label: str | None, rule: JsonObject | None) -> EventValues:
        """Return the values of a new event, whose label defaults to the begin of its prompt. Raises InvalidRequest."""
        rule = checked_rule(rule)
        prompt = checked_prompt(prompt, rule)
        shortened = prompt if len(prompt) <= MAX_LABEL else f"{prompt[: MAX_LABEL - 1].rstrip()}…"
        return cls("", prompt, checked_label(shortened if label is None else label), rule)

    def stored(self, conn: Connection) -> str:
        """Store the event, unless it is, and return its id. Raises NotFound if it was deleted."""
        if self.id:
            return rows.get_event(conn, self.id).id
        event_id = ids.event_id()
        values = {"prompt": self.prompt, "label": self.label, "rule": self.rule}
        rows.insert_event(conn, id=event_id, **values, created_at=time.time())
        return event_id


@dataclass(frozen=True)
class AlertRequest:
    """An alert that is to be created on streams. ``index_id`` is None if the index is to be chosen."""

    event: EventValues
    options: JsonObject
    callback: str | None = None
    index_id: str | None = None

    @classmethod
    def of(cls, group: AlertGroupRow) -> AlertRequest:
        """Return the request that a stored group stands for."""
        event = EventValues(group.event_id, group.event_prompt, group.event_label, group.event_rule)
        return cls(event, group.options, group.callback_url)

    @property
    def medium(self) -> Medium:
        """The medium that the event needs."""
        return medium_of(self.event.prompt, self.event.rule)


def limits(wanted: AlertRequest, streams: Sequence[StreamRow], made: AlertGroup, models: Models) -> list[str]:
    """Return sentences about moments at which a new alert may not fire.

    Args:
        wanted: The request.
        streams: The streams that it names.
        made: The alert.
        models: The models of the engine.
    """
    found: list[str] = []
    rule = rule_for_event(wanted.event.prompt, wanted.event.rule)
    stopped = sum(stream.desired is DesiredState.STOPPED for stream in streams)
    if stopped:
        found.append(f"{stopped} of {len(streams)} streams are stopped. It fires only while its stream runs.")
    if is_connection(rule):
        return found
    if wanted.medium == "audio":
        found.append("Only speech that the transcript recognises counts.")
    elif rule is None and not models.vision:
        found.append(
            "No vision model is set, so scenes contain text on screen, motion and colours only, no people or objects."
        )
    else:
        found.append("The picture is looked at every few seconds, so something that is shown briefly may be missed.")
    if wanted.medium == "any" and wanted.index_id is None:
        found.append("It is looked for in the picture. For speech, write that it is said.")
    if made.unwatched:
        found.append(f"It does not watch {len(made.unwatched)} streams, for the reasons in unwatched.")
    return found
