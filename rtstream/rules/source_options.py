"""Options in the query of a source URL: which of them a protocol takes, and which make the engine listen.

The codec library and ffmpeg take settings from the query, and some of them change the address that is used. Only the
options listed here reach them; queries of HTTP, RTSP and RTMP belong to the server.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from ipaddress import ip_address

from rtstream.errors import InvalidRequest

_TCP = frozenset({"listen", "listen_timeout"})
_UDP = frozenset(
    {"pkt_size", "buffer_size", "fifo_size", "overrun_nonfatal", "reuse", "ttl", "sources", "block", "localaddr"}
)
_UDP_ADDRESSES = ("sources", "block", "localaddr")
_SRT = frozenset(
    {
        *("mode", "streamid", "srt_streamid", "passphrase", "pbkeylen", "enforced_encryption", "minversion"),
        *("kmrefreshrate", "kmpreannounce", "latency", "rcvlatency", "peerlatency", "tsbpd", "tlpktdrop", "nakreport"),
        *(
            "timeout",
            "connect_timeout",
            "listen_timeout",
            "linger",
            "transtype",
            "messageapi",
            "smoother",
            "lossmaxttl",
        ),
        *("payload_size", "pkt_size", "mss", "ffs", "ipttl", "iptos", "maxbw", "inputbw", "oheadbw", "snddropdelay"),
        *("timeout", "sndbuf", "rcvbuf", "send_buffer_size", "recv_buffer_size"),
    }
)
_SRT_MODES = {"": False, "caller": False, "listener": True, "rendezvous": True}
_LISTEN = {"": True, "0": False, "1": True, "2": True}
# What players and ffmpeg understand in an RTSP query. "tcp" and "udp" are taken as the transport.
_RTSP_REFUSED = frozenset({"multicast", "http", "https", "filter_src", "rtsp_flags", "localaddr", "local_addr"})
_NO_LISTENERS = frozenset({"listen", "listen_timeout", "rtmp_listen"})
_VALUE = re.compile(r"[!-%'-~]*")

TRANSPORT_OPTION = "rtstream_transport"

PROBE_S = {"rtsp": 3.0, "rtmp": 2.0, "push": 2.0, "http": 3.0, "tcp": 3.0, "udp": 3.0, "srt": 3.0}
"""Seconds of media that opening a source examines at most. Formats that are unknown then are learnt later.

The codec library's own limits are up to 90 s, in which it waits for a track that is announced but sends nothing.
"""
PROBE_BYTES = 5_000_000


PROBING_PICTURES = {"analyzeduration": "1", "fpsprobesize": "0"}
"""Options for formats without timestamps, whose pictures would be counted as 25 per second."""
LEAST_BEGINNING = 5  # bytes from which such a format is recognised
_PROGRAM_STREAM = (0xB3, 0xBA, 0xBB)  # start codes of MPEG-1 and 2


def invents_times(beginning: bytes) -> bool:
    """Return whether media that begins like this is MJPEG, also in parts over HTTP, or raw H.264 or H.265."""
    if beginning.startswith((b"--", b"\r\n--", b"\xff\xd8\xff", b"\0\0\0\1")):
        return True
    return beginning.startswith(b"\0\0\1") and beginning[3] not in _PROGRAM_STREAM


def sends_pictures(beginning: bytes, content_type: str) -> bool:
    """Return whether media that begins like this consists of JPEG pictures, one after another."""
    if content_type.startswith("multipart/") or "jpeg" in content_type:
        return True
    return beginning.startswith((b"--", b"\r\n--", b"\xff\xd8\xff"))


def probing(scheme: str) -> dict[str, str]:
    """Return the options of the codec library that limit the opening of a source; none for a file."""
    seconds = PROBE_S.get(scheme) or PROBE_S.get(scheme.removesuffix("s"))
    return {"analyzeduration": str(int(seconds * 1e6)), "probesize": str(PROBE_BYTES)} if seconds else {}


def check_options(scheme: str, query: str) -> tuple[str, bool]:
    """Check the query of a source URL.

    Returns:
        The query to pass on, and whether the source waits for a sender instead of being connected to.

    Raises:
        InvalidRequest: For an option that the protocol does not take.
    """
    if scheme in ("tcp", "udp", "srt"):
        return _engine_options(scheme, query)
    if scheme in ("rtsp", "rtsps", "rtmp", "rtmps"):
        _refuse(scheme, query)
    return query, False


def rtsp_transport(query: str) -> tuple[str, str]:
    """Split the query of an RTSP URL into the one the camera gets and the transport ("tcp" or "udp")."""
    transport, kept = "tcp", []
    for part in query.split("&") if query else []:
        if part in ("tcp", "udp"):
            transport = part
        elif part.startswith(f"{TRANSPORT_OPTION}="):
            transport = "udp" if part.endswith("=udp") else "tcp"
        else:
            kept.append(part)
    return "&".join(kept), transport


def _engine_options(scheme: str, query: str) -> tuple[str, bool]:
    options = _pairs(scheme, query, {"tcp": _TCP, "udp": _UDP, "srt": _SRT}[scheme])
    if scheme == "tcp":
        listens = "listen" in options and _one_of(options["listen"], _LISTEN, "listen")
        if "listen_timeout" in options and not options["listen_timeout"].isdigit():
            raise InvalidRequest("The option 'listen_timeout' of a tcp:// source takes milliseconds, as in 5000.")
        return query, listens
    if scheme == "srt":
        return query, _one_of(options.get("mode", ""), _SRT_MODES, "mode")
    for name in _UDP_ADDRESSES:
        for address in options.get(name, "").split(",") if name in options else []:
            _check_address(name, address)
    return query, True  # a UDP source has no other way to receive


def _pairs(scheme: str, query: str, known: frozenset[str]) -> dict[str, str]:
    options: dict[str, str] = {}
    for part in query.split("&") if query else []:
        name, _, value = part.partition("=")
        if name not in known:
            raise InvalidRequest(
                f"A {scheme}:// source does not take the option {name[:40]!r}; remove it. It takes: "
                f"{', '.join(sorted(known))}."
            )
        if name in options:
            raise InvalidRequest(f"The option {name!r} appears twice in the source URL; keep one.")
        if not _VALUE.fullmatch(value):
            raise InvalidRequest(f"The option {name!r} of the source URL has characters that it may not have.")
        options[name] = value
    return options


def _one_of(value: str, known: dict[str, bool], name: str) -> bool:
    if value not in known:
        listed = ", ".join(repr(each) for each in known if each)
        raise InvalidRequest(f"The option {name!r} of the source URL takes one of {listed}.")
    return known[value]


def _check_address(name: str, text: str) -> None:
    try:
        if getattr(ip_address(text), "scope_id", None) is None:
            return
    except ValueError:
        pass
    raise InvalidRequest(f"The option {name!r} of a udp:// source takes IP addresses, not names.")


def _refuse(scheme: str, query: str) -> None:
    names = [part.partition("=")[0].lower() for part in query.split("&")] if query else []
    _refuse_names(scheme, names, _NO_LISTENERS, "the engine does not wait for senders of this protocol")
    if scheme.startswith("rtsp"):
        _refuse_names(scheme, names, _RTSP_REFUSED, "a camera is read over TCP, or over UDP with ?udp")


def _refuse_names(scheme: str, names: Sequence[str], refused: frozenset[str], why: str) -> None:
    for name in names:
        if name in refused:
            raise InvalidRequest(f"A {scheme}:// source does not take the option {name!r}: {why}. Remove it.")


def parse_ports(setting: str) -> tuple[range, ...]:
    """Read ``listen_ports``: ports and ranges such as ``5000, 9000-9010``. Raises InvalidRequest."""
    ranges = []
    for word in filter(None, (word.strip() for word in setting.split(","))):
        match = re.fullmatch(r"([0-9]{1,5})(?:\s*-\s*([0-9]{1,5}))?", word)
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
        if not 0 < first <= last < 65536:
            raise InvalidRequest(
                "RTSTREAM_LISTEN_PORTS takes ports from 1 to 65535 and ranges such as 9000-9010, separated by commas; "
                f"{word[:50]!r} is none of these."
            )
        ranges.append(range(first, last + 1))
    return tuple(ranges)


def check_listening(port: int, allowed: Sequence[range]) -> None:
    """Raise InvalidRequest unless the engine may wait for a sender on ``port``."""
    if not any(port in ports for ports in allowed):
        raise InvalidRequest(
            f"This source would make the engine listen on port {port}, where any sender that reaches it is recorded. "
            f"To allow it set RTSTREAM_LISTEN_PORTS={port}."
        )
