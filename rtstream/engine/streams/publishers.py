"""The places at which publishers send to an engine, told apart by their stream keys."""

from __future__ import annotations

import shutil
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from anyio.abc import TaskGroup

from rtstream.engine.streams.publisher_routing import Names, PublisherRouting
from rtstream.engine.streams.rtmp_publishers import RtmpListener
from rtstream.engine.streams.srt_publishers import SrtListener
from rtstream.errors import InvalidRequest, Unavailable
from rtstream.ipc.sockets import SUPPORTED
from rtstream.rules.publisher_keys import APPLICATION, ListenAddress, parse_listen

LISTENERS = {"rtmp": RtmpListener, "srt": SrtListener}


class Publishers:
    """The listeners of an engine. Raises InvalidRequest for an invalid setting."""

    def __init__(self, setting: str, folder: Path | None, names: Names) -> None:
        """Create the listeners.

        Args:
            setting: The setting ``listen``.
            folder: Folder of the recorders' sockets, None where recorders do not outlive the engine.
            names: See ``Names``.
        """
        self._wanted = parse_listen(setting)
        if self._wanted and not (folder and SUPPORTED):
            raise InvalidRequest("RTSTREAM_LISTEN needs Linux and rtstream-mcp serve. Remove it, or pull the streams.")
        self._folder, self._names = folder, names
        self._routing: PublisherRouting | None = None
        self._bound: list[ListenAddress] = []

    def start(self, tasks: TaskGroup, api_key: str) -> None:
        """Begin to listen. Raises Unavailable if an address cannot be used."""
        if self._folder is None:
            return
        self._routing = PublisherRouting(self._folder, api_key, self._names)
        for wanted in self._wanted:
            if wanted.scheme == "srt" and shutil.which("ffmpeg") is None:
                raise Unavailable("RTSTREAM_LISTEN with srt:// needs the ffmpeg program on PATH, with SRT support.")
            try:
                listener = LISTENERS[wanted.scheme](wanted.host, wanted.port, self._routing)
            except OSError as exc:
                raise Unavailable(
                    f"Publishers cannot be accepted at {wanted.host} port {wanted.port}: {exc.strerror or exc}. Change "
                    "RTSTREAM_LISTEN."
                ) from exc
            self._bound.append(wanted._replace(port=listener.port))
            tasks.start_soon(listener.run)

    def check(self) -> None:
        """Raise InvalidRequest if the engine does not accept publishers."""
        if not self._wanted:
            raise InvalidRequest(
                "This engine does not accept publishers. Start it with RTSTREAM_LISTEN=rtmp://0.0.0.0:1935 "
                "(option --listen)."
            )

    def urls(self, name: str, base_url: str) -> list[str]:
        """Return the URLs at which a publisher sends, with its stream key, and for SRT with its passphrase.

        An engine that listens on all addresses is named as in ``base_url``.
        """
        found = []
        for scheme, host, port in self._bound:
            assert self._routing is not None
            key, passphrase = self._routing.keys_of(name)
            shown = (urlsplit(base_url).hostname or "localhost") if _is_any(host) else host
            shown = f"{scheme}://[{shown}]:{port}" if ":" in shown else f"{scheme}://{shown}:{port}"
            rtmp = scheme == "rtmp"
            found.append(f"{shown}/{APPLICATION}/{key}" if rtmp else f"{shown}?streamid={key}&passphrase={passphrase}")
        return found


def _is_any(host: str) -> bool:
    try:
        return ip_address(host).is_unspecified
    except ValueError:
        return False
