"""Tools for the webhooks of alerts: list their deliveries, and send them again."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import BaseModel, Field

from rtstream.errors import InvalidRequest
from rtstream.models import Alert, Delivery
from tools._framework.definition import ToolContext, live, tool
from tools._framework.parameters import note

AlertId = Annotated[str, Field(description="From create_alert or list_alerts.")]
MAX_ATTEMPTS = 5


class Attempt(BaseModel):
    """One attempt to reach the receiver. Unix seconds."""

    at: float
    http_status: int | None = None
    latency_s: float
    error: str | None = None


class WebhookInfo(BaseModel):
    """One webhook and its newest attempts."""

    delivery_id: str
    stream_id: str
    seq: int = Field(description="Journal number of its alert.")
    state: str
    tries: int
    attempts: list[Attempt]
    next_try: float | None = None


class Deliveries(BaseModel):
    """Webhooks of an alert, newest first."""

    webhook: str | None = Field(default=None, description="Receiver, without its path, which may be secret.")
    deliveries: list[WebhookInfo]


class Redelivered(BaseModel):
    """Number of webhooks that are sent again."""

    redelivered: int


@tool("List webhooks", read_only=True)
async def list_deliveries(
    ctx: ToolContext, alert_id: AlertId, limit: Annotated[int, Field(ge=1, le=100, description="Per stream.")] = 20
) -> Deliveries:
    """List the newest webhooks of an alert with their attempts.

    Use this when a receiver misses alerts. Call redeliver after it has been repaired.
    """
    calls = live(ctx).client.alerts
    group = await calls.get_alert_group(alert_id)
    found: list[WebhookInfo] = []
    for alert in group.alerts:
        where = (alert.rtstream_id, alert.rtstream_index_id, alert.alert_id)
        found += [webhook_info(one, alert) for one in await calls.list_deliveries(*where, limit=limit)]
    return Deliveries(webhook=receiver(group.callback_url), deliveries=sorted(found, key=lambda one: -one.seq))


@tool("Send webhooks again", read_only=False, open_world=True)
async def redeliver(
    ctx: ToolContext,
    alert_id: AlertId,
    delivery_id: Annotated[
        str | None, Field(description="One delivery, from list_deliveries; omit for all dead ones.")
    ] = None,
) -> Redelivered:
    """Send webhooks of an alert again.

    Use this after a receiver has been repaired. Call list_deliveries next to see the attempts.
    """
    calls = live(ctx).client.alerts
    group = await calls.get_alert_group(alert_id)
    sent = 0
    for alert in group.alerts:
        where = (alert.rtstream_id, alert.rtstream_index_id, alert.alert_id)
        if delivery_id is None:
            sent += await calls.redeliver(*where)
        elif any(one.delivery_id == delivery_id for one in await calls.list_deliveries(*where, limit=1000)):
            return Redelivered(redelivered=await calls.redeliver(*where, delivery_id))
    if delivery_id is not None:
        raise InvalidRequest("This alert has no delivery with this id. Call list_deliveries for their ids.")
    return Redelivered(redelivered=sent)


def receiver(url: str | None) -> str | None:
    """Receiver of a webhook, without the path, because many receivers have a secret there."""
    if not url:
        return None
    parts = urlsplit(url)
    return note(f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}" + ("/…" if parts.path.strip("/") else ""))


def webhook_info(delivery: Delivery, alert: Alert) -> WebhookInfo:
    """A webhook as tools return it."""
    attempts = [
        Attempt(at=round(one.at, 3), http_status=one.status, latency_s=one.latency_s, error=note(one.error))
        for one in delivery.attempts[-MAX_ATTEMPTS:]
    ]
    return WebhookInfo(
        delivery_id=delivery.delivery_id,
        stream_id=alert.rtstream_id,
        seq=delivery.seq,
        state=delivery.state,
        tries=len(delivery.attempts),
        attempts=attempts,
        next_try=delivery.next_at,
    )
