"""The URIs of the resources. Only these exact spellings can be subscribed to."""

from __future__ import annotations

import re
from dataclasses import dataclass

from rtstream.client.messages import LIVE_CHANNEL, LIVE_CHANNELS
from rtstream.models import Message

STREAMS = "rtstream://streams"
STREAM_TEMPLATE = "rtstream://streams/{stream_id}"
CHANNEL_TEMPLATE = "rtstream://streams/{stream_id}/{channel}{?since,limit}"
JOBS = "rtstream://jobs"
JOB_TEMPLATE = "rtstream://jobs/{job_id}"

_URI = re.compile(r"rtstream://streams(?:/([A-Za-z0-9_.-]{1,100})(?:/([a-z]+))?)?")
_JOB_URI = re.compile(r"rtstream://jobs(?:/([A-Za-z0-9_.-]{1,100}))?")


@dataclass(frozen=True)
class Place:
    """Target of a URI: the catalogue (all fields empty), a stream, a live channel of a stream, the jobs, or a job."""

    stream_id: str = ""
    channel: str = ""
    job_id: str | None = None
    """Empty for all jobs, None for streams."""


def stream(stream_id: str) -> str:
    """URI of a stream, which changes with every event on the stream."""
    return f"{STREAMS}/{stream_id}"


def channel(stream_id: str, name: str) -> str:
    """URI of a live channel."""
    return f"{STREAMS}/{stream_id}/{name}"


def job(job_id: str) -> str:
    """URI of a job."""
    return f"{JOBS}/{job_id}"


def parse(uri: str) -> Place | None:
    """Parse a canonical URI. Returns None for every other spelling."""
    if of_job := _JOB_URI.fullmatch(uri):
        return Place(job_id=of_job[1] or "")
    match = _URI.fullmatch(uri)
    if match is None or (match[2] and match[2] not in LIVE_CHANNELS):
        return None
    return Place(match[1] or "", match[2] or "")


def touched_by(message: Message) -> list[str]:
    """URIs whose content changes with a journal message."""
    if message.channel == "catalogue":
        kind, identifier = message.data.get("kind"), message.rtstream_id or str(message.data.get("id") or "")
        return [STREAMS, *([stream(identifier)] if identifier and kind in ("stream", "index") else [])]
    of_job = [JOBS, job(str(message.data.get("job_id") or ""))] if message.channel == "job" else []
    if not message.rtstream_id:
        return of_job
    uris = [stream(message.rtstream_id)]
    if message.channel in LIVE_CHANNEL:
        uris.append(channel(message.rtstream_id, LIVE_CHANNEL[message.channel]))
    return [STREAMS, *uris] if message.channel == "health" else [*of_job, *uris]
