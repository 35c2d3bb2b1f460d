"""RTMP: the address that a client says it connects to (``tcUrl``)."""

from __future__ import annotations

from rtstream.rules.source_urls import SourceUrl


def tc_url(source: SourceUrl) -> str:
    """The ``tcUrl`` of a source, with its name: FFmpeg would write the address that it was given instead."""
    host = f"[{source.host}]" if ":" in source.host else source.host
    return f"{source.scheme}://{host}:{source.port}/{application(source.target)}"


def application(target: str) -> str:
    """The application in path and query of an RTMP URL, found the way FFmpeg does."""
    _, _, query = target.partition("?")
    if "slist=" in query:
        return target[1:]
    if target.startswith("/ondemand/"):
        return "ondemand"
    rest = target[1:]
    first = rest.find("/")
    if first < 0:
        return ""
    second, colon = rest.find("/", first + 1), rest.find(":", first + 1)
    # A colon belongs to the name of the stream (mp4:folder/file), so the application ends before it.
    return rest[:first] if second < 0 or 0 <= colon < second else rest[:second]
