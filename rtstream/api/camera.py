"""Cameras on the networks of the engine (extension)."""

from __future__ import annotations

from pydantic import BaseModel, Field
from starlette.requests import Request

from rtstream.api.routing import engine_of
from rtstream.models import CameraSearch


class DiscoverCameras(BaseModel):
    """Query of ``GET rtstream/cameras``."""

    wait_s: float = Field(3.0, ge=0.5, le=10.0)


async def discover_cameras(request: Request, query: DiscoverCameras) -> CameraSearch:
    """Find ONVIF cameras on the networks of the engine."""
    return await engine_of(request).cameras.discover(query.wait_s)
