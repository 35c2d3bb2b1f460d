"""Filter of HLS playlists: only known tags, only HTTP(S) addresses, and not too many of them.

A playlist is untrusted, and contains addresses that the engine then requests. The codec library sees the text
that is rebuilt here: every address in it is absolute and was parsed by ``rtstream.rules.source_urls``. The check
whether the engine may connect to an address follows when it is requested.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache
from urllib.parse import urljoin

from rtstream.errors import InvalidRequest
from rtstream.rules.source_urls import parse_web

MAX_BYTES = 8_000_000  # per playlist, enough for a day of DVR in 2 s segments
MAX_VARIANTS = 50  # variants and renditions, over all playlists of a source
MAX_DEPTH = 3  # playlists in playlists
LONGEST_FRAGMENT_S = 20.0
MAX_ADDRESS = 4000  # characters, because the codec library cuts lines at 4096

_PLAIN_TAGS = (
    *("#EXTM3U", "#EXT-X-VERSION", "#EXT-X-TARGETDURATION", "#EXT-X-MEDIA-SEQUENCE", "#EXT-X-DISCONTINUITY-SEQUENCE"),
    *("#EXT-X-DISCONTINUITY", "#EXT-X-ENDLIST", "#EXT-X-PLAYLIST-TYPE", "#EXTINF", "#EXT-X-BYTERANGE"),
    *("#EXT-X-PROGRAM-DATE-TIME", "#EXT-X-START", "#EXT-X-INDEPENDENT-SEGMENTS", "#EXT-X-GAP", "#EXT-X-ALLOW-CACHE"),
)
_ADDRESS_TAGS = ("#EXT-X-KEY", "#EXT-X-MAP", "#EXT-X-MEDIA", "#EXT-X-STREAM-INF", "#EXT-X-SESSION-KEY")
# Possessive: a long run of spaces is not tried in every division.
_ATTRIBUTE = re.compile(r'\s*+([A-Z0-9-]++)=("[^"]*+"|[^",]*+)\s*+(?:,|$)')
_TARGET = re.compile(r"^#EXT-X-TARGETDURATION:\s*([0-9]{1,6})", re.MULTILINE)
_NOT_TEXT = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


@dataclass
class FilteredPlaylist:
    """A playlist that may be handed to the codec library."""

    text: str
    playlists: list[str] = field(default_factory=list)
    """Addresses of the variants and renditions it names."""


def is_playlist(beginning: bytes) -> bool:
    """Return whether the codec library reads a resource with this beginning as a playlist."""
    return beginning.startswith(b"#EXTM3U")


def fragment_s(text: str) -> float:
    """Return the longest segment of a media playlist of MP4 in seconds; 0 for other formats and without segments."""
    if "#EXT-X-MAP" not in text:
        return 0.0
    found = _TARGET.search(text)
    return min(float(found[1]), LONGEST_FRAGMENT_S) if found is not None else LONGEST_FRAGMENT_S


def filter_playlist(data: bytes, base: str) -> FilteredPlaylist:
    """Rebuild a playlist that was fetched from ``base`` (the address after all redirects).

    Raises:
        InvalidRequest: When an address in it is not HTTP(S), or cannot be read in one way only.
    """
    text = _NOT_TEXT.sub("", data.decode("utf-8", errors="replace"))
    found = FilteredPlaylist("")
    lines: list[str] = []
    variant = False  # the next address is that of a variant
    for line in text.replace("\r", "\n").split("\n"):
        line = line.strip()
        if not line:
            continue
        if not line.startswith("#"):
            address = _absolute(line, base)
            if variant:
                found.playlists.append(address)
            variant = False
            lines.append(address)
            continue
        tag, colon, rest = line.partition(":")
        if tag in _ADDRESS_TAGS:
            variant |= tag == "#EXT-X-STREAM-INF"
            lines.append(f"{tag}:{_attributes(tag, rest, base, found)}")
        elif tag in _PLAIN_TAGS:
            lines.append(f"{tag}{colon}{rest}"[:MAX_ADDRESS])
    found.text = "\n".join(lines) + "\n"
    return found


def _attributes(tag: str, text: str, base: str, found: FilteredPlaylist) -> str:
    """Return the attributes of a tag with absolute addresses, up to the first text that is not an attribute."""
    attributes, at = [], 0
    while at < len(text) and (match := _ATTRIBUTE.match(text, at)):
        at = match.end()
        name, value = match[1], match[2]
        if name == "URI":
            address = _absolute(value.strip('"'), base)
            if tag == "#EXT-X-MEDIA":
                found.playlists.append(address)
            value = f'"{address}"'
        attributes.append(f"{name}={value}")
    return ",".join(attributes)


@lru_cache(maxsize=512)  # a live playlist is read again every second, with mostly the same addresses
def _absolute(address: str, base: str) -> str:
    try:
        return parse_web(urljoin(base, address), MAX_ADDRESS).url
    except ValueError:
        raise InvalidRequest("The playlist names an address that cannot be read.") from None
    except InvalidRequest:
        raise InvalidRequest(
            "The playlist names an address that is not a plain http:// or https:// one; it is not opened."
        ) from None
