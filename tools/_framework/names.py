"""Former names of tools. Until version 1.0, a call of one is refused with the tool that does the same now."""

from __future__ import annotations

FORMER = {
    "start_stream": "update_stream with running=true",
    "stop_stream": "update_stream with running=false",
    "delete_stream": "delete with kind=stream and id=<stream_id>",
    "delete_video": "delete with kind=video and id=<video_id>",
}
"""The replacement of each former tool, with its arguments."""


def renamed_tool(name: str) -> str | None:
    """The sentence for a call of a former tool, or None if there was none of this name."""
    return f"{name} is now {FORMER[name]}. Call that." if name in FORMER else None
