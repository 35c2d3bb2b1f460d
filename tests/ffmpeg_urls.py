"""FFmpeg's own reading of URLs: a model of it, and the function of the bundled library itself."""

from __future__ import annotations

import ctypes
import re
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import av

_ATOI = re.compile(r"[ \t\n\v\f\r]*([+-]?[0-9]+)")


class Split(NamedTuple):
    """The place to which FFmpeg connects. ``port`` is -1 if the URL has no port."""

    scheme: str
    login: str
    host: str
    port: int
    path: str


def model(url: str) -> Split:
    """``av_url_split`` in Python: the authority ends at the first of ``/?#``, and its last ``@`` ends the login.

    Of a host in brackets, only the text between them counts, and only a ``:`` directly after them begins a port. Any
    other host ends at its first ``:``. The rest is read as by ``atoi``, which ignores text after the digits.
    """
    scheme, colon, rest = url.partition(":")
    if not colon:
        return Split("", "", "", -1, url)
    for _slash in range(2):
        rest = rest.removeprefix("/")
    end = re.search(r"[/?#]", rest)
    authority, path = (rest[: end.start()], rest[end.start() :]) if end else (rest, "")
    if not authority:
        return Split(scheme, "", "", -1, path)
    login, _, place = authority.rpartition("@")
    if place.startswith("[") and "]" in place:
        host, _, behind = place[1:].partition("]")
        port = _atoi(behind[1:]) if behind.startswith(":") else -1
    elif ":" in place:
        host, _, behind = place.partition(":")
        port = _atoi(behind)
    else:
        host, port = place, -1
    return Split(scheme, login, host, port, path)


def _atoi(text: str) -> int:
    found = _ATOI.match(text)
    value = max(-(2**63), min(int(found[1]) if found else 0, 2**63 - 1))
    return (value + 2**31) % 2**32 - 2**31  # a C int: 4294967376 is port 80


def bundled() -> Callable[[str], Split]:
    """``av_url_split`` of the library inside the PyAV package. Raises OSError where it cannot be called."""
    folders = (Path(av.__file__).parent.parent / "av.libs", Path(av.__file__).parent / ".dylibs")
    paths = [path for folder in folders for path in folder.glob("*avformat*")]
    if not paths:
        raise OSError("no libavformat next to PyAV")
    function = ctypes.CDLL(str(paths[0])).av_url_split
    function.restype = None
    sizes = (256, 9000, 9000)

    def split(url: str) -> Split:
        scheme, login, host = (ctypes.create_string_buffer(size) for size in sizes)
        path, port = ctypes.create_string_buffer(9000), ctypes.c_int(0)
        function(
            *(part for buffer, size in zip((scheme, login, host), sizes, strict=True) for part in (buffer, size)),
            *(ctypes.byref(port), path, 9000, url.encode()),
        )
        texts = [part.value.decode(errors="replace") for part in (scheme, login, host, path)]
        return Split(texts[0], texts[1], texts[2], port.value, texts[3])

    return split
