"""Only the canonical URIs are known, and a message changes those that show it."""

from __future__ import annotations

from typing import Any

import pytest

from resources import uris
from resources.uris import Place
from rtstream.client.messages import LIVE_CHANNELS
from rtstream.models import Message


def message(channel: str, stream_id: str = "rts-1", **data: Any) -> Message:
    return Message.model_validate(
        {"seq": 1, "channel": channel, "rtstream_id": stream_id, "data": data, "timestamp": ""}
    )


def test_each_uri_leads_back_to_its_place() -> None:
    assert uris.parse(uris.STREAMS) == Place()
    assert uris.parse(uris.stream("rts-1")) == Place("rts-1")
    assert uris.parse(uris.JOBS) == Place(job_id="")
    assert uris.parse(uris.job("job-1")) == Place(job_id="job-1")
    for channel in LIVE_CHANNELS:
        assert uris.parse(uris.channel("rts-1", channel)) == Place("rts-1", channel)


@pytest.mark.parametrize(
    "uri",
    [
        "rtstream://streams/",
        "rtstream://streams/rts-1/",
        "rtstream://streams/rts-1/video",
        "rtstream://streams/rts-1/alerts?since=1",
        "RTSTREAM://streams",
        "rtstream://streams/a b",
        "rtstream://streams/" + "x" * 101,
        "rtstream://streams\n",
        "rtstream://jobs/",
        "rtstream://jobs/job-1/x",
        "rtstream://jobs?limit=1",
        "",
    ],
)
def test_any_other_spelling_is_unknown(uri: str) -> None:
    assert uris.parse(uri) is None


@pytest.mark.parametrize(
    ("changed", "touched"),
    [
        (message("scene_index"), ["rtstream://streams/rts-1", "rtstream://streams/rts-1/scenes"]),
        (message("health"), [uris.STREAMS, "rtstream://streams/rts-1", "rtstream://streams/rts-1/health"]),
        (message("catalogue", kind="stream"), [uris.STREAMS, "rtstream://streams/rts-1"]),
        (message("catalogue", "", kind="stream", id="rts-2"), [uris.STREAMS, "rtstream://streams/rts-2"]),
        (message("catalogue", "", kind="event", id="event-1"), [uris.STREAMS]),
        (message("alert", ""), []),
        (message("job", "", job_id="job-1"), [uris.JOBS, "rtstream://jobs/job-1"]),
        (
            message("job", job_id="job-1"),
            [uris.JOBS, "rtstream://jobs/job-1", "rtstream://streams/rts-1", "rtstream://streams/rts-1/jobs"],
        ),
    ],
)
def test_a_message_changes_what_shows_it(changed: Message, touched: list[str]) -> None:
    assert uris.touched_by(changed) == touched
