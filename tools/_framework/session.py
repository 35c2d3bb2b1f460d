"""Remembers the remarks that a session has received, so that each comes once.

A remark about the settings of the engine, which the user of a chat cannot change, is read once and skipped afterwards.
"""

from __future__ import annotations

import re
import time
from collections import OrderedDict
from collections.abc import Mapping

MAX_SESSIONS = 1000
MAX_REMARKS = 200
FORGET_S = 1800.0
"""Seconds after which a client without a session id receives a remark again."""
SESSION_ID = "mcp-session-id"
_SENTENCES = re.compile(r"(?<=[.!?])\s+(?=[A-Z`])")


class SessionRemarks:
    """The remarks that each session has received."""

    def __init__(self) -> None:
        self._told: OrderedDict[str, OrderedDict[str, float]] = OrderedDict()

    def fresh(self, headers: Mapping[str, str] | None, text: str | None) -> str | None:
        """Return the sentences of a remark that a session has not received yet, or None if it has received all.

        Args:
            headers: The HTTP headers of the request, or None over stdio, where a process serves a single session.
            text: The remark.
        """
        if not text:
            return None
        key, forget_s = _session(headers)
        told = self._told.pop(key, OrderedDict())
        self._told[key] = told
        while len(self._told) > MAX_SESSIONS:
            self._told.popitem(last=False)
        now = time.monotonic()
        fresh: list[str] = []
        for sentence in _SENTENCES.split(text):
            at = told.pop(sentence, None)
            if at is None or (forget_s is not None and now - at >= forget_s):
                fresh.append(sentence)
                at = now
            told[sentence] = at
        while len(told) > MAX_REMARKS:
            told.popitem(last=False)
        return " ".join(fresh) or None


def _session(headers: Mapping[str, str] | None) -> tuple[str, float | None]:
    """Return the key of a session, and the seconds after which its remarks are repeated, or None for never."""
    if headers is None:
        return "", None
    session_id = headers.get(SESSION_ID)
    if session_id:
        return f"id {session_id}", None
    # Newer versions of the protocol have no sessions over HTTP.
    return f"client {headers.get('user-agent', '')} {hash(headers.get('authorization', ''))}", FORGET_S
