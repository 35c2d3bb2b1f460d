"""Typed calls for events and the alerts that watch for them."""

from __future__ import annotations

from collections.abc import Sequence

from rtstream.client.transport import Transport
from rtstream.client.validation import as_list, as_model, body_of, path_id
from rtstream.json_types import JsonObject
from rtstream.models import (
    Alert,
    AlertGroup,
    CreateAlert,
    CreateAlertGroup,
    CreateEvent,
    Decision,
    Delivery,
    Event,
    EventTest,
    UpdateAlert,
    UpdateEvent,
)

ALERTS = "/rtstream/alert"
CREATE_S = 60.0
"""Time limit in seconds, because indexes and transcripts may be started."""
TRIAL_S = 120.0
"""Time limit in seconds, because a dry run may call a model for each scene."""


class AlertCalls:
    """The events and alerts of one service. Every call raises ``rtstream.errors.RTStreamError`` with one sentence."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def create_event(
        self, event_prompt: str | None, label: str, rule: JsonObject | None = None, *, key: str | None = None
    ) -> Event:
        """Create an event.

        Args:
            event_prompt: Description of what to detect, or None with a rule.
            label: Short name that appears in alerts.
            rule: Structured rule that decides the event instead of the prompt.
            key: Idempotency key, with which a repeated call returns the first event.
        """
        request = CreateEvent(event_prompt=event_prompt, label=label, rule=rule)
        response = await self._transport.envelope("POST", "/rtstream/event", body=body_of(request), key=key)
        known = {"event_prompt": event_prompt or "", "label": label}
        return as_model(Event, {**known, **(response.get("data") or {})}).marked(response.get("repeated"))

    async def list_events(self) -> list[Event]:
        """Return all events."""
        return as_list(Event, await self._transport.data("GET", "/rtstream/event"), "events")

    async def update_event(self, event_id: str, request: UpdateEvent) -> Event:
        """Update an event. Omitted fields stay as they are."""
        return as_model(
            Event, await self._transport.data("PATCH", f"/rtstream/event/{path_id(event_id)}", body=body_of(request))
        )

    async def delete_event(self, event_id: str) -> None:
        """Delete an event and its alerts."""
        await self._transport.data("DELETE", f"/rtstream/event/{path_id(event_id)}")

    async def test_event(self, stream_id: str, request: EventTest) -> list[Decision]:
        """Decide an event for past scenes without creating anything. Returns the newest first."""
        path = f"/rtstream/{path_id(stream_id)}/event/test"
        data = await self._transport.data("POST", path, body=body_of(request), timeout_s=TRIAL_S)
        return as_list(Decision, data, "decisions")

    async def create_alert_group(self, request: CreateAlertGroup, *, key: str | None = None) -> AlertGroup:
        """Watch for an event on any number of streams, with the indexes that it needs.

        Args:
            request: The alert.
            key: Idempotency key, with which a repeated call returns the first alert.
        """
        response = await self._transport.envelope("POST", ALERTS, body=body_of(request), key=key, timeout_s=CREATE_S)
        return as_model(AlertGroup, response.get("data")).marked(response.get("repeated"))

    async def list_alert_groups(
        self,
        streams: Sequence[str] | None = None,
        *,
        limit: int = 100,
        offset: int = 0,
        start: float | None = None,
        end: float | None = None,
    ) -> tuple[list[AlertGroup], int]:
        """Return alerts of all streams or of some, oldest first, and their total number.

        With ``start`` or ``end`` (Unix seconds), the firings in that range are counted.
        """
        names = ",".join(path_id(stream_id) for stream_id in streams or ()) or None
        params = {"streams": names, "limit": limit, "offset": offset, "start": start, "end": end}
        data = await self._transport.data("GET", ALERTS, params=params)
        return as_list(AlertGroup, data, "alerts"), int((data or {}).get("count") or 0)

    async def get_alert_group(self, alert_id: str) -> AlertGroup:
        """Return an alert, on one or several streams."""
        return as_model(AlertGroup, await self._transport.data("GET", f"{ALERTS}/{path_id(alert_id)}"))

    async def update_alert_group(self, alert_id: str, request: UpdateAlert) -> AlertGroup:
        """Enable, disable or mute an alert on all its streams, or change its options."""
        path = f"{ALERTS}/{path_id(alert_id)}"
        return as_model(AlertGroup, await self._transport.data("PATCH", path, body=body_of(request)))

    async def delete_alert_group(self, alert_id: str) -> None:
        """Delete an alert on all its streams."""
        await self._transport.data("DELETE", f"{ALERTS}/{path_id(alert_id)}")

    async def create_alert(self, stream_id: str, index_id: str, request: CreateAlert) -> Alert:
        """Create an alert, which watches for an event on an index."""
        body = {"callback_url": None, **body_of(request)}
        data = await self._transport.data("POST", _alerts(stream_id, index_id), body=body)
        known = {"event_id": request.event_id, "prompt": "", "label": "", "callback_url": request.callback_url}
        return as_model(Alert, {**known, "rtstream_id": stream_id, "rtstream_index_id": index_id, **(data or {})})

    async def list_alerts(self, stream_id: str, index_id: str) -> list[Alert]:
        """Return all alerts of an index, or with an empty ``index_id`` those on the stream itself."""
        return as_list(Alert, await self._transport.data("GET", _alerts(stream_id, index_id)), "alerts")

    async def enable_alert(self, stream_id: str, index_id: str, alert_id: str) -> None:
        """Allow an alert to fire again."""
        path = f"{_alerts(stream_id, index_id)}/{path_id(alert_id)}/status"
        await self._transport.data("PATCH", path, body={"action": "enable"})

    async def disable_alert(self, stream_id: str, index_id: str, alert_id: str) -> None:
        """Prevent an alert from firing."""
        path = f"{_alerts(stream_id, index_id)}/{path_id(alert_id)}/status"
        await self._transport.data("PATCH", path, body={"action": "disable"})

    async def delete_alert(self, stream_id: str, index_id: str, alert_id: str) -> None:
        """Delete an alert and its decisions."""
        await self._transport.data("DELETE", f"{_alerts(stream_id, index_id)}/{path_id(alert_id)}")

    async def list_decisions(
        self,
        stream_id: str,
        index_id: str,
        alert_id: str,
        *,
        start: float | None = None,
        end: float | None = None,
        page: int = 1,
        page_size: int = 100,
    ) -> tuple[list[Decision], bool]:
        """Return one page of an alert's decisions, newest first.

        Args:
            stream_id: The stream.
            index_id: The index, or an empty string for an alert on the stream itself.
            alert_id: The alert.
            start: Unix seconds.
            end: Unix seconds.
            page: Number of the page, from 1.
            page_size: Decisions per page.

        Returns:
            The decisions, and whether there is a next page.
        """
        path = f"{_alerts(stream_id, index_id)}/{path_id(alert_id)}/decisions"
        params = {"start": start, "end": end, "page": page, "page_size": page_size}
        data = await self._transport.data("GET", path, params=params)
        return as_list(Decision, data, "decisions"), bool((data or {}).get("next_page"))

    async def list_deliveries(self, stream_id: str, index_id: str, alert_id: str, limit: int = 20) -> list[Delivery]:
        """Return the newest webhooks of an alert with every attempt, newest first."""
        path = f"{_alerts(stream_id, index_id)}/{path_id(alert_id)}/deliveries"
        return as_list(Delivery, await self._transport.data("GET", path, params={"limit": limit}), "deliveries")

    async def redeliver(self, stream_id: str, index_id: str, alert_id: str, delivery_id: str | None = None) -> int:
        """Send one webhook again, or all that were given up. Returns their number."""
        path = f"{_alerts(stream_id, index_id)}/{path_id(alert_id)}/redeliver"
        body = {} if delivery_id is None else {"delivery_id": delivery_id}
        return int((await self._transport.data("POST", path, body=body) or {}).get("redelivered") or 0)


def _alerts(stream_id: str, index_id: str) -> str:
    index = f"/index/{path_id(index_id)}" if index_id else ""  # none: on the stream itself
    return f"/rtstream/{path_id(stream_id)}{index}/alert"
