"""Reduces the master playlist of an HLS source to one variant and one audio rendition (RFC 8216, 4.3.4).

The codec library would download the beginning of every variant to describe it.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, replace

from rtstream.rules.track_choice import OfferedTrack, TrackWish, choose_audio, choose_video

_ATTRIBUTE = re.compile(r'([A-Z0-9-]+)=("[^"]*"|[^",]*)')
_PICTURES = ("avc", "hvc", "hev", "av01", "vp0", "dv", "mp4v")
_WIDELY_PLAYED = ("mp4a.40", "opus", "flac")


@dataclass(frozen=True)
class ChosenVariant:
    """A master playlist with one variant."""

    text: str
    url: str = ""
    """Address of the variant; empty if the playlist has none."""
    tracks: tuple[OfferedTrack, ...] = ()
    """All variants and the audio renditions of the chosen one."""
    has_size: bool = False
    """Whether the playlist states the size of the variant."""
    language: str = ""
    """Language of the audio rendition, if the audio comes from one."""
    others: bool = False
    """Whether there is another variant that has not failed."""


@dataclass(frozen=True)
class _Variant:
    line: str
    url: str
    track: OfferedTrack
    audio_group: str
    codecs: tuple[str, ...]

    @property
    def has_pictures(self) -> bool:
        """Whether it has video, as far as the playlist states that."""
        return not self.codecs or any(codec.startswith(_PICTURES) for codec in self.codecs)

    @property
    def plays_widely(self) -> bool:
        """Whether browsers play its audio."""
        audio = [codec for codec in self.codecs if not codec.startswith(_PICTURES)]
        return all(codec.lower().startswith(_WIDELY_PLAYED) for codec in audio)


@dataclass(frozen=True)
class _Rendition:
    line: str
    group: str
    url: str
    track: OfferedTrack


def choose_variant(
    text: str, wish: TrackWish, kinds: Collection[str] = ("video", "audio"), failed: Collection[str] = ()
) -> ChosenVariant:
    """Return a filtered playlist with the best variant alone. A media playlist stays as it is.

    Args:
        text: The playlist, with absolute addresses.
        wish: The preferred tracks.
        kinds: Kinds of tracks to read. Without "audio", no rendition is left.
        failed: Addresses of variants that could not be read.
    """
    variants, renditions, headers = _parsed(text)
    left = [variant for variant in variants if variant.url not in failed] or variants
    if not left:
        return ChosenVariant(text)
    shown = [variant for variant in left if variant.has_pictures == ("video" in kinds)] or left
    wished = [variant for variant in shown if wish.video and variant.track.id == f"v{wish.video}"]
    best = choose_video(wished or shown, replace(wish, video=0), lambda variant: variant.track)
    assert best is not None
    same = [variant for variant in shown if variant.url == best.url and variant.plays_widely]
    if not best.plays_widely and same:
        best = same[0]
    own = [rendition for rendition in renditions if rendition.group == best.audio_group]
    usual = next((one for one in own if one.track.is_default), own[0] if own else None)
    heard = choose_audio(own, wish, lambda one: one.track, usual) if "audio" in kinds else None
    lines = [*headers, *([heard.line] if heard is not None and heard.url else []), best.line, best.url]
    tracks = [replace(one.track, chosen=one is best) for one in variants]
    tracks += [replace(one.track, chosen=one is heard) for one in own]
    language = heard.track.language if heard is not None and heard.url else ""
    others = any(variant.url != best.url for variant in left)
    return ChosenVariant("\n".join(lines) + "\n", best.url, tuple(tracks), best.track.height > 0, language, others)


def _parsed(text: str) -> tuple[list[_Variant], list[_Rendition], list[str]]:
    variants: list[_Variant] = []
    renditions: list[_Rendition] = []
    headers: list[str] = []
    pending = ""
    for line in text.splitlines():
        tag, _, rest = line.partition(":")
        if tag == "#EXT-X-STREAM-INF":
            pending = line
        elif tag == "#EXT-X-MEDIA":
            found = _attributes(rest)
            if found.get("TYPE") == "AUDIO":
                renditions.append(_rendition(line, found, renditions))
        elif line.startswith("#"):
            headers.append(line)
        elif pending:
            variants.append(_variant(pending, line, len(variants) + 1))
            pending = ""
    return variants, renditions, headers


def _attributes(text: str) -> dict[str, str]:
    return {name: value.strip('"') for name, value in _ATTRIBUTE.findall(text)}


def _variant(line: str, url: str, number: int) -> _Variant:
    found = _attributes(line.partition(":")[2])
    width, _, height = found.get("RESOLUTION", "").lower().partition("x")
    codecs = tuple(codec.strip() for codec in found.get("CODECS", "").split(",") if codec.strip())
    pictures = [codec for codec in codecs if codec.startswith(_PICTURES)]
    track = OfferedTrack(
        f"v{number}",
        "video",
        codec=pictures[0] if pictures else "",
        width=_whole(width),
        height=_whole(height),
        bit_rate=_whole(found.get("BANDWIDTH", "")),
        name=found.get("NAME", "")[:100],
    )
    return _Variant(line, url, track, found.get("AUDIO", ""), codecs)


def _rendition(line: str, found: dict[str, str], before: list[_Rendition]) -> _Rendition:
    group = found.get("GROUP-ID", "")
    number = 1 + sum(one.group == group for one in before)
    track = OfferedTrack(
        f"a{number}",
        "audio",
        language=found.get("LANGUAGE", "")[:20],
        name=found.get("NAME", "")[:100],
        is_default=found.get("DEFAULT") == "YES",
    )
    return _Rendition(line, group, found.get("URI", ""), track)


def _whole(text: str) -> int:
    text = text.strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) < 12 else 0
