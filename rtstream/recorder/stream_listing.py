"""Reads what the codec library knows of a source and its binding does not pass on, from the library's own listing."""

from __future__ import annotations

import re

import av.logging
from av.container import Container, InputContainer

_STREAM = re.compile(r"^ +Stream #0:([0-9]+)[^\n]*?: (Video|Audio): ", re.MULTILINE)
_CODEC = re.compile(r"^ +Stream #0:([0-9]+)[^\n]*?: (Video|Audio): (\w+)", re.MULTILINE)
_PROGRAM = re.compile(r"^  (?:Program [0-9]+|No Program)\b", re.MULTILINE)


def track_kinds(container: InputContainer) -> dict[int, str]:
    """Return the kind ("video" or "audio") of each track that the demuxer has found so far, by its index.

    The codec library's binding lists only those found at opening, and passes on no packet of the others.
    """
    return {int(index): kind.lower() for index, kind in _STREAM.findall(_listed_text(container))}


def codec_names(container: Container) -> dict[int, tuple[str, str]]:
    """Return the kind and the codec that the demuxer reads in each track at present, by the track's index.

    The codec library's binding retains that of the opening.
    """
    return {int(index): (kind.lower(), name) for index, kind, name in _CODEC.findall(_listed_text(container))}


def programs(container: InputContainer) -> list[set[int]]:
    """Return the indexes of the tracks of each program (channel) of a transport stream; nothing for other formats."""
    listing = _listed_text(container)
    if not _PROGRAM.search(listing):
        return []
    return [{int(index) for index, _ in _STREAM.findall(part)} for part in _PROGRAM.split(listing)[1:]]


def _listed_text(container: Container) -> str:
    before = av.logging.get_level()
    av.logging.set_level(av.logging.INFO)
    try:
        return str(getattr(container, "dumps_format")())  # noqa: B009 (its stubs do not have it)
    finally:
        av.logging.set_level(before)
