"""Finds the cameras on the networks of this machine with their streams."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from ipaddress import ip_address

from rtstream.camera.probe import OnvifDevice, find_devices
from rtstream.errors import InvalidRequest
from rtstream.models import Camera, CameraStream
from rtstream.rules.addresses import Allowed, check_addresses
from rtstream.rules.camera_login import CameraLogin, login_of

DESCRIBE_S = 8.0
"""Seconds that all cameras together may take to describe their streams."""
SILENT = f"The camera did not describe its streams within {DESCRIBE_S:g} s."


def discover(
    wait_s: float,
    allowed: Allowed,
    logins: Sequence[CameraLogin],
    *,
    tls_verify: bool = True,
    on: Sequence[int] | None = None,
) -> list[Camera]:
    """Return the cameras that respond to a probe, by address. Blocks for ``wait_s``, and some seconds more.

    Args:
        wait_s: Seconds to wait for responses.
        allowed: The addresses that may be connected to. Other cameras are listed without streams.
        logins: Logins of cameras.
        tls_verify: Whether to check the certificates of cameras.
        on: Indexes of the network interfaces to search on; all by default.

    Raises:
        Unavailable: The extra ``onvif`` is not installed, or there is no network.
    """
    devices = find_devices(wait_s, on)
    requests = [None if _refusal(device, allowed) else _Request(device, logins, tls_verify) for device in devices]
    until = time.monotonic() + DESCRIBE_S
    for request in filter(None, requests):
        request.start()
    cameras: list[Camera] = []
    for device, request in zip(devices, requests, strict=True):
        camera = Camera(address=device.address, name=device.name, model=device.model)
        if request is None:
            camera.reason = _refusal(device, allowed)
        else:
            camera.login = request.login.name if request.login else None
            camera.streams, camera.reason = request.wait(until - time.monotonic())
        cameras.append(camera)
    return sorted(cameras, key=lambda camera: ip_address(camera.address).packed)


def _refusal(device: OnvifDevice, allowed: Allowed) -> str:
    """Return the sentence why a device may not be connected to, or nothing."""
    try:
        check_addresses([device.address], allowed)
    except InvalidRequest as exc:
        return exc.message
    return ""


class _Request(threading.Thread):
    """Asks one camera. A camera that responds slowly without end is left alone once the connections are closed."""

    def __init__(self, device: OnvifDevice, logins: Sequence[CameraLogin], tls_verify: bool) -> None:
        from rtstream.camera.onvif import StreamRequest  # loads the libraries of the extra

        super().__init__(name="onvif", daemon=True)
        self.device, self.login = device, login_of(device.address, logins)
        self._result: tuple[list[CameraStream], str] | None = None
        self._request = StreamRequest(device, self.login, tls_verify=tls_verify)

    def run(self) -> None:
        """Ask the camera."""
        self._result = self._request.streams()

    def wait(self, timeout_s: float) -> tuple[list[CameraStream], str]:
        """Return the streams and the reason for which some are missing, after ``timeout_s`` at the latest."""
        self.join(max(0.0, timeout_s))
        self._request.close()
        return self._result or ([], SILENT)
