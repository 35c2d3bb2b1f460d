"""The words and the base of every object of the API."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

MediaType = Literal["video", "audio"]
Channel = Literal["scene_index", "transcript", "audio_index", "alert", "health", "catalogue"]
"""Channels of the journal and the WebSocket. ``catalogue`` tells that a stream or index was added or removed."""


class ApiModel(BaseModel):
    """Base of every API object: unknown fields are ignored, so newer servers and clients mix."""

    model_config = ConfigDict(extra="ignore", populate_by_name=True)
