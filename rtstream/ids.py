"""Generates identifiers.

They are short, URL-safe and unguessable, and their prefix names the kind of object (API reference 1.10).
"""

from __future__ import annotations

import secrets
import string

_LETTERS_AND_DIGITS = string.ascii_letters + string.digits


def stream_id() -> str:
    """Return a stream id: ``rts-`` and 16 hex digits."""
    return f"rts-{secrets.token_hex(8)}"


def index_id() -> str:
    """Return an index id: ``scene-idx-`` and 12 hex digits."""
    return f"scene-idx-{secrets.token_hex(6)}"


def event_id() -> str:
    """Return an event id: ``event-`` and 16 hex digits. All interfaces use this form (API reference 6, row 11)."""
    return f"event-{secrets.token_hex(8)}"


def alert_id() -> str:
    """Return an alert id: ``alert-`` and 12 hex digits."""
    return f"alert-{secrets.token_hex(6)}"


def collection_id() -> str:
    """Return a collection id: ``c-`` and 16 hex digits."""
    return f"c-{secrets.token_hex(8)}"


def recording_id() -> str:
    """Return a recording id: ``rec-`` and 16 hex digits."""
    return f"rec-{secrets.token_hex(8)}"


def delivery_id() -> str:
    """Return the idempotency id of a webhook: ``msg-`` and 20 hex digits."""
    return f"msg-{secrets.token_hex(10)}"


def connection_id() -> str:
    """Return a WebSocket connection id: ``wsc-`` and 12 hex digits."""
    return f"wsc-{secrets.token_hex(6)}"


def video_id() -> str:
    """Return the id of an exported video: ``m-`` and 16 hex digits."""
    return f"m-{secrets.token_hex(8)}"


def audio_id() -> str:
    """Return the id of an exported recording that contains audio only: ``a-`` and 16 hex digits."""
    return f"a-{secrets.token_hex(8)}"


def job_id() -> str:
    """Return the id of work that outlasts a request: ``job-`` and 12 hex digits."""
    return f"job-{secrets.token_hex(6)}"


def link_id() -> str:
    """Return a link id: 22 letters and digits (131 random bits), without a prefix."""
    return "".join(secrets.choice(_LETTERS_AND_DIGITS) for _ in range(22))
