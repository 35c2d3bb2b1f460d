"""Finds cameras on request, one search at a time."""

from __future__ import annotations

from functools import partial

import anyio
import anyio.to_thread

from rtstream.camera.discovery import discover
from rtstream.config import EngineConfig
from rtstream.errors import Unavailable
from rtstream.models import CameraSearch
from rtstream.rules.addresses import parse_allowed
from rtstream.rules.camera_login import parse_logins

MOST_WAITING = 4


class CameraDiscovery:
    """Searches the networks of the engine. Raises InvalidRequest for an invalid setting."""

    def __init__(self, config: EngineConfig) -> None:
        self._allowed, self._logins = parse_allowed(config.allow_networks), parse_logins(config.camera_credentials)
        self._tls_verify = config.tls_verify
        self._turn = anyio.Lock()

    async def discover(self, wait_s: float) -> CameraSearch:
        """Return the cameras that respond within ``wait_s`` seconds.

        Raises:
            Unavailable: The extra ``onvif`` is not installed, there is no network, or other searches wait.
        """
        if self._turn.statistics().tasks_waiting >= MOST_WAITING:
            raise Unavailable("Several searches for cameras are waiting. Try again in a minute.")
        async with self._turn:
            search = partial(discover, wait_s, self._allowed, self._logins, tls_verify=self._tls_verify)
            return CameraSearch(cameras=await anyio.to_thread.run_sync(search, abandon_on_cancel=True))
