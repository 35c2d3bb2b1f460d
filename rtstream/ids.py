"""Identifiers: short, URL-safe, unguessable; the prefix says what it is (API reference 1.10)."""

from __future__ import annotations

import secrets


def stream_id() -> str:
    """``rts-`` and 16 hex digits."""
    return f"rts-{secrets.token_hex(8)}"


def index_id() -> str:
    """``scene-idx-`` and 12 hex digits."""
    return f"scene-idx-{secrets.token_hex(6)}"


def event_id() -> str:
    """``event-`` and 16 hex digits; one form on every door (API reference 6, row 11)."""
    return f"event-{secrets.token_hex(8)}"


def alert_id() -> str:
    """``alert-`` and 12 hex digits."""
    return f"alert-{secrets.token_hex(6)}"


def collection_id() -> str:
    """``c-`` and 16 hex digits."""
    return f"c-{secrets.token_hex(8)}"


def recording_id() -> str:
    """``rec-`` and 16 hex digits: one continuous run of a stream."""
    return f"rec-{secrets.token_hex(8)}"


def delivery_id() -> str:
    """``msg-`` and 20 hex digits: the idempotency id of a webhook."""
    return f"msg-{secrets.token_hex(10)}"


def connection_id() -> str:
    """``wsc-`` and 12 hex digits: one WebSocket connection."""
    return f"wsc-{secrets.token_hex(6)}"


def video_id() -> str:
    """``m-`` and 16 hex digits: an exported video."""
    return f"m-{secrets.token_hex(8)}"


def audio_id() -> str:
    """``a-`` and 16 hex digits: an exported recording of sound alone."""
    return f"a-{secrets.token_hex(8)}"


def job_id() -> str:
    """``job-`` and 12 hex digits: work that takes longer than a request."""
    return f"job-{secrets.token_hex(6)}"
