"""Keys of stored files: relative paths with forward slashes that never lead out of their storage."""

from __future__ import annotations

from rtstream.errors import NotFound

MAX_KEY = 1024
"""Bytes of the longest key; object stores accept no more."""
MAX_NAME = 255
"""Bytes of the longest name in a key; file systems accept no more."""
_NO_PART = frozenset({"", ".", ".."})
_NO_CHAR = frozenset("\0\\:")
"""Characters that end a name, separate folders or name a drive on some system."""


DRAFT = ".partial"
"""Suffix of a folder that has not been published."""
RETIRED = ".deleted"
"""Suffix of a folder that is being deleted."""


def checked(key: str) -> str:
    """Return the key. Raises NotFound when no stored file can have it."""
    names = key.split("/")
    fits = len(key) <= MAX_KEY and max(_bytes(name) for name in names) <= MAX_NAME - len(DRAFT)
    if not fits or not _NO_CHAR.isdisjoint(key) or not _NO_PART.isdisjoint(names):
        raise NotFound("There is no such media file (any more).")
    return key


def _bytes(name: str) -> int:
    try:
        return len(name.encode())
    except UnicodeEncodeError:
        return MAX_KEY  # lone surrogates: no file system stores them everywhere


def joined(folder: str, path: str) -> str:
    """Return the key of a file in a folder. Raises NotFound when ``path`` would lead out of the folder."""
    checked(path)
    return checked(f"{folder}/{path}")
