"""The base class and the shared vocabulary of the API's objects."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, PrivateAttr

MediaType = Literal["video", "audio"]
Channel = Literal["scene_index", "transcript", "audio_index", "alert", "health", "job", "catalogue"]
"""Channels of the journal and the WebSocket. ``catalogue`` reports streams, indexes and videos added or removed."""


class ApiModel(BaseModel):
    """Base of every API object.

    Unknown fields are ignored, so that different versions of servers and clients work together.
    """

    # Validators are built when a model is first used: together they take 0.1 s of every start.
    model_config = ConfigDict(extra="ignore", populate_by_name=True, defer_build=True)


class CreatedModel(ApiModel):
    """An object that a call created. A client marks it if an earlier call with the same idempotency key did."""

    _repeated: bool = PrivateAttr(default=False)

    @property
    def repeated(self) -> bool:
        """Whether an earlier call created it."""
        return self._repeated

    def marked(self, repeated: object) -> Self:
        """Mark the object, and return it."""
        self._repeated = repeated is True
        return self
