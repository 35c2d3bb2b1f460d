"""Session descriptions (RFC 8866), as cameras send them in response to DESCRIBE."""

from __future__ import annotations

import re

_SENT_BY_THE_CLIENT = re.compile(rb"^a=sendonly\s*$", re.M)


def without_backchannels(description: bytes) -> bytes:
    """Return a description without the audio that a client would send to the loudspeaker of a camera.

    ONVIF marks it as ``sendonly`` (Streaming Specification, 5.3). A server that marks everything so means its own
    media.
    """
    head, *sections = re.split(rb"^(?=m=)", description, flags=re.M)
    others = [one for one in sections if not (one.startswith(b"m=audio") and _SENT_BY_THE_CLIENT.search(one))]
    if not any(not _SENT_BY_THE_CLIENT.search(one) for one in others):
        return description
    return head + b"".join(others)
