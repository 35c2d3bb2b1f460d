"""Former names of tools. Until version 1.0, a call of one is refused with the tool that does the same now."""

from __future__ import annotations

FORMER = {
    "start_stream": "update_stream with running=true",
    "stop_stream": "update_stream with running=false",
    "delete_stream": "delete with kind=stream and id=<stream_id>",
    "delete_alert": "delete with kind=alert and id=<alert_id>",
    "delete_event": "delete with kind=event and id=<event_id>",
    "delete_video": "delete with kind=video and id=<video_id>",
    "search_videos": "search with videos=[<video_id>]",
    "get_video_transcript": "get_transcript with video_id=<video_id>",
    "start_transcript": "transcribe with running=true",
    "stop_transcript": "transcribe with running=false",
    "list_scene_indexes": "get_stream, which lists the indexes of a stream",
    "get_scene_index": "get_stream, which shows the progress of each index",
    "start_scene_index": "update_index with running=true",
    "stop_scene_index": "update_index with running=false",
    "enable_alert": "update_alert with enabled=true",
    "disable_alert": "update_alert with enabled=false",
    "explain_alert": "list_alerts with alert_id=<alert_id>",
}
"""The replacement of each former tool, with its arguments."""


def renamed_tool(name: str) -> str | None:
    """The sentence for a call of a former tool, or None if there was none of this name."""
    return f"{name} is now {FORMER[name]}. Call that." if name in FORMER else None
