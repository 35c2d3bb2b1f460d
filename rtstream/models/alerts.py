"""Events, the alerts that watch for them, their decisions and deliveries."""

from __future__ import annotations

from pydantic import Field

from rtstream.json_types import JsonObject
from rtstream.models.base import ApiModel, CreatedModel
from rtstream.states import AlertStatus, DeliveryState, ExtractionType, Matching, Outcome


class Event(CreatedModel):
    """A reusable detection rule (API reference 2.12)."""

    event_id: str
    event_prompt: str
    label: str
    # extensions
    rule: JsonObject | None = Field(default=None, description="Structured rule that decides the event, if any.")
    matching: Matching = Matching.NEEDS_MODEL
    note: str = ""


class Alert(ApiModel):
    """An event watched for on an index (API reference 2.13), or on the stream itself."""

    alert_id: str
    event_id: str
    prompt: str
    label: str
    callback_url: str | None = None
    status: AlertStatus = AlertStatus.ENABLED
    # extensions
    rtstream_id: str = ""
    rtstream_index_id: str = Field(
        default="", description="Empty for an alert on the transcript or the connection of the stream."
    )
    matching: Matching = Matching.NEEDS_MODEL
    note: str = Field(default="", description="A note for the user, for example that this event needs a model.")
    fired: int = 0
    fired_late: int = Field(default=0, description="Firings among them on scenes that were looked at after a gap.")
    fired_in_range: int | None = Field(default=None, description="Firings in the range that a list was asked for.")
    options: JsonObject = Field(default_factory=dict, description="cooldown_s, consecutive, ... as set.")
    deliveries: dict[str, int] = Field(default_factory=dict, description="Webhooks by state: pending, delivered, dead.")
    last_delivery_error: str = Field(default="", description="Why the newest attempt failed. Empty if it succeeded.")


class Decision(ApiModel):
    """The decision about one scene for one alert (extension)."""

    at: float = Field(description="Unix seconds of the decision.")
    start: float | None = Field(default=None, description="Start of the scene, or ``at`` without a scene.")
    end: float | None = None
    outcome: Outcome
    reason: str = Field(default="", description="Why a match did not fire, or why no decision was possible.")
    confidence: float | None = None
    explanation: str = Field(default="", description="Untrusted, because it quotes the stream.")
    text: str = Field(default="", description="The scene's text. Untrusted.")
    seq: int | None = Field(default=None, description="Journal number of the alert, if it fired.")
    late: bool = Field(default=False, description="The scene was looked at later, after a gap.")


class DeliveryAttempt(ApiModel):
    """One attempt to reach a webhook's receiver (extension)."""

    at: float
    status: int | None = Field(default=None, description="HTTP status of the response, or null without one.")
    latency_s: float
    error: str = ""


class Delivery(ApiModel):
    """One webhook of an alert (extension)."""

    delivery_id: str = Field(description="The idempotency key, sent as webhook-id.")
    seq: int
    state: DeliveryState
    attempts: list[DeliveryAttempt]
    next_at: float | None = Field(default=None, description="Unix seconds of the next attempt, while pending.")


class EventTest(ApiModel):
    """Body of ``POST rtstream/{id}/event/test`` (extension), a dry run on past scenes."""

    event_prompt: str | None = Field(default=None, min_length=1, max_length=4000, description="Optional with a rule.")
    rule: JsonObject | None = None
    rtstream_index_id: str | None = None
    start: float | None = None
    end: float | None = None
    limit: int = Field(default=100, ge=1, le=500)


class UpdateEvent(ApiModel):
    """Body of ``PATCH rtstream/event/{id}`` (extension)."""

    event_prompt: str | None = Field(default=None, min_length=1, max_length=4000)
    label: str | None = Field(default=None, min_length=1, max_length=200)
    rule: JsonObject | None = Field(default=None, description="{} removes the rule.")


class CreateEvent(ApiModel):
    """Body of ``POST rtstream/event``."""

    event_prompt: str | None = Field(
        default=None, min_length=1, max_length=4000, description="Optional with a rule, because no model reads it."
    )
    label: str = Field(min_length=1, max_length=200)
    rule: JsonObject | None = Field(default=None, description="Structured rule that decides the event (extension).")


class AlertOptions(ApiModel):
    """Options of an alert, described in ``rtstream.rules.alert_policy`` (extension)."""

    cooldown_s: float | None = None
    consecutive: int | float | None = None
    min_confidence: float | None = None
    dedupe: bool | None = None
    quiet_hours: list[JsonObject] | None = None
    active_hours: list[JsonObject] | None = Field(default=None, description="The only hours in which it fires.")
    late: str | None = Field(
        default=None, description='"skip": does not fire on scenes that were looked at later, after a gap.'
    )
    near_misses: bool | None = Field(
        default=None, description="Whether words of speech may be heard as words that sound alike."
    )
    pre_s: float | None = Field(
        default=None, ge=0, le=600, description="Seconds of evidence before the matching scene."
    )
    post_s: float | None = Field(
        default=None, ge=0, le=600, description="Seconds of evidence after the matching scene."
    )


class CreateAlert(AlertOptions):
    """Body of ``POST rtstream/{id}/index/{index_id}/alert``."""

    event_id: str
    callback_url: str | None = None
    ws_connection_id: str | None = None


class CreateAlertGroup(AlertOptions):
    """Body of ``POST rtstream/alert`` (extension), an alert on any number of streams."""

    streams: list[str] = Field(min_length=1, max_length=1000, description='Ids of streams, or "all".')
    event_id: str | None = None
    event_prompt: str | None = Field(
        default=None, max_length=4000, description="Instead of event_id. Optional with a rule."
    )
    label: str | None = Field(default=None, max_length=200)
    rule: JsonObject | None = None
    rtstream_index_id: str | None = Field(default=None, description="An index of the only stream.")
    callback_url: str | None = None
    ws_connection_id: str | None = None
    must_fire: bool = Field(default=False, description="Refuse an alert that can never fire.")


class UpdateAlert(AlertOptions):
    """Body of ``PATCH rtstream/alert/{id}`` (extension). Fields that are null stay as they are."""

    enabled: bool | None = None
    mute_s: float | None = Field(
        default=None, ge=0, le=366 * 86400, description="Seconds from now on in which it does not fire. 0: unmute."
    )


class StartedAnalysis(ApiModel):
    """An index or transcript that was created or started for an alert (extension)."""

    rtstream_id: str
    rtstream_index_id: str = Field(description="Empty for the transcript.")
    extraction_type: ExtractionType
    created: bool = Field(description="Whether it was created. Otherwise, it was stopped before.")


class UnwatchedStream(ApiModel):
    """A stream on which an alert does not watch (extension)."""

    rtstream_id: str
    name: str = ""
    reason: str = Field(description="Why not. Empty if its alert was deleted.")


class AlertGroup(CreatedModel):
    """An alert on any number of streams (extension)."""

    alert_id: str
    event_id: str
    prompt: str
    label: str
    all_streams: bool = Field(default=False, description="Whether later streams are included.")
    status: AlertStatus = AlertStatus.ENABLED
    callback_url: str | None = None
    options: JsonObject = Field(default_factory=dict)
    created_at: float = 0.0
    alerts: list[Alert] = Field(default_factory=list, description="The alert of each stream.")
    unwatched: list[UnwatchedStream] = Field(default_factory=list)
    started: list[StartedAnalysis] = Field(default_factory=list, description="After creation only.")
    limits: list[str] = Field(default_factory=list, description="After creation only.")
    cursor: int | None = Field(default=None, description="Newest journal number before it, after creation only.")
