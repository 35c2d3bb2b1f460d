"""The engine's description of itself."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from rtstream.models.base import ApiModel
from rtstream.models.search import SearchState
from rtstream.models.streams import HealthReason


class EngineInfo(ApiModel):
    """Response of ``GET rtstream/engine`` (extension), which identifies this engine and its capabilities."""

    engine: Literal["rtstream"] = "rtstream"
    version: str
    vision: str = Field(description="Vision model in use. 'local' is the built-in default.")
    screen_text: bool = Field(description="Whether text on screen can be read.")
    speech: str = Field(default="", description="Speech engine in use. Empty if none is installed.")
    language_model: str = Field(default="", description="Language model that decides events. Empty if none is set.")
    search: SearchState = Field(default_factory=lambda: SearchState())
    reasons: list[HealthReason] = Field(default_factory=list, description="Problems of the whole engine.")
    retain_percent: float = Field(
        default=0.0, description="Percent of the disk's free space that recordings may fill. 0: no bound."
    )
    timezone: str = Field(default="", description="Time zone of clock times: that of the settings or the machine.")
    streams: int = 0
    streams_running: int = 0
