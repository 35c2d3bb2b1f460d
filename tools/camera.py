"""Tool for cameras: find them on the network."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field

from rtstream.models import CameraStream
from rtstream.rules.source_urls import MAX_URL
from rtstream.rules.text_safety import clean
from tools._framework.definition import ToolContext, live, tool
from tools._framework.parameters import name, note


class CameraInfo(BaseModel):
    """A camera."""

    address: str
    name: str
    model: str | None = None
    login: str | None = Field(default=None, description="Name of the engine's login for it.")
    streams: list[str] = Field(description="URL, codec and size of each stream, the largest first.")
    reason: str | None = Field(default=None, description="Reason for which streams are missing.")


class CamerasFound(BaseModel):
    """The cameras that responded."""

    cameras: list[CameraInfo]
    next: str


@tool("Discover cameras", read_only=True, open_world=True, group="streams")
async def discover_cameras(
    ctx: ToolContext,
    wait_s: Annotated[float, Field(ge=0.5, le=10, description="Seconds to wait for responses.")] = 3.0,
) -> CamerasFound:
    """Find ONVIF cameras on the networks of the engine, with the URLs of their streams.

    Use this when the user has a camera but no URL. The URLs are ready for connect_stream, without credentials: the
    engine adds the login of its settings. Call connect_stream next, with the largest stream as url and the smallest as
    detect_url.
    """
    found = await live(ctx).client.discover_cameras(wait_s)
    cameras = [
        CameraInfo(
            address=camera.address,
            name=name(camera.name),
            model=name(camera.model) or None,
            login=camera.login,
            streams=[name_of(stream) for stream in camera.streams],
            reason=note(camera.reason),
        )
        for camera in found
    ]
    if any(camera.streams for camera in cameras):
        return CamerasFound(cameras=cameras, next="Call connect_stream with url and detect_url of a camera.")
    return CamerasFound(
        cameras=cameras,
        next="No stream was found. A camera has to be on a network of the engine with ONVIF turned on; otherwise, ask "
        "the user for its URL.",
    )


def name_of(stream: CameraStream) -> str:
    """A stream in words: its URL, codec, size and rate."""
    size = f"{stream.width}x{stream.height}" if stream.width and stream.height else ""
    rate = f"{stream.fps:g} fps" if stream.fps else ""
    return " ".join(part for part in (clean(stream.url, MAX_URL), name(stream.codec or ""), size, rate) if part)
