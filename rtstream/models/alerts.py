"""Events, the alerts that watch for them, their decisions and deliveries."""

from __future__ import annotations

from pydantic import Field

from rtstream.json_types import JsonObject
from rtstream.models.base import ApiModel
from rtstream.states import AlertStatus, DeliveryState, Matching, Outcome


class Event(ApiModel):
    """A reusable detection rule (API reference 2.12)."""

    event_id: str
    event_prompt: str
    label: str
    # extensions
    rule: JsonObject | None = Field(default=None, description="Structured rule that decides the event, if any.")
    matching: Matching = Matching.NEEDS_MODEL
    note: str = ""


class Alert(ApiModel):
    """An event watched for on an index (API reference 2.13)."""

    alert_id: str
    event_id: str
    prompt: str
    label: str
    callback_url: str | None = None
    status: AlertStatus = AlertStatus.ENABLED
    # extensions
    rtstream_id: str = ""
    rtstream_index_id: str = ""
    matching: Matching = Matching.NEEDS_MODEL
    note: str = Field(default="", description="A note for the user, for example that this event needs a model.")
    fired: int = 0
    fired_late: int = Field(default=0, description="Firings among them on scenes that were looked at after a gap.")
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

    event_prompt: str = Field(min_length=1, max_length=4000)
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

    event_prompt: str = Field(min_length=1, max_length=4000)
    label: str = Field(min_length=1, max_length=200)
    rule: JsonObject | None = Field(default=None, description="Structured rule that decides the event (extension).")


class CreateAlert(ApiModel):
    """Body of ``POST rtstream/{id}/index/{index_id}/alert``."""

    event_id: str
    callback_url: str | None = None
    ws_connection_id: str | None = None
    # extensions, described in rtstream.rules.alert_policy
    cooldown_s: float | None = None
    consecutive: int | float | None = None
    min_confidence: float | None = None
    dedupe: bool | None = None
    quiet_hours: list[JsonObject] | None = None
    late: str | None = Field(
        default=None, description='"skip": does not fire on scenes that were looked at later, after a gap.'
    )
    pre_s: float | None = Field(
        default=None, ge=0, le=600, description="Seconds of evidence before the matching scene."
    )
    post_s: float | None = Field(
        default=None, ge=0, le=600, description="Seconds of evidence after the matching scene."
    )
