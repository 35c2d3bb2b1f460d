"""Asks an ONVIF camera for its streams: GetServices or GetCapabilities, GetProfiles and GetStreamUri.

The camera is untrusted. Its HTTP server is reached at the checked address only, without redirects and proxies, and its
responses are bounded. Its URLs are rewritten to that address.
"""

from __future__ import annotations

from dataclasses import replace

import httpx
from onveef import OnvifClient, OnvifEndpoint
from onveef.exceptions import (
    OnvifAuthError,
    OnvifError,
    OnvifFaultError,
    OnvifOperationNotSupportedError,
    OnvifTimeoutError,
)
from onveef.urls import rewrite_service_map

from rtstream.camera.probe import OnvifDevice
from rtstream.errors import InvalidRequest
from rtstream.json_types import JsonObject
from rtstream.models import CameraStream
from rtstream.rules.camera_login import SCHEMES, CameraLogin
from rtstream.rules.redaction import show_url
from rtstream.rules.source_urls import parse_source
from rtstream.rules.text_safety import clean

CALL_S = 4.0
"""Seconds for which the camera may be silent."""
MOST_BYTES = 1 << 20
MOST_PROFILES = 8
MAX_NAME = 100
HIDDEN = "A stream has a secret in its URL, which is not shown. Take the URL from the pages of the camera."


class StreamRequest:
    """A request for the streams of one camera. ``close`` ends it from another thread."""

    def __init__(self, device: OnvifDevice, login: CameraLogin | None, *, tls_verify: bool) -> None:
        self._device, self._login = device, login
        self._client = OnvifClient(
            endpoint=OnvifEndpoint(device.service_url),
            username=login.user if login else "",
            password=login.password if login else "",
            timeout_s=CALL_S,
            retries=0,
            max_response_bytes=MOST_BYTES,
            transport=httpx.HTTPTransport(verify=tls_verify),  # without the proxies of the environment
        )

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def streams(self) -> tuple[list[CameraStream], str]:
        """Return the streams, the largest picture first, and the reason for which some are missing. Blocks."""
        found: list[CameraStream] = []
        reason = ""
        try:
            self._client.set_endpoint(OnvifEndpoint(self._device.service_url, self._services()))
            for profile in self._client.get_profiles()[:MOST_PROFILES]:
                url = self._client.get_stream_uri(profile_token=profile["token"])
                stream, hidden = _stream(url, profile)
                reason = hidden or reason
                if stream is not None and stream.url not in {each.url for each in found}:
                    found.append(stream)
        except OnvifAuthError:
            reason = self._refused()
        except OnvifTimeoutError:
            reason = f"The camera did not respond within {CALL_S:g} s."
        except (OnvifError, httpx.HTTPError, RuntimeError, LookupError, TypeError, ValueError):  # or was closed
            reason = "The camera does not describe its streams. Turn ONVIF on in its settings."
        return sorted(found, key=lambda each: -(each.width or 0) * (each.height or 0)), reason

    def _services(self) -> dict[str, str]:
        """Return the URLs of its services, from GetServices or, of an older camera, from GetCapabilities."""
        try:
            services = self._client.get_services()
        except (OnvifFaultError, OnvifOperationNotSupportedError):
            services = {}
        return rewrite_service_map(services or self._client.get_capabilities(), self._device.service_url)

    def _refused(self) -> str:
        if self._login is not None:
            return f"The camera refused the login '{self._login.name}' of RTSTREAM_CAMERA_CREDENTIALS."
        entry = f"NAME=USER:PASSWORD@{self._device.address}"
        return f"The camera requires a login. Add {entry} to RTSTREAM_CAMERA_CREDENTIALS of the engine."


def _stream(url: str, profile: JsonObject) -> tuple[CameraStream | None, str]:
    """Return a stream without its login, or the reason why its URL cannot be used."""
    try:
        source = replace(parse_source(url), user=None, password="")
    except InvalidRequest:
        return None, "A stream has a URL that cannot be opened."
    if source.scheme not in SCHEMES:
        return None, "A stream has a URL that cannot be opened."
    encoder = profile.get("video_encoder") or {}
    rate = encoder.get("fps_limit")
    stream = CameraStream(
        url=show_url(source.bare),
        name=clean(str(profile.get("name") or profile["token"]), MAX_NAME),
        codec=clean(str(encoder.get("encoding") or ""), 20).lower().replace("h265", "hevc") or None,
        width=encoder.get("width") or None,
        height=encoder.get("height") or None,
        fps=float(rate) if rate else None,
    )
    return stream, "" if stream.url == source.bare else HIDDEN
