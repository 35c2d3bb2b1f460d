"""Cameras that were found on the networks of the engine (extension)."""

from __future__ import annotations

from pydantic import Field

from rtstream.models.base import ApiModel


class CameraStream(ApiModel):
    """A stream that a camera offers."""

    url: str = Field(description="URL to connect, without credentials. The engine adds those of its settings.")
    name: str = Field(default="", description="Profile of the camera. Untrusted, because the camera chooses it.")
    codec: str | None = None
    width: int | None = Field(default=None, description="pixels")
    height: int | None = Field(default=None, description="pixels")
    fps: float | None = None


class Camera(ApiModel):
    """A camera that responded to a probe."""

    address: str = Field(description="IP address from which it responded.")
    name: str = Field(default="", description="Untrusted, because the camera chooses it.")
    model: str = Field(default="", description="Untrusted, because the camera chooses it.")
    login: str | None = Field(default=None, description="Name of the login of the engine's settings that is used.")
    streams: list[CameraStream] = Field(default_factory=list, description="Its streams, the largest picture first.")
    reason: str = Field(default="", description="Reason for which streams are missing.")


class CameraSearch(ApiModel):
    """Result of a search for cameras."""

    cameras: list[Camera] = Field(description="Cameras by address.")
