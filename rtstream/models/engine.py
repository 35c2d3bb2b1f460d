"""The engine itself."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from rtstream.models.base import ApiModel
from rtstream.models.search import SearchState


class EngineInfo(ApiModel):
    """Answer of ``GET rtstream/engine`` (extension): tells a client that it talks to this engine and what it can do."""

    engine: Literal["rtstream"] = "rtstream"
    version: str
    vision: str = Field(description="Vision model in use; 'local' is the embedded default.")
    screen_text: bool = Field(description="Text on screen can be read.")
    speech: str = Field(default="", description="Speech engine in use; empty when none is installed.")
    language_model: str = Field(default="", description="Language model that decides events; empty when none is set.")
    search: SearchState = Field(default_factory=lambda: SearchState())
    streams: int = 0
    streams_running: int = 0
