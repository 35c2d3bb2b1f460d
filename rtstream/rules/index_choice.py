"""Chooses the visual index on which an alert watches for an event, or describes the one that has to be created.

An event about something that is said needs no index, and neither does one about the connection of the stream.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rtstream.json_types import JsonObject
from rtstream.rules.detection import Connection, Expression, Phrase, PictureCondition, Rule
from rtstream.rules.event_media import IndexKind, obstacle

LOCAL = "local"
NAME = "alerts"
"""Name of an index that is created for an alert."""


@dataclass(frozen=True)
class KnownIndex:
    """A visual index of a stream.

    Attributes:
        id: Its id.
        kind: The properties that decide which events it can decide.
        general: Whether it describes everything: it has no prompt of its own, or its model does not follow prompts.
        running: Whether it runs.
    """

    id: str
    kind: IndexKind
    general: bool
    running: bool


@dataclass(frozen=True)
class Models:
    """The models of the engine.

    Attributes:
        vision: Whether scenes are described by a model rather than by the built-in one.
        language: Whether there is a language model.
        reads_text: Whether the built-in vision model reads text on screen.
    """

    vision: bool
    language: bool
    reads_text: bool


def choose(rule: Rule | None, indexes: Sequence[KnownIndex], models: Models) -> KnownIndex | None:
    """Return the visual index that suits an event best, or None if there is none.

    A running index is preferred, and for a rule the built-in model, which reads text exactly.

    Args:
        rule: The rule that decides the event, or None if a model does.
        indexes: The visual indexes of the stream, oldest first.
        models: The models of the engine.
    """
    return min(
        (index for index in indexes if _suits(rule, index, models)),
        key=lambda index: (not index.running, rule is not None and not index.kind.measured),
        default=None,
    )


def _suits(rule: Rule | None, index: KnownIndex, models: Models) -> bool:
    # Without a rule, a description is needed, and the best available one.
    useful = index.general and (rule is not None or index.kind.measured != models.vision)
    return useful and not obstacle("video", rule, index.kind)


def is_connection(rule: Rule | None) -> bool:
    """Return whether an event is about the connection of the stream, which needs no index to run."""
    return rule is not None and isinstance(rule.conditions[0], Connection)


def new_index(rule: Rule | None, models: Models) -> JsonObject:
    """Return the fields of ``CreateIndex`` for a visual index that can decide an event.

    Text on screen is read by the built-in model where it can, because that is exact and costs nothing.
    """
    condition = rule.conditions[0] if rule is not None else None
    read = isinstance(condition, Phrase | Expression) and models.reads_text
    fields: JsonObject = {"extraction_config": {"time": 5, "frame_count": 2}, "name": NAME}
    return fields | ({"model_name": LOCAL} if read or isinstance(condition, PictureCondition) else {})


def kind_of_new(rule: Rule | None, models: Models) -> IndexKind:
    """Return the properties of the index that ``new_index`` describes."""
    built_in = not models.vision or new_index(rule, models).get("model_name") == LOCAL
    return IndexKind(audio=False, measured=built_in, reads_text=not built_in or models.reads_text)
