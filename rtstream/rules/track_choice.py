"""Chooses the tracks of a source that carries several of a kind, by default or as the user wishes."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from rtstream.errors import InvalidRequest

T = TypeVar("T")

MAX_LENGTH = 40
_TRACK = re.compile(r"([va])([1-9][0-9]{0,2})")
_HEIGHT = re.compile(r"([1-9][0-9]{1,3})p")
_LANGUAGE = re.compile(r"[a-z]{2,3}(?:-[a-z0-9]{2,8})*")

# ISO 639-1 to the codes of ISO 639-2, which transport streams use. A language may have two of them.
_CODES = """
ar=ara bg=bul bn=ben ca=cat cs=ces,cze cy=cym,wel da=dan de=deu,ger el=ell,gre en=eng es=spa et=est eu=eus,baq
fa=fas,per fi=fin fr=fra,fre ga=gle gl=glg he=heb hi=hin hr=hrv hu=hun hy=hye,arm id=ind is=isl,ice it=ita ja=jpn
ka=kat,geo ko=kor lt=lit lv=lav mk=mkd,mac ms=msa,may mt=mlt nb=nob nl=nld,dut nn=nno no=nor pl=pol pt=por
ro=ron,rum ru=rus sk=slk,slo sl=slv sq=sqi,alb sr=srp sv=swe ta=tam te=tel th=tha tl=tgl tr=tur uk=ukr ur=urd
vi=vie zh=zho,chi
"""
_SHORT = {long: word.partition("=")[0] for word in _CODES.split() for long in word.partition("=")[2].split(",")}


@dataclass(frozen=True)
class TrackWish:
    """The tracks that are wanted of a source."""

    video: int = 0
    """Number of the video track or HLS variant, from 1; 0 if there is no preference."""
    audio: int = 0
    """The same for the audio."""
    language: str = ""
    """Language of the audio; takes precedence over the track that the source marks as its default."""
    max_height: int = 0
    """Pixels above which a video track is not taken if there is a smaller one; 0 for no limit."""
    usual_language: str = ""
    """Language of the audio where the source marks no default."""


@dataclass(frozen=True)
class OfferedTrack:
    """A track that can be chosen."""

    id: str
    """``v1`` for the first video track or HLS variant, ``a1`` for the first audio track."""
    kind: str
    codec: str = ""
    width: int = 0
    height: int = 0
    bit_rate: int = 0  # per second
    language: str = ""
    name: str = ""
    is_default: bool = False
    chosen: bool = False


def parse_tracks(text: str, max_height: int = 0, usual_language: str = "") -> TrackWish:
    """Read a choice of tracks, such as ``v2,a1``, ``de`` or ``720p``.

    Args:
        text: Ids of tracks, a language and a largest height, separated by commas. Empty for the default.
        max_height: The largest height where ``text`` names none.
        usual_language: Language of the audio where neither ``text`` nor the source prefers one.

    Raises:
        InvalidRequest: ``text`` cannot be read.
    """
    wish = TrackWish(max_height=max_height, usual_language=usual_language)
    for word in re.split(r"[,\s]+", text.strip().lower())[:8] if len(text) <= MAX_LENGTH else ["?"]:
        if found := _TRACK.fullmatch(word):
            number = int(found[2])
            wish = replace(wish, video=number) if found[1] == "v" else replace(wish, audio=number)
        elif found := _HEIGHT.fullmatch(word):
            wish = replace(wish, max_height=int(found[1]))
        elif _LANGUAGE.fullmatch(word):
            wish = replace(wish, language=word)
        elif word:
            raise InvalidRequest(
                "tracks names ids of tracks (v1, a2), a language (de) or a largest height (720p), separated by commas. "
                "The media of a connected stream lists its tracks."
            )
    return wish


def same_language(one: str, other: str) -> bool:
    """Return whether two codes, such as ``de-AT`` and ``ger``, name the same language."""
    return bool(one) and bool(other) and _primary(one) == _primary(other)


def _primary(code: str) -> str:
    first = code.strip().lower().replace("_", "-").partition("-")[0]
    return _SHORT.get(first, first)


def choose_audio(
    tracks: Sequence[T], wish: TrackWish, describe: Callable[[T], OfferedTrack], usual: T | None
) -> T | None:
    """Choose an audio track.

    Args:
        tracks: All audio tracks of the source, in order.
        wish: The wish. A number or language that the source does not have is ignored.
        describe: Returns the description of a track.
        usual: The track that is taken where there is no preference, such as the one of the same program as the video.
    """
    if 0 < wish.audio <= len(tracks):
        return tracks[wish.audio - 1]
    offered = [(track, describe(track)) for track in tracks]
    spoken = [track for track, its in offered if same_language(its.language, wish.language)]
    if spoken:
        return usual if usual in spoken else spoken[0]
    if not any(its.is_default for _, its in offered):
        spoken = [track for track, its in offered if same_language(its.language, wish.usual_language)]
    return spoken[0] if spoken and usual not in spoken else usual


def choose_video(tracks: Sequence[T], wish: TrackWish, describe: Callable[[T], OfferedTrack]) -> T | None:
    """Choose a video track: the largest that is not higher than wished, and of equal ones the one with most bits."""
    if 0 < wish.video <= len(tracks):
        return tracks[wish.video - 1]

    def rank(track: T) -> tuple[bool, bool, int, int]:
        its = describe(track)
        fits = not wish.max_height or its.height <= wish.max_height
        pixels = its.width * its.height
        return fits, its.is_default and fits, pixels if fits else -pixels, its.bit_rate if fits else -its.bit_rate

    return max(tracks, key=rank, default=None)
