"""Streams: connecting, starting and stopping them, their recorders and their health."""

from rtstream.engine.streams.addresses import Addresses
from rtstream.engine.streams.camera_discovery import CameraDiscovery
from rtstream.engine.streams.health import HealthLog
from rtstream.engine.streams.launcher import (
    PipeLauncher,
    RecorderLauncher,
    RecorderLink,
    SocketLauncher,
    choose_launcher,
)
from rtstream.engine.streams.metrics import Metrics
from rtstream.engine.streams.model_costs import ModelCosts
from rtstream.engine.streams.pictures import StreamPictures
from rtstream.engine.streams.recorder_events import RecorderEvents
from rtstream.engine.streams.recorders import StreamRecorders
from rtstream.engine.streams.service import StreamService
from rtstream.engine.streams.stall_watch import StallWatch
from rtstream.engine.streams.storage_health import StorageHealth
from rtstream.engine.streams.supervisor import Supervisor

__all__ = [
    "Addresses",
    "CameraDiscovery",
    "HealthLog",
    "Metrics",
    "ModelCosts",
    "PipeLauncher",
    "RecorderEvents",
    "RecorderLauncher",
    "RecorderLink",
    "SocketLauncher",
    "StallWatch",
    "StorageHealth",
    "StreamPictures",
    "StreamRecorders",
    "StreamService",
    "Supervisor",
    "choose_launcher",
]
