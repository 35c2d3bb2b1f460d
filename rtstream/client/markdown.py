"""Prepares results for chat clients that render Markdown, so that text of others loads and links nothing."""

from __future__ import annotations

from typing import TypeVar

from rtstream.json_types import JsonObject
from rtstream.rules.text_safety import clean, neutralise_data, neutralise_markdown

Content = TypeVar("Content", JsonObject, str)

CHOSEN_BY_OTHERS = frozenset(
    {"name", "stream_name", "video_name", "title", "label", "prompt", "rule", "url", "webhook", "engine", "model"}
)
"""Fields of results that hold names and settings. A user, a model or a sender chose them, so they are data as well."""
OWN_LINKS = frozenset({"player_url", "stream_url", "download_url", "picture_url"})
"""Fields of results that hold links to this engine. They stay links."""
FREE_KEYS = frozenset({"untrusted_data", "rule", "options"})
"""Fields of results that hold objects whose keys others chose."""
MAX_QUOTED = 80


def for_chat(content: Content) -> Content:
    """Return a result or a sentence in which Markdown and HTML have no effect. Links of our own stay links."""
    return neutralise_data(content, OWN_LINKS, FREE_KEYS)


def quoted(name: str) -> str:
    """Return a name that others chose, in quotation marks, on one line and of bounded length, for use in a sentence."""
    plain = " ".join(clean(name, MAX_QUOTED).split()).replace('"', "'")
    return f'"{neutralise_markdown(plain)}"'
