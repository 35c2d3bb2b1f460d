"""Byte ranges of HTTP requests (RFC 9110, section 14)."""

from __future__ import annotations

import re

_ONE = re.compile(r"\s*bytes\s*=\s*(\d*)\s*-\s*(\d*)\s*", re.ASCII | re.IGNORECASE)
_MAX_DIGITS = 18


class Unsatisfiable(ValueError):
    """The range begins after the last byte."""


def requested(header: str, size: int) -> tuple[int, int] | None:
    """Read a ``Range`` header.

    Args:
        header: The value of the header.
        size: Bytes of the whole file.

    Returns:
        The first byte and the one after the last, or None when the whole file is to be sent: the header is not valid,
        which a server has to ignore, or asks for several ranges, which a server may ignore.

    Raises:
        Unsatisfiable: No byte of the range exists.
    """
    found = _ONE.fullmatch(header)
    if found is None or max(map(len, found.groups())) > _MAX_DIGITS:
        return None
    first, last = found.groups()
    if first:
        begin = int(first)
        end = min(size, int(last) + 1) if last else size
        if last and int(last) < begin:
            return None
    elif last:
        begin, end = max(0, size - int(last)), size
    else:
        return None
    if begin >= size or begin >= end:
        raise Unsatisfiable("the range lies behind the end of the file")
    return begin, end
